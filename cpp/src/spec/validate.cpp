#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "formula/formula.hpp"
#include "nablafit/error.hpp"
#include "nablafit/function.hpp"
#include "nablafit/spec.hpp"
#include "spec/location.hpp"
#include "spec/validate_values.hpp"
#include "util/interruption.hpp"
#include "util/nearest_name.hpp"

namespace nablafit {

namespace {

using detail::check_finite;
using detail::check_positive;
using detail::check_size;
using detail::fail;
using detail::quoted;
using Location = detail::SpecLocation;

/// The known parameter names.
class KnownParameters {
 public:
  explicit KnownParameters(const ModelSpec& spec) {
    names_.reserve(spec.parameters.size());
    for (const Parameter& parameter : spec.parameters) names_.insert(parameter.name);
  }

  void check(const Location& at, const std::string& name) const {
    if (names_.count(name) != 0) return;
    fail(at, quoted(name),
         "the name of one of the model's " + detail::counted(names_.size(), "parameter") +
             detail::did_you_mean(name, names_));
  }

  void check_all(const Location& parent, const std::vector<std::string>& names) const {
    for (std::size_t i = 0; i < names.size(); ++i) {
      check(Location(parent, "parameters", i), names[i]);
    }
  }

 private:
  std::unordered_set<std::string_view> names_;
};

/// Names that must be present and distinct, checked one by one.
class UniqueNames {
 public:
  void add(const Location& at, const std::string& name) {
    const auto [previous, is_new] = first_.emplace(name, first_.size());
    if (name.empty()) fail(at, "an empty name", "a name");
    if (!is_new) {
      fail(at, quoted(name) + ", the name of entry " + std::to_string(previous->second) + " too",
           "different names; rename one of the two");
    }
  }

 private:
  std::unordered_map<std::string_view, std::size_t> first_;
};

// --- parameters ----------------------------------------------------------------------------------

/// Checks the constraint of one parameter.
struct ConstraintCheck {
  const Location& at;

  void operator()(const Unconstrained&) const {}
  void operator()(const UniformConstraint&) const {}
  void operator()(const GaussianConstraint& c) const {
    check_finite(Location(at, "observed"), c.observed);
    check_positive(Location(at, "sigma"), c.sigma);
    if (!c.observable_range) return;
    const Location range(at, "observable_range");
    check_finite(Location(range, "lower"), c.observable_range->lower);
    check_finite(Location(range, "upper"), c.observable_range->upper);
    detail::check_range(range, *c.observable_range, false);
    if (c.observed < c.observable_range->lower || c.observed > c.observable_range->upper) {
      fail(Location(at, "observed"), detail::text(c.observed),
           "a value within observable_range, " + detail::text(*c.observable_range));
    }
  }
  void operator()(const PoissonConstraint& c) const {
    detail::check_not_negative(Location(at, "observed"), c.observed);
    check_positive(Location(at, "tau"), c.tau);
  }
  void operator()(const LogNormalConstraint& c) const {
    check_positive(Location(at, "observed"), c.observed);
    check_finite(Location(at, "kappa"), c.kappa);
    if (!(c.kappa > 1.0)) {
      fail(Location(at, "kappa"), detail::text(c.kappa),
           "a number above 1; kappa is 1 + relative uncertainty");
    }
  }
  void operator()(const GammaConstraint& c) const {
    detail::check_not_negative(Location(at, "observed"), c.observed);
    check_positive(Location(at, "scale"), c.scale);
  }
};

struct TransformationCheck {
  const Location& at;

  void operator()(const IdentityTransformation&) const {}
  void operator()(const GammaTransformation& p) const {
    check_positive(Location(at, "relative"), p.relative);
  }
  void operator()(const LogNormalTransformation& p) const {
    check_positive(Location(at, "relative"), p.relative);
  }
};

void check_parameter(const Location& at, const Parameter& parameter) {
  check_finite(Location(at, "initial"), parameter.initial);
  const Range range{parameter.lower, parameter.upper};
  detail::check_range(at, range, parameter.fixed);
  const Location constraint(at, "constraint");
  std::visit(ConstraintCheck{constraint}, parameter.constraint);
  const Location transformation(at, "transformation");
  std::visit(TransformationCheck{transformation}, parameter.transformation);
}

void check_parameters(const Location& root, const ModelSpec& spec) {
  UniqueNames names;
  for (std::size_t i = 0; i < spec.parameters.size(); ++i) {
    const Parameter& parameter = spec.parameters[i];
    const Location at(root, "parameters", i, "parameter", parameter.name);
    names.add(Location(at, "name"), parameter.name);
    check_parameter(at, parameter);
  }
}

// --- modifiers -----------------------------------------------------------------------------------

void check_interpolation(const Location& parent, Interpolation code) {
  switch (code) {
    case Interpolation::piecewise_linear:
    case Interpolation::piecewise_exponential:
    case Interpolation::quadratic_linear:
    case Interpolation::polynomial_linear:
    case Interpolation::polynomial_exponential:
    case Interpolation::polynomial_linear_multiplicative:
      return;
  }
  fail(Location(parent, "interpolation"), "code " + std::to_string(static_cast<int>(code)),
       "0, 1, 2, 4, 5 or 6 (3 was never implemented)");
}

/// Checks one modifier of a sample with `n_bins` bins.
struct ModifierCheck {
  const Location& at;
  std::size_t n_bins;
  const KnownParameters& known;

  void operator()(const NormFactor& m) const {
    known.check(Location(at, "parameter"), m.parameter);
  }
  void operator()(const Lumi& m) const { known.check(Location(at, "parameter"), m.parameter); }
  void operator()(const NormSys& m) const {
    known.check(Location(at, "parameter"), m.parameter);
    detail::check_not_negative(Location(at, "low"), m.low);
    detail::check_not_negative(Location(at, "high"), m.high);
    check_interpolation(at, m.interpolation);
  }
  void operator()(const HistoSys& m) const {
    known.check(Location(at, "parameter"), m.parameter);
    const Location low(at, "low");
    const Location high(at, "high");
    check_size(low, m.low.size(), n_bins, "one per bin of the channel");
    check_size(high, m.high.size(), n_bins, "one per bin of the channel");
    detail::check_all_finite(at, "low", m.low);
    detail::check_all_finite(at, "high", m.high);
    check_interpolation(at, m.interpolation);
  }
  void operator()(const StatError& m) const { check_gammas(m.parameters, m.uncertainties); }
  void operator()(const ShapeSys& m) const { check_gammas(m.parameters, m.uncertainties); }
  void operator()(const ShapeFactor& m) const { check_gammas(m.parameters, {}); }
  void operator()(const FormulaFactor& m) const {
    UniqueNames names;
    for (std::size_t i = 0; i < m.parameters.size(); ++i) {
      names.add(Location(at, "parameters", i), m.parameters[i]);
    }
    known.check_all(at, m.parameters);
    const std::size_t n_nodes = check_nodes(m);
    for (std::size_t i = 0; i < m.variables.size(); ++i) {
      const Location here(at, "variables", i, "variable", m.variables[i].name);
      names.add(Location(here, "name"), m.variables[i].name);
      const Location values(here, "values");
      check_size(values, m.variables[i].values.size(), n_bins * n_nodes,
                 "one per node of each bin");
      detail::check_all_finite(here, "values", m.variables[i].values);
    }
    if (m.function != nullptr) return check_function(m);
    try {
      detail::parse_expression(m);
    } catch (const SpecError& error) {
      throw SpecError(error.what(), Location(at, "expression").path());
    }
  }

 private:
  void check_function(const FormulaFactor& m) const {
    if (!m.expression.empty()) {
      fail(Location(at, "expression"), "'" + m.expression + "' besides a function",
           "one of the two; leave the expression empty");
    }
    const std::size_t n = m.parameters.size() + m.variables.size();
    if (m.function->n_arguments() != n) {
      fail(Location(at, "function"), detail::counted(m.function->n_arguments(), "argument"),
           std::to_string(n) + ", the parameters and then the variables");
    }
  }

  /// Nodes per bin of a formula.
  std::size_t check_nodes(const FormulaFactor& m) const {
    if (m.weights.empty()) return 1;
    const Location weights(at, "weights");
    detail::check_all_finite(at, "weights", m.weights);
    if (m.weights.size() % n_bins != 0) {
      fail(weights, detail::counted(m.weights.size(), "weight"),
           "a multiple of the " + detail::counted(n_bins, "bin"));
    }
    return m.weights.size() / n_bins;
  }

  void check_gammas(const std::vector<std::string>& parameters,
                    const std::vector<double>& uncertainties) const {
    check_size(Location(at, "parameters"), parameters.size(), n_bins, "one per bin of the channel");
    known.check_all(at, parameters);
    if (!uncertainties.empty()) detail::check_uncertainties(at, uncertainties, n_bins);
  }
};

// --- channels ------------------------------------------------------------------------------------

void check_floor(const Location& parent, const char* field, const std::optional<double>& floor) {
  if (floor) check_finite(Location(parent, field), *floor);
}

void check_sample(const Location& at, const Sample& sample, std::size_t n_bins,
                  const KnownParameters& known) {
  const Location nominal(at, "nominal");
  check_size(nominal, sample.nominal.size(), n_bins, "as many as in the channel's first sample");
  detail::check_all_finite(at, "nominal", sample.nominal);
  if (!sample.uncertainties.empty()) detail::check_uncertainties(at, sample.uncertainties, n_bins);
  check_floor(at, "yield_floor", sample.yield_floor);
  check_floor(at, "factor_floor", sample.factor_floor);
  for (std::size_t i = 0; i < sample.modifiers.size(); ++i) {
    const Modifier& modifier = sample.modifiers[i];
    detail::check_interruption(detail::operations_per_name + n_bins);
    const Location here(at, "modifiers", i, "modifier", name_of(modifier));
    if (name_of(modifier).empty()) fail(Location(here, "name"), "an empty name", "a name");
    std::visit(ModifierCheck{here, n_bins, known}, modifier);
  }
}

void check_axes(const Location& parent, const Channel& channel) {
  if (channel.axes.empty()) return;
  std::size_t n_cells = 1;
  UniqueNames names;
  for (std::size_t i = 0; i < channel.axes.size(); ++i) {
    const Axis& axis = channel.axes[i];
    const Location at(parent, "axes", i, "axis", axis.name);
    names.add(Location(at, "name"), axis.name);
    if (axis.edges.size() < 2) {
      fail(Location(at, "edges"), detail::counted(axis.edges.size(), "edge"), "at least 2");
    }
    detail::check_all_finite(at, "edges", axis.edges);
    for (std::size_t k = 1; k < axis.edges.size(); ++k) {
      if (axis.edges[k] > axis.edges[k - 1]) continue;
      fail(Location(at, "edges", k), detail::text(axis.edges[k]),
           "an edge above the one before it, " + detail::text(axis.edges[k - 1]));
    }
    n_cells *= axis.edges.size() - 1;
  }
  check_size(Location(parent, "axes"), n_cells, channel.n_bins(),
             "the number of bins of the channel", "bin");
}

void check_channel(const Location& at, const Channel& channel, const KnownParameters& known) {
  if (channel.samples.empty()) {
    fail(Location(at, "samples"), "none",
         "at least one sample; remove the channel if it is unused");
  }
  if (channel.n_bins() == 0) {
    fail(Location(at, "samples", 0), "a sample without bins", "at least one bin");
  }
  check_axes(at, channel);
  check_floor(at, "yield_floor", channel.yield_floor);
  UniqueNames names;
  for (std::size_t i = 0; i < channel.samples.size(); ++i) {
    const Sample& sample = channel.samples[i];
    const Location here(at, "samples", i, "sample", sample.name);
    names.add(Location(here, "name"), sample.name);
    check_sample(here, sample, channel.n_bins(), known);
  }
}

void check_channels(const Location& root, const ModelSpec& spec, const KnownParameters& known) {
  if (spec.channels.empty()) fail(Location(root, "channels"), "none", "at least one channel");
  UniqueNames names;
  for (std::size_t i = 0; i < spec.channels.size(); ++i) {
    const Channel& channel = spec.channels[i];
    const Location at(root, "channels", i, "channel", channel.name);
    names.add(Location(at, "name"), channel.name);
    check_channel(at, channel, known);
  }
}

// --- interest and points -------------------------------------------------------------------------

void check_parameters_of_interest(const Location& root, const ModelSpec& spec) {
  UniqueNames names;
  for (std::size_t i = 0; i < spec.parameters_of_interest.size(); ++i) {
    names.add(Location(root, "parameters_of_interest", i), spec.parameters_of_interest[i]);
  }
}

void check_parameter_points(const Location& root, const ModelSpec& spec,
                            const KnownParameters& known) {
  UniqueNames names;
  for (std::size_t i = 0; i < spec.parameter_points.size(); ++i) {
    const ParameterPoint& point = spec.parameter_points[i];
    const Location at(root, "parameter_points", i, "point", point.name);
    names.add(Location(at, "name"), point.name);
    UniqueNames parameters;
    for (std::size_t k = 0; k < point.values.size(); ++k) {
      const Location here(at, "values", k);
      parameters.add(Location(here, "parameter"), point.values[k].parameter);
      known.check(Location(here, "parameter"), point.values[k].parameter);
      check_finite(Location(here, "value"), point.values[k].value);
    }
  }
}

}  // namespace

void validate_formula(const FormulaFactor& formula) {
  detail::Expression(formula.expression, formula.parameters);
}

void validate(const ModelSpec& spec) {
  const Location root;
  check_parameters(root, spec);
  const KnownParameters known(spec);
  check_channels(root, spec, known);
  check_parameters_of_interest(root, spec);
  check_parameter_points(root, spec, known);
}

}  // namespace nablafit
