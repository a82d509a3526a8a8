#include "random_spec.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>
#include <utility>

namespace nablafit::testing {

std::uint64_t Random::bits() {
  state_ += 0x9E3779B97F4A7C15U;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31U);
}

double Random::uniform(double lower, double upper) {
  return lower + (upper - lower) * std::ldexp(static_cast<double>(bits() >> 11U), -53);
}

std::size_t Random::below(std::size_t n) {
  return std::min(n - 1, static_cast<std::size_t>(uniform(0.0, static_cast<double>(n))));
}

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

const std::vector<Interpolation> codes{
    Interpolation::piecewise_linear,       Interpolation::piecewise_exponential,
    Interpolation::quadratic_linear,       Interpolation::polynomial_linear,
    Interpolation::polynomial_exponential, Interpolation::polynomial_linear_multiplicative};

Parameter parameter(const std::string& name, double initial, double lower, double upper) {
  Parameter result;
  result.name = name;
  result.initial = initial;
  result.lower = lower;
  result.upper = upper;
  return result;
}

/// Builds one model: a pool of parameters first, then channels that draw from it.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  ModelSpec generate() {
    spec_.name = "random";
    add_norms();
    add_nuisances();
    n_shape_bins_ = 1 + random_.below(10);
    for (std::size_t bin = 0; bin < n_shape_bins_; ++bin) {
      shapes_.push_back(add(parameter("shape_" + std::to_string(bin), 1.0, 0.0, 10.0)));
    }
    const std::size_t n_channels = 1 + random_.below(3);
    for (std::size_t i = 0; i < n_channels; ++i) add_channel("channel_" + std::to_string(i));
    spec_.parameters_of_interest = {norms_[0]};
    return std::move(spec_);
  }

 private:
  std::string add(Parameter parameter) {
    spec_.parameters.push_back(std::move(parameter));
    return spec_.parameters.back().name;
  }

  // --- parameters ---

  void add_norms() {
    const std::size_t n = 1 + random_.below(3);
    for (std::size_t i = 0; i < n; ++i) {
      Parameter norm = parameter("mu_" + std::to_string(i), 1.0, 0.0, 10.0);
      if (random_.chance(0.2))
        norm.constraint = LogNormalConstraint{1.0, random_.uniform(1.05, 1.5)};
      if (random_.chance(0.2)) norm.constraint = PoissonConstraint{25.0, 25.0};
      if (random_.chance(0.1)) norm.lower = -infinity;
      norms_.push_back(add(norm));
    }
    Parameter lumi = parameter("lumi", 1.0, 0.5, 1.5);
    lumi.constraint = GaussianConstraint{1.0, random_.uniform(0.01, 0.1), std::nullopt};
    if (random_.chance(0.3)) lumi.constraint = GaussianConstraint{1.0, 0.3, Range{0.0, 1.5}};
    lumi.fixed = random_.chance(0.2);
    lumi_ = add(lumi);
  }

  void add_nuisances() {
    const std::size_t n = 2 + random_.below(5);
    for (std::size_t i = 0; i < n; ++i) {
      const std::string name = "alpha_" + std::to_string(i);
      nuisances_.push_back(add(random_.chance(0.15) ? gamma_nuisance(name) : nuisance(name)));
    }
  }

  /// HistFactory's beta with its Gamma constraint.
  Parameter gamma_nuisance(const std::string& name) {
    const double relative = random_.uniform(0.05, 0.4);
    Parameter beta = parameter(name, 1.0, 0.0, 10.0);
    beta.constraint = GammaConstraint{1.0 / (relative * relative), relative * relative};
    beta.transformation = GammaTransformation{relative};
    return beta;
  }

  Parameter nuisance(const std::string& name) {
    Parameter alpha = parameter(name, 0.0, -5.0, 5.0);
    alpha.constraint = GaussianConstraint{0.0, 1.0, std::nullopt};
    if (random_.chance(0.15)) alpha.constraint = GaussianConstraint{0.0, 0.7, Range{-1.0, 2.0}};
    if (random_.chance(0.05)) alpha.constraint = UniformConstraint{};
    if (random_.chance(0.05)) alpha.constraint = Unconstrained{};
    if (random_.chance(0.15))
      alpha.transformation = LogNormalTransformation{random_.uniform(0.05, 0.4)};
    return alpha;
  }

  std::string add_gamma(const std::string& name) {
    Parameter gamma = parameter(name, 1.0, 1e-10, 10.0);
    const double sigma = random_.uniform(0.01, 0.3);
    const double tau = 1.0 / (sigma * sigma);
    gamma.constraint = GaussianConstraint{1.0, sigma, std::nullopt};
    if (random_.chance(0.5)) gamma.constraint = PoissonConstraint{tau, tau};
    if (random_.chance(0.15)) {
      gamma.fixed = true;
      if (random_.chance(0.5)) gamma.constraint = Unconstrained{};
    }
    return add(gamma);
  }

  std::vector<std::string> add_gammas(const std::string& prefix, std::size_t n) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < n; ++i) {
      names.push_back(add_gamma(prefix + "[" + std::to_string(i) + "]"));
    }
    return names;
  }

  // --- channels ---

  void add_channel(const std::string& name) {
    Channel channel;
    channel.name = name;
    if (random_.chance(0.1)) channel.yield_floor = random_.uniform(0.0, 20.0);
    const bool has_shape_bins = random_.chance(0.5);
    n_bins_ = has_shape_bins ? n_shape_bins_ : 1 + random_.below(20);
    stat_errors_.clear();
    if (random_.chance(0.7)) stat_errors_ = add_gammas("stat_" + name, n_bins_);
    empty_bin_ = random_.chance(0.3) ? random_.below(n_bins_) : n_bins_;
    const std::size_t n_samples = 1 + random_.below(4);
    for (std::size_t i = 0; i < n_samples; ++i) {
      add_sample(channel, "sample_" + std::to_string(i));
    }
    spec_.channels.push_back(std::move(channel));
  }

  void add_sample(Channel& channel, const std::string& name) {
    Sample sample;
    sample.name = name;
    for (std::size_t bin = 0; bin < n_bins_; ++bin) {
      const bool is_empty = bin == empty_bin_ || random_.chance(0.05);
      sample.nominal.push_back(is_empty ? 0.0 : random_.uniform(0.5, 50.0));
    }
    if (random_.chance(0.3)) sample.yield_floor = random_.chance(0.5) ? 0.0 : 10.0;
    if (random_.chance(0.3)) sample.factor_floor = random_.chance(0.5) ? DBL_MIN : 0.95;
    const std::size_t n_modifiers = random_.below(8);
    for (std::size_t i = 0; i < n_modifiers; ++i) {
      sample.modifiers.push_back(modifier(sample, "modifier_" + std::to_string(i)));
    }
    if (!stat_errors_.empty() && random_.chance(0.8)) {
      sample.modifiers.emplace_back(StatError{"stat", stat_errors_, {}});
    }
    if (random_.chance(0.3)) {
      const auto gammas = add_gammas("shapesys_" + channel.name + "_" + name, n_bins_);
      sample.modifiers.emplace_back(ShapeSys{"shapesys", gammas, {}});
    }
    if (n_bins_ == n_shape_bins_ && random_.chance(0.4)) {
      sample.modifiers.emplace_back(ShapeFactor{"shape", shapes_});
    }
    channel.samples.push_back(std::move(sample));
  }

  // --- modifiers ---

  Modifier modifier(const Sample& sample, const std::string& name) {
    switch (random_.below(10)) {
      case 0:
        return NormFactor{name, random_.pick(norms_)};
      case 1:
        return random_.chance(0.2) ? Modifier(NormFactor{name, odd_norm()})
                                   : Modifier(Lumi{name, lumi_});
      case 2:
        return random_.chance(0.4) ? bin_formula(sample, name) : formula(name);
      case 3:
      case 4:
      case 5:
        return norm_sys(name);
      default:
        return histo_sys(sample, name);
    }
  }

  /// Something else as a norm factor: a gamma that then acts on all bins, a shape factor.
  const std::string& odd_norm() {
    if (!stat_errors_.empty() && random_.chance(0.5)) return random_.pick(stat_errors_);
    return random_.pick(shapes_);
  }

  Modifier formula(const std::string& name) {
    const std::vector<std::string> expressions{"1 + 0.1*@1^2*@0",
                                               "exp(0.1*@1) * @0",
                                               "sqrt(1 + @0^2) / (1 + 0.3*cos(@1))",
                                               "max(@0, 0.5) + 0.1*abs(@1)",
                                               "pow(0.5 + @0*@0, 0.2*@1)",
                                               "1.5",
                                               "2 - min(@1, 0.7*@0 + 0.1)"};
    return FormulaFactor{
        name, random_.pick(expressions), {random_.pick(norms_), random_.pick(nuisances_)}};
  }

  /// A formula that differs from bin to bin; with some chance a sum over two nodes per bin.
  Modifier bin_formula(const Sample& sample, const std::string& name) {
    const std::vector<std::string> expressions{"1 + 0.1*@0*u + @1^2*v**2", "exp(-0.2*u*@0) + v^2",
                                               "0.5 + u*v", "1 + 0.1*sin(u*@1)"};
    FormulaFactor factor{
        name, random_.pick(expressions), {random_.pick(norms_), random_.pick(nuisances_)}};
    const std::size_t n_nodes = random_.chance(0.5) ? 2 : 1;
    factor.variables = {{"u", {}}, {"v", {}}};
    for (std::size_t i = 0; i < n_nodes * sample.nominal.size(); ++i) {
      for (BinVariable& variable : factor.variables) {
        variable.values.push_back(random_.uniform(-0.5, 1.0));
      }
      if (n_nodes > 1) factor.weights.push_back(random_.uniform(0.3, 0.7));
    }
    return factor;
  }

  Modifier norm_sys(const std::string& name) {
    double low = random_.uniform(0.7, 1.1);
    double high = random_.uniform(0.9, 1.3);
    if (random_.chance(0.05)) low = 0.0;
    if (random_.chance(0.03)) {
      low = 0.01;
      high = 40.0;
    }
    return NormSys{name, random_.pick(nuisances_), low, high, random_.pick(codes)};
  }

  Modifier histo_sys(const Sample& sample, const std::string& name) {
    HistoSys result{name, random_.pick(nuisances_), {}, {}, random_.pick(codes)};
    for (const double nominal : sample.nominal) {
      result.low.push_back(nominal * random_.uniform(0.7, 1.1));
      result.high.push_back(nominal * random_.uniform(0.9, 1.3));
      if (random_.chance(0.05)) result.low.back() = 0.0;
      if (random_.chance(0.05)) result.high.back() = nominal;
      if (nominal == 0.0 && random_.chance(0.2)) result.high.back() = random_.uniform(0.0, 2.0);
    }
    return result;
  }

  Random random_;
  ModelSpec spec_;
  std::vector<std::string> norms_, nuisances_, shapes_, stat_errors_;
  std::string lumi_;
  std::size_t n_shape_bins_ = 0;
  std::size_t n_bins_ = 0;
  std::size_t empty_bin_ = 0;
};

double shifted_observable(const Parameter& parameter, Random& random) {
  const double observed = *observed_value(parameter);
  if (const auto* c = std::get_if<GaussianConstraint>(&parameter.constraint)) {
    const double shifted = observed + c->sigma * random.uniform(-1.0, 1.0);
    if (!c->observable_range) return shifted;
    return std::clamp(shifted, c->observable_range->lower, c->observable_range->upper);
  }
  if (random.chance(0.05) && std::holds_alternative<PoissonConstraint>(parameter.constraint)) {
    return 0.0;
  }
  return observed * random.uniform(0.8, 1.2);
}

/// Uniform in a range around the initial value that the parameter's meaning suggests.
double interior(const Parameter& parameter, double width, Random& random) {
  const double half = parameter.initial == 0.0 ? width : 0.3 * width;
  return parameter.initial + random.uniform(-half, half);
}

/// Where something about the parameter is not smooth, or vanishes.
double kink(const Parameter& parameter, Random& random) {
  if (const auto* pull = std::get_if<GammaTransformation>(&parameter.transformation)) {
    return 1.0 + pull->relative * random.pick<double>({-1.0, 0.0, 1.0});
  }
  if (parameter.initial == 0.0) return random.pick<double>({-1.0, 0.0, 1.0});
  const bool may_be_zero = std::holds_alternative<Unconstrained>(parameter.constraint);
  return may_be_zero && random.chance(0.3) ? 0.0 : 1.0;
}

double bound(const Parameter& parameter, Random& random) {
  const double side = random.chance(0.5) ? parameter.lower : parameter.upper;
  return std::isfinite(side) ? side : parameter.initial;
}

}  // namespace

ModelSpec random_spec(std::uint64_t seed) { return Generator(seed).generate(); }

Data random_measurement(const Model& model, std::uint64_t seed) {
  Random random(seed ^ 0xDA7AU);
  Data data;
  const bool is_integer = random.chance(0.5);
  for (const Channel& channel : model.spec().channels) {
    for (std::size_t bin = 0; bin < channel.n_bins(); ++bin) {
      double nominal = 0.0;
      for (const Sample& sample : channel.samples) nominal += sample.nominal[bin];
      const double count = random.chance(0.05) ? 0.0 : nominal * random.uniform(0.6, 1.4);
      data.counts.push_back(is_integer ? std::round(count) : count);
    }
  }
  for (const std::size_t index : model.constrained_parameters()) {
    data.global_observables.push_back(shifted_observable(model.spec().parameters[index], random));
  }
  return data;
}

std::vector<NamedPoint> random_points(const Model& model, std::uint64_t seed) {
  Random random(seed ^ 0x9017U);
  std::vector<NamedPoint> points{{"initial", model.initial()}};
  const auto add = [&](const std::string& name, const auto& value) {
    NamedPoint point{name, {}};
    for (const Parameter& parameter : model.spec().parameters) {
      point.x.push_back(value(parameter));
    }
    points.push_back(std::move(point));
  };
  add("near", [&](const Parameter& p) { return interior(p, 0.5, random); });
  add("wide", [&](const Parameter& p) { return interior(p, 2.5, random); });
  add("kinks", [&](const Parameter& p) { return kink(p, random); });
  add("bounds", [&](const Parameter& p) {
    return random.chance(0.2) ? bound(p, random) : interior(p, 0.5, random);
  });
  add("far", [&](const Parameter& p) { return interior(p, 12.0, random); });
  points.push_back(points[1]);
  points.back().name = "nan";
  points.back().x[random.below(points.back().x.size())] = std::nan("");
  return points;
}

}  // namespace nablafit::testing
