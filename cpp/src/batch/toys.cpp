#include "nablafit/toys.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <variant>

#include "evaluate/compiled_likelihood.hpp"
#include "nablafit/error.hpp"
#include "util/array_size.hpp"
#include "util/one_of.hpp"
#include "util/polled_run.hpp"
#include "util/random_stream.hpp"

namespace nablafit {
namespace {

using detail::RandomStream;

constexpr std::size_t chunk_size = 64;

/// How a global observable is drawn: `center` and `width` of the Gaussian, mean of the Poisson,
/// median and log kappa of the LogNormal.
struct ObservableLaw {
  enum class Kind { gaussian, truncated_gaussian, poisson, lognormal } kind;
  double center;
  double width = 0.0;
  Range range{0.0, 0.0};

  double draw(RandomStream& stream) const {
    switch (kind) {
      case Kind::poisson:
        return stream.poisson(center);
      case Kind::lognormal:
        return center * std::exp(width * stream.normal());
      case Kind::truncated_gaussian: {
        const double z =
            stream.truncated_normal((range.lower - center) / width, (range.upper - center) / width);
        return std::clamp(center + width * z, range.lower, range.upper);
      }
      case Kind::gaussian:
        break;
    }
    return center + width * stream.normal();
  }
};

/// The law of a constraint term at the parameter value `x`.
struct LawOf {
  using Kind = ObservableLaw::Kind;
  const std::string& parameter;
  double x;

  ObservableLaw operator()(const GaussianConstraint& constraint) const {
    if (!constraint.observable_range) return {Kind::gaussian, x, constraint.sigma};
    return {Kind::truncated_gaussian, x, constraint.sigma, *constraint.observable_range};
  }
  ObservableLaw operator()(const PoissonConstraint& constraint) const {
    check(x >= 0.0, "not negative");
    return {Kind::poisson, constraint.tau * x};
  }
  ObservableLaw operator()(const GammaConstraint& constraint) const {
    check(x >= 0.0, "not negative");
    return {Kind::poisson, x / constraint.scale};
  }
  ObservableLaw operator()(const LogNormalConstraint& constraint) const {
    check(x > 0.0, "positive");
    return {Kind::lognormal, x, std::log(constraint.kappa)};
  }
  template <typename Other, typename = detail::OneOf<Other, Unconstrained, UniformConstraint>>
  ObservableLaw operator()(const Other&) const {
    return {Kind::gaussian, x};
  }

  void check(bool good, const char* expected) const {
    if (good) return;
    throw ArgumentError("the parameter is " + std::to_string(x) + ", expected a value that is " +
                            expected + ": its constraint term has no density here, so no toys",
                        parameter);
  }
};

std::vector<double> checked_yields(const Model& model, const double* x) {
  for (std::size_t p = 0; p < model.n_parameters(); ++p) {
    if (std::isfinite(x[p])) continue;
    throw ArgumentError("the parameter is not a finite number", model.parameter_names()[p]);
  }
  std::vector<double> yields(model.n_bins());
  model.expected(x, yields.data());
  const auto& offsets = model.channel_offsets();
  for (std::size_t b = 0; b < yields.size(); ++b) {
    if (yields[b] >= 0.0 && std::isfinite(yields[b])) continue;
    const auto after = std::upper_bound(offsets.begin(), offsets.end(), b);
    const auto channel = static_cast<std::size_t>(after - offsets.begin()) - 1;
    throw ArgumentError(
        "the expected yield is " + std::to_string(yields[b]) +
            ", expected a finite number that is not negative; draw toys at other "
            "parameter values",
        model.spec().channels[channel].name + "[" + std::to_string(b - offsets[channel]) + "]");
  }
  return yields;
}

std::vector<ObservableLaw> observable_laws(const Model& model, const double* x) {
  std::vector<ObservableLaw> laws;
  laws.reserve(model.constrained_parameters().size());
  for (const std::size_t p : model.constrained_parameters()) {
    const Parameter& parameter = model.spec().parameters[p];
    laws.push_back(std::visit(LawOf{parameter.name, x[p]}, parameter.constraint));
  }
  return laws;
}

std::vector<double> fixed_observables(const Model& model, const ToyOptions& options) {
  const std::size_t n = model.constrained_parameters().size();
  if (options.global_observables.size() == n) return options.global_observables;
  if (!options.global_observables.empty()) {
    throw ArgumentError("has " + std::to_string(options.global_observables.size()) +
                            " values, the model has " + std::to_string(n),
                        "global_observables");
  }
  return detail::stored_observables(model);
}

}  // namespace

Toys generate_toys(const Model& model, const double* x, std::size_t n, std::uint64_t seed,
                   std::uint64_t start, const ToyOptions& options, const RunOptions& run) {
  const std::vector<double> yields = checked_yields(model, x);
  const std::vector<double> fixed = fixed_observables(model, options);
  std::vector<ObservableLaw> laws;
  if (options.randomize_global_observables) laws = observable_laws(model, x);
  const std::size_t n_numbers = detail::array_size(n, yields.size() + fixed.size(), "n");
  Toys toys{n, std::vector<double>(n * yields.size()),
            std::vector<double>(n_numbers - n * yields.size())};
  std::vector<char> done(n, 0);
  const auto draw = [&](std::size_t i, std::size_t) {
    RandomStream stream(seed, detail::StreamPurpose::toys, start + i);
    double* counts = toys.counts.data() + i * yields.size();
    for (const double mean : yields) *counts++ = stream.poisson(mean);
    double* observables = toys.global_observables.data() + i * fixed.size();
    std::copy(fixed.begin(), fixed.end(), observables);
    for (const ObservableLaw& law : laws) *observables++ = law.draw(stream);
    done[i] = 1;
  };
  if (!detail::run_items(n, chunk_size, run, draw)) {
    toys.n = static_cast<std::size_t>(std::find(done.begin(), done.end(), 0) - done.begin());
    toys.counts.resize(toys.n * yields.size());
    toys.global_observables.resize(toys.n * fixed.size());
  }
  return toys;
}

}  // namespace nablafit
