/// \file
/// Models built in code.
///
///     nablafit::ModelBuilder builder("search");
///     auto region = builder.channel("signal_region");
///     region.sample("signal", {1.5, 4.0}).norm_factor("mu");
///     region.sample("background", {50.0, 30.0})
///         .norm_sys("scale", 0.95, 1.05)
///         .stat_error({2.0, 1.5});
///     region.observed({48.0, 33.0});
///     builder.parameter_of_interest("mu");
///     const nablafit::Model model(builder.build());
///     const nablafit::Likelihood likelihood(model, model.data(builder.observations()));
///
/// Modifiers create the parameters they need, as in pyhf. Equal names mean the same parameter.
#ifndef NABLAFIT_BUILDER_HPP
#define NABLAFIT_BUILDER_HPP

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "nablafit/export.hpp"
#include "nablafit/spec.hpp"

namespace nablafit {

class ModelBuilder;

/// One sample of a ModelBuilder: adds modifiers, in the order of the calls. A handle, valid as long
/// as the builder; cheap to copy. All functions throw SpecError if numbers do not match the bins or
/// a name already has another meaning.
class NABLAFIT_API SampleBuilder {
 public:
  /// Multiplies the sample by a free parameter that starts at 1, in [0, 10].
  SampleBuilder& norm_factor(const std::string& name);
  /// Multiplies it by a factor that is `low`, 1, `high` at -1, 0, +1 of a parameter with
  /// constraint N(0 | parameter, 1), in [-5, 5].
  SampleBuilder& norm_sys(const std::string& name, double low, double high,
                          Interpolation code = Interpolation::polynomial_exponential);
  /// Varies the histogram to `low` and `high` (yields, not differences) at -1 and +1 of a parameter
  /// as for norm_sys, and the same one if the names are equal.
  SampleBuilder& histo_sys(const std::string& name, std::vector<double> low,
                           std::vector<double> high,
                           Interpolation code = Interpolation::polynomial_linear);
  /// Statistical uncertainties of the sample, in events, as one gamma per bin, shared by all
  /// samples of the channel with this call: N(1 | gamma, sigma), sigma^2 = sum of squared
  /// uncertainties / (sum of yields)^2. Bins without uncertainty are fixed. An empty name stands
  /// for "staterror_<channel>".
  SampleBuilder& stat_error(std::vector<double> uncertainties, std::string name = {});
  /// Uncorrelated uncertainties of only this sample, in events: Pois(tau | gamma tau), tau =
  /// (yield / uncertainty)^2. Bins without uncertainty are fixed.
  SampleBuilder& shape_sys(const std::string& name, std::vector<double> uncertainties);
  /// Multiplies every bin by a separate free parameter that starts at 1, in [0, 10].
  SampleBuilder& shape_factor(const std::string& name);
  /// Multiplies the sample by the luminosity that `ModelBuilder::luminosity` declares.
  SampleBuilder& lumi();
  /// Multiplies the sample by an expression (see FormulaFactor) in parameters that `add_parameter`
  /// or other modifiers declare.
  SampleBuilder& formula(const std::string& name, std::string expression,
                         std::vector<std::string> parameters);
  /// The same for any FormulaFactor: with numbers per bin, a quadrature, or a function in C++.
  SampleBuilder& formula(FormulaFactor factor);

 private:
  friend class ChannelBuilder;
  SampleBuilder(ModelBuilder& builder, std::size_t channel, std::size_t sample)
      : builder_(&builder), channel_(channel), sample_(sample) {}
  SampleBuilder& add(Modifier modifier);
  Sample& sample() const;

  ModelBuilder* builder_;
  std::size_t channel_;
  std::size_t sample_;
};

/// One channel of a ModelBuilder. A handle, as SampleBuilder.
class NABLAFIT_API ChannelBuilder {
 public:
  /// Adds a sample with its expected events per bin.
  SampleBuilder sample(std::string name, std::vector<double> nominal);
  /// Sets the observed events per bin.
  ChannelBuilder& observed(std::vector<double> counts);
  /// Adds an observable; `edges` has one more entry than bins.
  ChannelBuilder& axis(std::string name, std::vector<double> edges);

 private:
  friend class ModelBuilder;
  ChannelBuilder(ModelBuilder& builder, std::size_t channel)
      : builder_(&builder), channel_(channel) {}

  ModelBuilder* builder_;
  std::size_t channel_;
};

/// Builds a ModelSpec step by step. Parameters are in the order of their first use. Not for use
/// from several threads at once; what `build` returns is independent of the builder.
class NABLAFIT_API ModelBuilder {
 public:
  explicit ModelBuilder(std::string name = "model");
  ~ModelBuilder();
  ModelBuilder(const ModelBuilder&) = delete;
  ModelBuilder& operator=(const ModelBuilder&) = delete;

  /// Adds a channel. Throws SpecError if the name is already used.
  ChannelBuilder channel(std::string name);
  /// Declares the parameter "lumi": starts at `value`, in [0, 10 value], N(value | lumi, sigma).
  ModelBuilder& luminosity(double value, double sigma);
  /// Declares a parameter that no modifier creates, for formulas. Throws SpecError if it exists.
  ModelBuilder& add_parameter(Parameter parameter);
  /// An existing parameter, to change its initial value, bounds or whether it is fixed; valid until
  /// the next one is created. `build` sets the widths of the gammas of stat_error. Throws
  /// ArgumentError for unknown names.
  Parameter& parameter(const std::string& name);
  ModelBuilder& parameter_of_interest(std::string name);

  /// The model, validated. Throws SpecError.
  ModelSpec build() const;
  /// The observed events of the channels that have them, named "observed".
  Observations observations() const;

 private:
  friend class ChannelBuilder;
  friend class SampleBuilder;
  struct Contents;
  std::unique_ptr<Contents> contents_;
};

}  // namespace nablafit

#endif  // NABLAFIT_BUILDER_HPP
