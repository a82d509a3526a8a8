/// Modifiers of whole samples; those of single bins are in channels.cpp.
#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>

#include "io/hs3/channels.hpp"
#include "io/hs3/formulas.hpp"
#include "io/hs3/sizes.hpp"
#include "nablafit/error.hpp"
#include "util/nearest_name.hpp"

namespace nablafit::io {
namespace {

constexpr std::array<JsonField, 10> modifier_fields = {{{"type"},
                                                        {"name", false},
                                                        {"parameter", false},
                                                        {"parameters", false},
                                                        {"data", false},
                                                        {"interpolation", false},
                                                        {"constraint_type", false},
                                                        {"constraint_name", false},
                                                        {"constraint", false},
                                                        {"constraints", false}}};
constexpr std::array<std::string_view, 8> modifier_types = {
    "normfactor", "normsys", "histosys", "shapesys", "shapefactor", "staterror", "lumi", "custom"};

bool is_luminosity(std::string_view parameter) {
  return parameter == "Lumi" || parameter == "lumi";
}

/// Whether a variation looks like a difference to the nominal: one side negative in every bin.
bool are_differences(const std::vector<double>& low, const std::vector<double>& high) {
  for (std::size_t b = 0; b < low.size(); ++b) {
    if (!(low[b] * high[b] < 0.0)) return false;
  }
  return true;
}

}  // namespace

Hs3ChannelReader::ModifierKeys Hs3ChannelReader::read_keys(JsonValue value) const {
  ModifierKeys keys;
  const auto [type, name, parameter, parameters, data, interpolation, constraint_type,
              constraint_name, constraint, constraints] =
      read_fields(value, "a modifier", modifier_fields);
  keys.value = value;
  keys.name = name;
  keys.parameter = parameter;
  keys.parameters = parameters;
  keys.data = data;
  keys.interpolation = interpolation;
  keys.constraint = {constraint_type, constraint_name, constraint, constraints};
  keys.type = expect_string(type, "a string, the type of a modifier");
  if (std::find(modifier_types.begin(), modifier_types.end(), keys.type) == modifier_types.end()) {
    fail(type, "found the modifier type " + quoted(keys.type) + ", expected one of " +
                   quoted_list({modifier_types.begin(), modifier_types.end()}) +
                   detail::did_you_mean(keys.type, modifier_types));
  }
  if (data.exists() && !data.is(JsonKind::null)) {
    expect_kind(data, JsonKind::object, "an object, the data of a modifier");
  }
  return keys;
}

std::string Hs3ChannelReader::name_of(const ModifierKeys& keys) const {
  for (const JsonValue key : {keys.name, keys.parameter}) {
    if (!key.exists() || key.is(JsonKind::null)) continue;
    const std::string_view name = expect_string(key, "a string, the name of a modifier");
    if (name.empty()) fail(key, "found an empty name, expected a name");
    return std::string(name);
  }
  if (keys.type == "shapesys" || keys.type == "shapefactor" || keys.type == "staterror") {
    return std::string(keys.type);
  }
  fail(keys.value, "found a " + std::string(keys.type) +
                       " with neither 'name' nor 'parameter', expected one; add it");
}

std::string Hs3ChannelReader::parameter_of(const ModifierKeys& keys, Hs3Role role) {
  const bool is_named = keys.parameter.exists();
  const JsonValue where = is_named ? keys.parameter : keys.value;
  std::string name = is_named
                         ? std::string(expect_string(where, "a string, the name of a parameter"))
                         : (role == Hs3Role::systematic ? "alpha_" : "") + name_of(keys);
  parameters_.use(name, role, where);
  return name;
}

Interpolation Hs3ChannelReader::interpolation_of(const ModifierKeys& keys,
                                                 Hs3Interpolated kind) const {
  for (const JsonValue stated : {keys.interpolation, find_member(keys.data, "interpolation"),
                                 channel_.find("default_interpolation")}) {
    if (stated.exists()) return read_hs3_interpolation(stated, kind);
  }
  return default_hs3_interpolation(kind);
}

void Hs3ChannelReader::add_normfactor(const ModifierKeys& keys, Sample& sample) {
  const std::string parameter = parameter_of(keys, Hs3Role::factor);
  constraints_.constrain(parameter, keys.constraint, false, keys.value);
  const bool is_lumi =
      keys.type == "lumi" || (is_luminosity(parameter) && parameters_.is_constrained(parameter));
  if (is_lumi) {
    sample.modifiers.emplace_back(Lumi{name_of(keys), parameter});
  } else {
    sample.modifiers.emplace_back(NormFactor{name_of(keys), parameter});
  }
}

/// ROOT's reader replaces factors that have no logarithm with the machine epsilon.
double Hs3ChannelReader::read_factor(JsonValue value, Interpolation code) {
  const double factor = expect_number(value, "a number, a factor on the yields of the sample");
  if (code == Interpolation::polynomial_exponential && factor <= 0.0 && index_.has_root_floors) {
    notes_.add(
        "Factors of normsys modifiers that are not above 0 were set to 2.2e-16, as when ROOT "
        "reads HS3 (first: in channel " +
        quoted(channel_name_) + ").");
    return std::numeric_limits<double>::epsilon();
  }
  if (factor < 0.0) {
    fail(value, "found " + describe(value) +
                    " as factor of a normsys, expected a number that is not negative; 'hi' and "
                    "'lo' are ratios to the nominal yield, such as 1.1 and 0.9");
  }
  return factor;
}

void Hs3ChannelReader::add_normsys(const ModifierKeys& keys, Sample& sample) {
  const JsonValue low = find_member(keys.data, "lo");
  const JsonValue high = find_member(keys.data, "hi");
  if (!low.exists() || !high.exists()) {
    fail(keys.data.exists() ? keys.data : keys.value,
         "found a normsys without 'data' with 'lo' and 'hi', expected both; add them");
  }
  NormSys result;
  result.name = name_of(keys);
  result.parameter = parameter_of(keys, Hs3Role::systematic);
  result.interpolation = interpolation_of(keys, Hs3Interpolated::normsys);
  result.low = read_factor(low, result.interpolation);
  result.high = read_factor(high, result.interpolation);
  constraints_.constrain(result.parameter, keys.constraint, true, keys.value);
  sample.modifiers.emplace_back(std::move(result));
}

std::vector<double> Hs3ChannelReader::read_variation(JsonValue data, std::string_view key) const {
  const JsonValue contents = find_member(find_member(data, key), "contents");
  if (!contents.exists()) {
    fail(data, "found a histosys without " + quoted(key) +
                   " with 'contents', expected the varied yields per bin; add them");
  }
  expect_numbers(contents, "an array of varied yields per bin");
  expect_hs3_size(contents, n_bins_, "'contents'", channel_name_);
  return numbers(contents);
}

void Hs3ChannelReader::add_histosys(const ModifierKeys& keys, Sample& sample) {
  if (!keys.data.exists()) {
    fail(keys.value, "found a histosys without 'data', expected 'lo' and 'hi'; add them");
  }
  HistoSys result;
  result.name = name_of(keys);
  result.parameter = parameter_of(keys, Hs3Role::systematic);
  result.low = read_variation(keys.data, "lo");
  result.high = read_variation(keys.data, "hi");
  result.interpolation = interpolation_of(keys, Hs3Interpolated::histosys);
  if (index_.dialect == Hs3Dialect::unstated && are_differences(result.low, result.high)) {
    notes_.add(
        "The variations of histosys modifiers that are negative on one side in every bin "
        "were read as differences to the nominal yields, as the standard writes (first: " +
        quoted(result.name) + ").");
    for (std::size_t b = 0; b < n_bins_; ++b) {
      result.low[b] += sample.nominal[b];
      result.high[b] += sample.nominal[b];
    }
  } else {
    notes_.add("The contents of histosys variations are absolute yields.");
  }
  constraints_.constrain(result.parameter, keys.constraint, true, keys.value);
  sample.modifiers.emplace_back(std::move(result));
}

/// ROOT's name for a modifier that is a function of the document.
void Hs3ChannelReader::add_custom(const ModifierKeys& keys, Sample& sample) {
  const JsonValue where = keys.name.exists() ? keys.name : keys.value;
  FormulaFactor result = read_hs3_function(index_, name_of(keys), where, {});
  for (const std::string& parameter : result.parameters) {
    parameters_.use(parameter, Hs3Role::factor, where);
  }
  sample.modifiers.emplace_back(std::move(result));
}

void Hs3ChannelReader::read_modifier(JsonValue value, Sample& sample, JsonValue data) {
  const ModifierKeys keys = read_keys(value);
  if (keys.type == "normfactor" || keys.type == "lumi") {
    add_normfactor(keys, sample);
  } else if (keys.type == "normsys") {
    add_normsys(keys, sample);
  } else if (keys.type == "histosys") {
    add_histosys(keys, sample);
  } else if (keys.type == "staterror") {
    add_staterror(keys, sample, data);
  } else if (keys.type == "custom") {
    add_custom(keys, sample);
  } else {
    add_shapesys(keys, sample);
  }
}

}  // namespace nablafit::io
