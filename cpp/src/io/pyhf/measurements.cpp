#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "io/json/reader.hpp"
#include "io/pyhf/parameters.hpp"
#include "spec/standard_parameters.hpp"
#include "util/nearest_name.hpp"

namespace nablafit::io {
namespace {

/// One entry of a measurement's `parameters`. Values for missing keys do not exist.
struct Override {
  JsonValue value;
  JsonValue inits;
  JsonValue bounds;
  JsonValue auxdata;
  JsonValue factors;
  JsonValue sigmas;
  JsonValue fixed;
};
using OverridesByName = std::unordered_map<std::string_view, Override>;

void expect_positive(JsonValue numbers, std::string_view what) {
  for (const JsonValue element : numbers.elements()) {
    if (element.number() > 0.0) continue;
    fail(element, "found " + describe(element) + " in " + std::string(what) +
                      ", expected positive numbers; set 'fixed' to hold a parameter");
  }
}

void check_bounds(JsonValue bounds) {
  expect_items(bounds, "an array of pairs [lower, upper]");
  for (const JsonValue pair : bounds.elements()) {
    expect_numbers(pair, "a pair [lower, upper]");
    if (pair.size() != 2) {
      fail(pair, "found " + describe(pair) + ", expected a pair [lower, upper]");
    }
    const std::vector<double> range = numbers(pair);
    if (range[0] <= range[1]) continue;
    const auto upper = ++pair.elements().begin();
    fail(pair, "found " + describe(*pair.elements().begin()) + " as lower bound and " +
                   describe(*upper) + " as upper bound, expected lower below upper; swap them");
  }
}

Override read_override(JsonValue value, std::string_view& name) {
  constexpr std::array<JsonField, 7> fields = {{{"name"},
                                                {"inits", false},
                                                {"bounds", false},
                                                {"auxdata", false},
                                                {"factors", false},
                                                {"sigmas", false},
                                                {"fixed", false}}};
  const auto [name_value, inits, bounds, auxdata, factors, sigmas, fixed] =
      read_fields(value, "the settings of a parameter", fields);
  name = expect_name(name_value, "a parameter");
  if (inits.exists()) expect_numbers(inits, "an array of initial values");
  if (bounds.exists()) check_bounds(bounds);
  if (auxdata.exists()) expect_numbers(auxdata, "an array of auxiliary data");
  if (factors.exists()) {
    expect_numbers(factors, "an array of factors (tau) of Poisson constraints");
    expect_positive(factors, "the factors (tau) of Poisson constraints");
  }
  if (sigmas.exists()) {
    expect_numbers(sigmas, "an array of widths (sigma) of Gaussian constraints");
    expect_positive(sigmas, "the widths (sigma) of Gaussian constraints");
  }
  if (fixed.exists()) expect_kind(fixed, JsonKind::boolean, "true or false");
  return {value, inits, bounds, auxdata, factors, sigmas, fixed};
}

OverridesByName read_overrides(JsonValue parameters) {
  expect_kind(parameters, JsonKind::array, "an array of settings of parameters");
  OverridesByName result;
  for (const JsonValue value : parameters.elements()) {
    std::string_view name;
    const Override override = read_override(value, name);
    const auto [first, is_new] = result.emplace(name, override);
    if (is_new) continue;
    fail(value, "found a second entry for parameter " + quoted(name) + " (the first is " +
                    first->second.value.pointer() + "), expected one; merge them");
  }
  return result;
}

// --- defaults ------------------------------------------------------------------------------------

bool is_gaussian(PyhfType type) {
  return type == PyhfType::histosys || type == PyhfType::normsys || type == PyhfType::lumi ||
         type == PyhfType::staterror;
}

Parameter default_parameter(const ParameterSet& set, std::size_t bin) {
  std::string name(set.name);
  if (!set.is_scalar()) name = detail::bin_name(name, bin);
  switch (set.type) {
    case PyhfType::histosys:
    case PyhfType::normsys:
      return detail::systematic_parameter(std::move(name));
    case PyhfType::staterror:
      return detail::stat_gamma(std::move(name), set.widths[bin]);
    case PyhfType::shapesys:
      return detail::shape_gamma(std::move(name), set.widths[bin]);
    case PyhfType::lumi:
    case PyhfType::normfactor:
    case PyhfType::shapefactor:
      break;
  }
  Parameter parameter = detail::free_factor(std::move(name));
  if (set.type == PyhfType::lumi) parameter.constraint = GaussianConstraint{};
  return parameter;
}

// --- overrides -----------------------------------------------------------------------------------

/// Applies one measurement's settings to the parameters of one set.
class OverrideApplication {
 public:
  OverrideApplication(const ParameterSet& set, const Override& override, Parameter* parameters)
      : set_(set), override_(override), parameters_(parameters) {}

  /// Adds to `held` the names of parameters that are fixed because their bounds are equal.
  void run(std::vector<std::string>& held) const {
    for_each(override_.inits, "inits", [](Parameter& p, JsonValue v) { p.initial = v.number(); });
    for_each(override_.bounds, "bounds", [](Parameter& p, JsonValue v) {
      p.lower = (*v.elements().begin()).number();
      p.upper = (*++v.elements().begin()).number();
    });
    set_constraints();
    if (override_.fixed.exists()) {
      for (std::size_t i = 0; i < set_.size; ++i) parameters_[i].fixed = override_.fixed.boolean();
    }
    for (std::size_t i = 0; i < set_.size; ++i) {
      if (detail::hold_at_equal_bounds(parameters_[i])) held.push_back(parameters_[i].name);
    }
  }

 private:
  void set_constraints() const {
    const bool has_poisson = set_.type == PyhfType::shapesys;
    const bool has_sigmas = set_.type == PyhfType::lumi || set_.type == PyhfType::staterror;
    expect_used(override_.auxdata, "auxdata", has_poisson || is_gaussian(set_.type));
    expect_used(override_.factors, "factors", has_poisson);
    expect_used(override_.sigmas, "sigmas", has_sigmas);
    for_each(override_.auxdata, "auxdata", [](Parameter& p, JsonValue v) { set_observed(p, v); });
    for_each(override_.factors, "factors", [](Parameter& p, JsonValue v) {
      std::get<PoissonConstraint>(p.constraint).tau = v.number();
    });
    for_each(override_.sigmas, "sigmas", [](Parameter& p, JsonValue v) {
      std::get<GaussianConstraint>(p.constraint).sigma = v.number();
    });
  }

  static void set_observed(Parameter& parameter, JsonValue value) {
    if (auto* gaussian = std::get_if<GaussianConstraint>(&parameter.constraint)) {
      gaussian->observed = value.number();
      return;
    }
    if (value.number() < 0.0) {
      fail(value,
           "found " + describe(value) +
               " as auxdata of a Poisson constraint, expected a number that is not negative");
    }
    std::get<PoissonConstraint>(parameter.constraint).observed = value.number();
  }

  void expect_used(JsonValue values, std::string_view key, bool is_used) const {
    if (!values.exists() || is_used) return;
    fail(values, "found " + quoted(key) + " for the " + std::string(name_of(set_.type)) + " " +
                     quoted(set_.name) + " (" + set_.origin.pointer() +
                     "), which does not use it, expected no such key; remove it");
  }

  template <typename Set>
  void for_each(JsonValue values, std::string_view key, const Set& set) const {
    if (!values.exists()) return;
    if (values.size() != set_.size) {
      fail(values, "found " + std::to_string(values.size()) + " entries in " + quoted(key) +
                       " of parameter " + quoted(set_.name) + ", expected " +
                       std::to_string(set_.size) + ", one per component of the " +
                       std::string(name_of(set_.type)) + " at " + set_.origin.pointer() +
                       "; make the lengths equal");
    }
    Parameter* parameter = parameters_;
    for (const JsonValue value : values.elements()) set(*parameter++, value);
  }

  const ParameterSet& set_;
  const Override& override_;
  Parameter* parameters_;
};

/// The luminosity has no defaults.
void expect_lumi_settings(const ParameterSet& set, const OverridesByName& overrides,
                          JsonValue parameters) {
  const auto found = overrides.find(set.name);
  const std::string remedy =
      ", such as {\"name\": \"lumi\", \"inits\": [1.0], \"bounds\": [[0.9, 1.1]], "
      "\"auxdata\": [1.0], \"sigmas\": [0.02]}";
  if (found == overrides.end()) {
    fail(parameters,
         "found no settings of the parameter 'lumi', which the channels use (first at " +
             set.origin.pointer() + "), expected an entry" + remedy);
  }
  const Override& lumi = found->second;
  const std::array<std::pair<std::string_view, JsonValue>, 4> needed = {{{"inits", lumi.inits},
                                                                         {"bounds", lumi.bounds},
                                                                         {"auxdata", lumi.auxdata},
                                                                         {"sigmas", lumi.sigmas}}};
  for (const auto& [key, value] : needed) {
    if (value.exists()) continue;
    fail(lumi.value, "found settings of the parameter 'lumi' without the key " + quoted(key) +
                         ", which has no default, expected all four" + remedy);
  }
}

std::vector<Parameter> make_parameters(const std::vector<ParameterSet>& sets,
                                       const OverridesByName& overrides, JsonValue settings,
                                       std::vector<std::string>& held) {
  std::vector<Parameter> parameters;
  std::size_t n_parameters = 0;
  for (const ParameterSet& set : sets) n_parameters += set.size;
  parameters.reserve(n_parameters);
  for (const ParameterSet& set : sets) {
    if (set.type == PyhfType::lumi) expect_lumi_settings(set, overrides, settings);
    const std::size_t first = parameters.size();
    for (std::size_t b = 0; b < set.size; ++b) parameters.push_back(default_parameter(set, b));
    const auto found = overrides.find(set.name);
    if (found == overrides.end()) continue;
    OverrideApplication(set, found->second, parameters.data() + first).run(held);
  }
  return parameters;
}

/// A parameter of interest may be missing from the channels, but may not have several components.
void check_parameter_of_interest(JsonValue poi, const std::vector<ParameterSet>& sets) {
  for (const ParameterSet& set : sets) {
    if (set.name != poi.string() || set.size == 1) continue;
    fail(poi, "found " + quoted(set.name) + ", a " + std::string(name_of(set.type)) + " with " +
                  std::to_string(set.size) + " components (" + set.origin.pointer() +
                  "), expected a parameter with one; choose a normfactor");
  }
}

PyhfMeasurement read_measurement(JsonValue value, const std::vector<ParameterSet>& sets,
                                 std::vector<std::string>& held) {
  constexpr std::array<JsonField, 2> fields = {{{"name"}, {"config"}}};
  const auto [name, config] = read_fields(value, "a measurement", fields);
  constexpr std::array<JsonField, 2> config_fields = {{{"poi"}, {"parameters"}}};
  const auto [poi, settings] =
      read_fields(config, "the configuration of a measurement", config_fields);
  PyhfMeasurement measurement;
  measurement.name = std::string(expect_string(name, "a string, the name of a measurement"));
  measurement.parameter_of_interest =
      std::string(expect_string(poi, "a string, the name of the parameter of interest or ''"));
  check_parameter_of_interest(poi, sets);
  measurement.parameters = make_parameters(sets, read_overrides(settings), settings, held);
  return measurement;
}

void note_held(const std::vector<std::string>& held, std::vector<std::string>& notes) {
  if (held.empty()) return;
  notes.push_back("Parameters whose bounds are equal are constant there: " +
                  quoted_list({held.begin(), held.end()}) + ".");
}

}  // namespace

std::vector<PyhfMeasurement> read_pyhf_measurements(JsonValue measurements,
                                                    const std::vector<ParameterSet>& sets,
                                                    std::vector<std::string>& notes) {
  expect_items(measurements, "an array of measurements");
  std::vector<PyhfMeasurement> result;
  std::unordered_set<std::string> names;
  std::vector<std::string> held;
  for (const JsonValue value : measurements.elements()) {
    result.push_back(read_measurement(value, sets, held));
    if (names.insert(result.back().name).second) continue;
    fail(value, "found a second measurement " + quoted(result.back().name) +
                    ", expected different names; rename one");
  }
  std::sort(held.begin(), held.end());
  held.erase(std::unique(held.begin(), held.end()), held.end());
  note_held(held, notes);
  return result;
}

}  // namespace nablafit::io
