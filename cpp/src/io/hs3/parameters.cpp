#include "io/hs3/parameters.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <tuple>
#include <utility>

#include "spec/standard_parameters.hpp"

namespace nablafit::io {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// The analysis' own domains, then default_domain; all of them without an analysis.
std::vector<JsonValue> relevant_domains(const Hs3Index& index, JsonValue analysis) {
  std::vector<JsonValue> result;
  const auto add = [&](JsonValue name) {
    expect_string(name, "a string, the name of a domain");
    result.push_back(index.domains.get(name.string(), name));
  };
  const JsonValue one = find_member(analysis, "domain");
  const JsonValue several = find_member(analysis, "domains");
  if (one.exists()) add(one);
  if (several.exists()) {
    expect_kind(several, JsonKind::array, "an array of names of domains");
    for (const JsonValue name : several.elements()) add(name);
  }
  const JsonValue fallback = index.domains.find("default_domain");
  if (fallback.exists()) result.push_back(fallback);
  if (!analysis.exists()) {
    const auto& all = index.domains.values();
    result.insert(result.end(), all.begin(), all.end());
  }
  return result;
}

double bound(JsonValue axis, std::string_view key, double absent) {
  const JsonValue value = axis.find(key);
  if (!value.exists() || value.is(JsonKind::null)) return absent;
  return expect_number(value, "a number, a bound of a range");
}

/// ROOT writes a constant that multiplies a sample as a norm factor named like the number.
std::optional<double> number_in(const std::string& name) {
  char* end = nullptr;
  const double value = std::strtod(name.c_str(), &end);
  if (name.empty() || end != name.c_str() + name.size() || !std::isfinite(value)) return {};
  return value;
}

bool same_constraint(const Parameter& a, const Hs3Constraint& b) {
  Parameter other = a;
  other.constraint = b.constraint;
  other.global_observable = b.global_observable;
  return a == other;
}

}  // namespace

Hs3Parameters::Hs3Parameters(const Hs3Index& index, JsonValue analysis, Hs3Notes& notes)
    : index_(index), notes_(notes) {
  initial_point_ = choose_initial_point(analysis);
  for (const JsonValue point : index.points.values()) {
    PointValues values = read_point(point);
    const std::string_view name = point.find("name").string();
    if (initial_point_.exists() && name == initial_point_.find("name").string()) {
      initial_ = std::move(values);
    } else {
      other_points_.emplace_back(name, std::move(values));
    }
  }
  for (const JsonValue domain : relevant_domains(index, analysis)) read_domain(domain);
  if (!initial_point_.exists()) return;
  for (const JsonValue entry : initial_point_.find("parameters").elements()) {
    if (entry.find("min").exists() || entry.find("max").exists()) {
      add_range(entry, entry.find("name").string());
    }
  }
}

JsonValue Hs3Parameters::choose_initial_point(JsonValue analysis) const {
  const JsonValue init = find_member(analysis, "init");
  if (init.exists()) {
    expect_string(init, "a string, the name of a parameter point");
    return index_.points.get(init.string(), init);
  }
  const JsonValue usual = index_.points.find("default_values");
  if (usual.exists() || index_.points.values().empty()) return usual;
  const JsonValue first = index_.points.values().front();
  notes_.add("Initial values and constant parameters are those of the first parameter point, " +
             quoted(first.find("name").string()) + ".");
  return first;
}

Hs3Parameters::PointValues Hs3Parameters::read_point(JsonValue point) {
  const JsonValue parameters = point.find("parameters");
  if (!parameters.exists()) {
    fail(point, "found a parameter point without 'parameters', expected an array; add it");
  }
  expect_kind(parameters, JsonKind::array, "an array of parameters with 'name' and 'value'");
  PointValues values;
  for (const JsonValue entry : parameters.elements()) {
    expect_kind(entry, JsonKind::object, "an object with 'name' and 'value'");
    const JsonValue name = entry.find("name");
    const JsonValue value = entry.find("value");
    const JsonValue constant = entry.find("const");
    if (!name.exists()) fail(entry, "found a value without 'name', expected one; add it");
    expect_string(name, "a string, the name of a parameter");
    if (!value.exists()) fail(entry, "found a parameter without 'value', expected one; add it");
    expect_number(value, "a number, the value of a parameter");
    if (constant.exists()) expect_kind(constant, JsonKind::boolean, "true or false");
    const PointValue read{value.number(), constant.exists() && constant.boolean(), values.size()};
    if (!values.emplace(name.string(), read).second) {
      fail(name, "found a second value of " + quoted(name.string()) +
                     " in a parameter point, expected one; remove one");
    }
  }
  return values;
}

void Hs3Parameters::read_domain(JsonValue domain) {
  const JsonValue type = domain.find("type");
  if (type.exists() && expect_string(type, "a string, the type of a domain") != "product_domain") {
    fail(type, "found the domain type " + quoted(type.string()) + ", expected 'product_domain'");
  }
  const JsonValue axes = domain.find("axes");
  if (!axes.exists()) fail(domain, "found a domain without 'axes', expected an array; add it");
  expect_kind(axes, JsonKind::array, "an array of axes with 'name', 'min' and 'max'");
  for (const JsonValue axis : axes.elements()) {
    expect_kind(axis, JsonKind::object, "an object with 'name', 'min' and 'max'");
    const JsonValue name = axis.find("name");
    if (!name.exists()) fail(axis, "found an axis without 'name', expected one; add it");
    add_range(axis, expect_string(name, "a string, the name of a parameter"));
  }
}

void Hs3Parameters::add_range(JsonValue axis, std::string_view name) {
  const Range range{bound(axis, "min", -infinity), bound(axis, "max", infinity)};
  if (range.lower > range.upper) {
    fail(axis, "found a range of " + quoted(name) +
                   " with 'min' above 'max', expected min below "
                   "max; exchange them");
  }
  ranges_.emplace(name, range);
}

void Hs3Parameters::use(std::string_view name, Hs3Role role, JsonValue where) {
  if (name.empty()) fail(where, "found an empty name of a parameter, expected a name");
  const auto [entry, is_new] = position_.emplace(std::string(name), used_.size());
  if (!is_new) return;
  Used used;
  used.parameter.name = std::string(name);
  used.role = role;
  used.where = where;
  used_.push_back(std::move(used));
}

void Hs3Parameters::constrain(const std::string& name, const Hs3Constraint& constraint,
                              JsonValue where) {
  Used& used = used_[position_.at(name)];
  if (used.constraint_where.exists()) {
    if (same_constraint(used.parameter, constraint)) return;
    fail(where, "found a second, different constraint of the parameter " + quoted(name) +
                    " (the first is " + used.constraint_where.pointer() +
                    "), expected one; give the modifiers that share a parameter the same "
                    "constraint, or separate parameters");
  }
  used.parameter.constraint = constraint.constraint;
  used.parameter.global_observable = constraint.global_observable;
  used.constraint_where = where;
}

bool Hs3Parameters::is_constrained(const std::string& name) const {
  return used_[position_.at(name)].constraint_where.exists();
}

void Hs3Parameters::fix(const std::string& name) { used_[position_.at(name)].is_held = true; }

std::optional<double> Hs3Parameters::value(std::string_view name) const {
  const auto found = initial_.find(name);
  if (found == initial_.end()) return {};
  return found->second.value;
}

std::optional<double> Hs3Parameters::value_in_any_point(std::string_view name) const {
  if (const auto initial = value(name)) return initial;
  for (const auto& [unused, values] : other_points_) {
    const auto found = values.find(name);
    if (found != values.end()) return found->second.value;
  }
  return {};
}

void Hs3Parameters::observe(std::string_view name, JsonValue value) {
  const auto [first, is_new] = observed_.emplace(name, value);
  if (is_new || first->second.number() == value.number()) return;
  fail(value, "found " + describe(value) + " as observed value of " + quoted(name) + ", which is " +
                  describe(first->second) + " at " + first->second.pointer() +
                  ", expected the same value");
}

std::optional<double> Hs3Parameters::observed(std::string_view name) const {
  const auto found = observed_.find(name);
  return found != observed_.end() ? found->second.number() : value(name);
}

bool Hs3Parameters::is_constant(std::string_view name) const {
  const auto found = initial_.find(name);
  return found != initial_.end() && found->second.is_constant;
}

std::optional<Range> Hs3Parameters::range(std::string_view name) const {
  const auto found = ranges_.find(name);
  if (found == ranges_.end()) return {};
  return found->second;
}

std::vector<ParameterPoint> Hs3Parameters::points() const {
  std::vector<ParameterPoint> result;
  for (const auto& [name, values] : other_points_) {
    ParameterPoint point{std::string(name), {}};
    std::vector<std::tuple<std::size_t, std::string, double>> ordered;
    for (const auto& [parameter, entry] : values) {
      if (is_used(parameter)) ordered.emplace_back(entry.position, parameter, entry.value);
    }
    std::sort(ordered.begin(), ordered.end());
    for (auto& [unused, parameter, value] : ordered) {
      point.values.push_back({std::move(parameter), value});
    }
    result.push_back(std::move(point));
  }
  return result;
}

void Hs3Parameters::complete_range(Used& used) {
  Parameter& parameter = used.parameter;
  parameter.lower = -infinity;
  parameter.upper = infinity;
  if (const auto stated = range(parameter.name)) {
    parameter.lower = stated->lower;
    parameter.upper = stated->upper;
    if (detail::hold_at_equal_bounds(parameter)) {
      notes_.add("Parameters whose bounds are equal are constant there, as in ROOT (first: " +
                 quoted(parameter.name) + ").");
    }
    return;
  }
  if (parameter.fixed) return;
  std::string assumed = "are unbounded";
  if (used.role == Hs3Role::systematic) {
    parameter.lower = -5.0;
    parameter.upper = 5.0;
    assumed = "range over HistFactory's [-5, 5]";
  } else if (used.role == Hs3Role::gamma) {
    parameter.lower = 0.0;
    parameter.upper = 10.0;
    assumed = "range over HistFactory's [0, 10]";
  }
  notes_.add("Parameters without a range in any domain " + assumed +
             " (first: " + quoted(parameter.name) + ").");
}

/// RooFit normalises the term over the range of its global observable. If the range extends at
/// least five widths beyond every allowed value of the parameter, this changes the NLL by less than
/// 3e-7 even at the bounds, and the term is not truncated; documents of nablafit state a range only
/// if it applies.
void Hs3Parameters::truncate(Used& used) const {
  auto* gaussian = std::get_if<GaussianConstraint>(&used.parameter.constraint);
  if (gaussian == nullptr || used.parameter.global_observable.empty()) return;
  const auto stated = range(used.parameter.global_observable);
  if (!stated || !std::isfinite(stated->lower) || !std::isfinite(stated->upper)) return;
  if (gaussian->observed < stated->lower || gaussian->observed > stated->upper) {
    fail(used.constraint_where, "found the global observable " +
                                    quoted(used.parameter.global_observable) +
                                    " outside the range that a domain states for it, expected a "
                                    "value within");
  }
  const Parameter& p = used.parameter;
  const double lowest = p.fixed ? p.initial : p.lower;
  const double highest = p.fixed ? p.initial : p.upper;
  const double margin = std::min(lowest - stated->lower, stated->upper - highest) / gaussian->sigma;
  if (index_.dialect != Hs3Dialect::nablafit && margin >= 5.0) return;
  gaussian->observable_range = *stated;
}

void Hs3Parameters::complete(Used& used) {
  Parameter& parameter = used.parameter;
  const std::optional<double> stated = value(parameter.name);
  parameter.initial = used.role == Hs3Role::systematic ? 0.0 : 1.0;
  parameter.fixed = used.is_held || is_constant(parameter.name);
  if (stated) {
    parameter.initial = *stated;
  } else if (const auto number = number_in(parameter.name)) {
    parameter.initial = *number;
    parameter.fixed = true;
  } else {
    notes_.add("Parameters without an initial value in any point start at " +
               std::string(used.role == Hs3Role::systematic ? "0" : "1") +
               " (first: " + quoted(parameter.name) + ").");
  }
  complete_range(used);
  truncate(used);
}

std::vector<Parameter> Hs3Parameters::finish() {
  for (Used& used : used_) complete(used);
  std::vector<std::pair<std::size_t, std::size_t>> order;  // (place in the point, first use)
  for (std::size_t i = 0; i < used_.size(); ++i) {
    const auto found = initial_.find(used_[i].parameter.name);
    const std::size_t last = initial_.size();
    order.emplace_back(found == initial_.end() ? last : found->second.position, i);
  }
  std::sort(order.begin(), order.end());
  std::vector<Parameter> result;
  for (const auto& [unused, i] : order) result.push_back(used_[i].parameter);
  return result;
}

}  // namespace nablafit::io
