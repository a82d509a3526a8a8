#include "nablafit/builder.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "nablafit/error.hpp"
#include "spec/standard_parameters.hpp"
#include "util/nearest_name.hpp"

namespace nablafit {
namespace {

/// What a name is used for. Only a norm_sys and a histo_sys may share one.
enum class Role { factor, systematic, stat_error, shape_sys, shape_factor, other };

std::string_view to_string(Role role) {
  switch (role) {
    case Role::factor:
      return "norm_factor";
    case Role::systematic:
      return "norm_sys or histo_sys";
    case Role::stat_error:
      return "stat_error";
    case Role::shape_sys:
      return "shape_sys";
    case Role::shape_factor:
      return "shape_factor";
    case Role::other:
      break;
  }
  return "formula or luminosity";
}

void expect_bins(const Sample& sample, std::size_t found, const std::string& what) {
  if (found == sample.nominal.size()) return;
  throw SpecError("found " + std::to_string(found) + " values, expected " +
                      std::to_string(sample.nominal.size()) + ", one per bin of sample '" +
                      sample.name + "'",
                  what);
}

}  // namespace

struct ModelBuilder::Contents {
  struct Use {
    Role role;
    std::string channel;  ///< of a stat_error, which has separate gammas in every channel
  };

  ModelSpec spec;
  Observations observations;
  std::unordered_map<std::string, std::size_t> index_of;  ///< of parameters
  std::unordered_map<std::string, Use> uses;              ///< of modifier names

  /// Records what a name is used for; false if it was already used for that.
  bool use(const std::string& name, Role role, const std::string& channel = {});
  void add(Parameter parameter);
  /// Adds what is made for a name, unless it already exists.
  void add_scalar(const std::string& name, Role role, Parameter (*make)(std::string));
  template <typename Make>
  std::vector<std::string> add_bins(const std::string& name, std::size_t n_bins, bool is_new,
                                    const Make& make);
};

bool ModelBuilder::Contents::use(const std::string& name, Role role, const std::string& channel) {
  if (name.empty()) throw SpecError("found a modifier without a name, expected one");
  const auto [found, is_new] = uses.emplace(name, Use{role, channel});
  const Use& first = found->second;
  if (first.role != role) {
    throw SpecError("found a " + std::string(to_string(role)) + " with the name of a " +
                        std::string(to_string(first.role)) +
                        ", expected different names; rename one of them",
                    name);
  }
  if (first.channel != channel) {
    throw SpecError("found in channel '" + channel + "' a stat_error that channel '" +
                        first.channel + "' has too, expected another name; gammas are not shared",
                    name);
  }
  return is_new;
}

void ModelBuilder::Contents::add(Parameter parameter) {
  const auto [found, is_new] = index_of.emplace(parameter.name, spec.parameters.size());
  if (!is_new) {
    throw SpecError("found a second parameter of this name, expected one; rename one of them",
                    parameter.name);
  }
  spec.parameters.push_back(std::move(parameter));
}

void ModelBuilder::Contents::add_scalar(const std::string& name, Role role,
                                        Parameter (*make)(std::string)) {
  if (use(name, role)) add(make(name));
}

template <typename Make>
std::vector<std::string> ModelBuilder::Contents::add_bins(const std::string& name,
                                                          std::size_t n_bins, bool is_new,
                                                          const Make& make) {
  std::vector<std::string> names;
  names.reserve(n_bins);
  for (std::size_t b = 0; b < n_bins; ++b) {
    names.push_back(detail::bin_name(name, b));
    if (is_new) add(make(names.back(), b));
  }
  return names;
}

// --- samples -------------------------------------------------------------------------------------

Sample& SampleBuilder::sample() const {
  return builder_->contents_->spec.channels[channel_].samples[sample_];
}

SampleBuilder& SampleBuilder::add(Modifier modifier) {
  sample().modifiers.push_back(std::move(modifier));
  return *this;
}

SampleBuilder& SampleBuilder::norm_factor(const std::string& name) {
  builder_->contents_->add_scalar(name, Role::factor, detail::free_factor);
  return add(NormFactor{name, name});
}

SampleBuilder& SampleBuilder::norm_sys(const std::string& name, double low, double high,
                                       Interpolation code) {
  builder_->contents_->add_scalar(name, Role::systematic, detail::systematic_parameter);
  return add(NormSys{name, name, low, high, code});
}

SampleBuilder& SampleBuilder::histo_sys(const std::string& name, std::vector<double> low,
                                        std::vector<double> high, Interpolation code) {
  expect_bins(sample(), low.size(), name + ", low");
  expect_bins(sample(), high.size(), name + ", high");
  builder_->contents_->add_scalar(name, Role::systematic, detail::systematic_parameter);
  return add(HistoSys{name, name, std::move(low), std::move(high), code});
}

SampleBuilder& SampleBuilder::stat_error(std::vector<double> uncertainties, std::string name) {
  ModelBuilder::Contents& contents = *builder_->contents_;
  const std::string& channel = contents.spec.channels[channel_].name;
  if (name.empty()) name = "staterror_" + channel;
  expect_bins(sample(), uncertainties.size(), name);
  const bool is_new = contents.use(name, Role::stat_error, channel);
  const auto make = [](const std::string& gamma, std::size_t) {
    return detail::stat_gamma(gamma, 1.0);
  };
  std::vector<std::string> gammas = contents.add_bins(name, uncertainties.size(), is_new, make);
  return add(StatError{std::move(name), std::move(gammas), std::move(uncertainties)});
}

SampleBuilder& SampleBuilder::shape_sys(const std::string& name,
                                        std::vector<double> uncertainties) {
  ModelBuilder::Contents& contents = *builder_->contents_;
  expect_bins(sample(), uncertainties.size(), name);
  if (!contents.use(name, Role::shape_sys)) {
    throw SpecError(
        "found a second sample with this shape_sys, expected one; rename it, or use "
        "stat_error",
        name);
  }
  const auto make = [&](const std::string& gamma, std::size_t b) {
    return detail::shape_gamma(gamma, detail::shape_tau(sample().nominal[b], uncertainties[b]));
  };
  std::vector<std::string> gammas = contents.add_bins(name, uncertainties.size(), true, make);
  return add(ShapeSys{name, std::move(gammas), std::move(uncertainties)});
}

SampleBuilder& SampleBuilder::shape_factor(const std::string& name) {
  ModelBuilder::Contents& contents = *builder_->contents_;
  const std::size_t n_bins = sample().nominal.size();
  const bool is_new = contents.use(name, Role::shape_factor);
  const auto make = [](const std::string& factor, std::size_t) {
    return detail::free_factor(factor);
  };
  return add(ShapeFactor{name, contents.add_bins(name, n_bins, is_new, make)});
}

SampleBuilder& SampleBuilder::lumi() {
  if (builder_->contents_->index_of.count("lumi") == 0) {
    throw SpecError(
        "found a sample with lumi, but no luminosity is declared; call "
        "ModelBuilder::luminosity(value, sigma) first",
        "lumi");
  }
  return add(Lumi{"lumi", "lumi"});
}

SampleBuilder& SampleBuilder::formula(const std::string& name, std::string expression,
                                      std::vector<std::string> parameters) {
  return formula(FormulaFactor{name, std::move(expression), std::move(parameters)});
}

SampleBuilder& SampleBuilder::formula(FormulaFactor factor) {
  builder_->contents_->use(factor.name, Role::other);
  return add(std::move(factor));
}

// --- channels ------------------------------------------------------------------------------------

SampleBuilder ChannelBuilder::sample(std::string name, std::vector<double> nominal) {
  std::vector<Sample>& samples = builder_->contents_->spec.channels[channel_].samples;
  if (!samples.empty()) expect_bins(samples.front(), nominal.size(), name);
  Sample& sample = samples.emplace_back();
  sample.name = std::move(name);
  sample.nominal = std::move(nominal);
  return {*builder_, channel_, samples.size() - 1};
}

ChannelBuilder& ChannelBuilder::observed(std::vector<double> counts) {
  const std::string& name = builder_->contents_->spec.channels[channel_].name;
  std::vector<ChannelCounts>& channels = builder_->contents_->observations.channels;
  const auto found = std::find_if(channels.begin(), channels.end(),
                                  [&](const ChannelCounts& c) { return c.channel == name; });
  if (found == channels.end()) {
    channels.push_back({name, std::move(counts)});
  } else {
    found->counts = std::move(counts);
  }
  return *this;
}

ChannelBuilder& ChannelBuilder::axis(std::string name, std::vector<double> edges) {
  builder_->contents_->spec.channels[channel_].axes.push_back({std::move(name), std::move(edges)});
  return *this;
}

// --- models --------------------------------------------------------------------------------------

ModelBuilder::ModelBuilder(std::string name) : contents_(std::make_unique<Contents>()) {
  contents_->spec.name = std::move(name);
  contents_->observations.name = "observed";
}

ModelBuilder::~ModelBuilder() = default;

ChannelBuilder ModelBuilder::channel(std::string name) {
  std::vector<Channel>& channels = contents_->spec.channels;
  for (const Channel& channel : channels) {
    if (channel.name != name) continue;
    throw SpecError("found a second channel of this name, expected different names", name);
  }
  channels.emplace_back().name = std::move(name);
  return {*this, channels.size() - 1};
}

ModelBuilder& ModelBuilder::luminosity(double value, double sigma) {
  contents_->use("lumi", Role::other);
  Parameter lumi = detail::free_factor("lumi");
  lumi.initial = value;
  lumi.upper = 10.0 * value;
  lumi.constraint = GaussianConstraint{value, sigma, std::nullopt};
  contents_->add(std::move(lumi));
  return *this;
}

ModelBuilder& ModelBuilder::add_parameter(Parameter parameter) {
  contents_->add(std::move(parameter));
  return *this;
}

Parameter& ModelBuilder::parameter(const std::string& name) {
  const auto found = contents_->index_of.find(name);
  if (found != contents_->index_of.end()) return contents_->spec.parameters[found->second];
  std::vector<std::string> known;
  for (const Parameter& parameter : contents_->spec.parameters) known.push_back(parameter.name);
  throw ArgumentError("the builder has no parameter '" + name + "'" +
                      detail::did_you_mean(name, known));
}

ModelBuilder& ModelBuilder::parameter_of_interest(std::string name) {
  contents_->spec.parameters_of_interest.push_back(std::move(name));
  return *this;
}

namespace {

/// One stat_error of a channel: sums over the samples that have it, per bin.
struct StatErrorSums {
  std::vector<double> totals;
  std::vector<double> squares;
};

using StatErrorsByName = std::unordered_map<std::string, StatErrorSums>;

template <typename Visit>
void for_each_stat_error(const Channel& channel, const Visit& visit) {
  for (const Sample& sample : channel.samples) {
    for (const Modifier& modifier : sample.modifiers) {
      if (const auto* found = std::get_if<StatError>(&modifier)) visit(sample, *found);
    }
  }
}

StatErrorsByName sum_stat_errors(const Channel& channel) {
  StatErrorsByName sums;
  for_each_stat_error(channel, [&](const Sample& sample, const StatError& modifier) {
    StatErrorSums& sum = sums[modifier.name];
    sum.totals.resize(sample.nominal.size());
    sum.squares.resize(sample.nominal.size());
    for (std::size_t b = 0; b < sample.nominal.size(); ++b) sum.totals[b] += sample.nominal[b];
  });
  for_each_stat_error(channel, [&](const Sample&, const StatError& modifier) {
    StatErrorSums& sum = sums[modifier.name];
    for (std::size_t b = 0; b < sum.squares.size(); ++b) {
      sum.squares[b] += detail::relative_square(modifier.uncertainties[b], sum.totals[b]);
    }
  });
  return sums;
}

}  // namespace

ModelSpec ModelBuilder::build() const {
  ModelSpec spec = contents_->spec;
  for (const Channel& channel : spec.channels) {
    for (const auto& [name, sums] : sum_stat_errors(channel)) {
      for (std::size_t b = 0; b < sums.squares.size(); ++b) {
        Parameter& gamma = spec.parameters[contents_->index_of.at(detail::bin_name(name, b))];
        const double sigma = std::sqrt(sums.squares[b]);
        gamma.fixed = gamma.fixed || sigma == 0.0;
        gamma.constraint = detail::stat_gamma(gamma.name, sigma).constraint;
      }
    }
  }
  validate(spec);
  return spec;
}

Observations ModelBuilder::observations() const { return contents_->observations; }

}  // namespace nablafit
