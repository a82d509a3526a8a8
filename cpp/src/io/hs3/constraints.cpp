#include "io/hs3/constraints.hpp"

#include <array>

#include "io/hs3/formulas.hpp"

namespace nablafit::io {
namespace {

constexpr std::array<JsonField, 5> gaussian_fields = {
    {{"name"}, {"type"}, {"x"}, {"mean"}, {"sigma"}}};
constexpr std::array<JsonField, 5> poisson_fields = {
    {{"name"}, {"type"}, {"x"}, {"mean"}, {"integer", false}}};

bool names(JsonValue value, std::string_view name) {
  return value.is(JsonKind::string) && value.string() == name;
}

void expect_name_or_number(JsonValue value) {
  if (value.is(JsonKind::string) || value.is(JsonKind::number)) return;
  fail(value, "found " + describe(value) + ", expected a number or the name of a parameter");
}

std::string_view type_of(JsonValue distribution) {
  const JsonValue type = distribution.find("type");
  if (!type.exists()) {
    fail(distribution, "found a distribution without 'type', expected one; add it");
  }
  return expect_string(type, "a string, the type of a distribution");
}

bool is_gaussian(std::string_view type) { return type == "gaussian_dist" || type == "normal_dist"; }

}  // namespace

Hs3ConstraintType read_constraint_type(JsonValue type) {
  const std::string_view text = expect_string(type, "a string, the type of a constraint");
  if (text == "Gauss" || text == "Gaussian") return Hs3ConstraintType::gauss;
  if (text == "Poisson") return Hs3ConstraintType::poisson;
  if (text == "Const") return Hs3ConstraintType::constant;
  if (text == "None") return Hs3ConstraintType::none;
  fail(type, "found the constraint " + quoted(text) +
                 ", expected 'Gauss', 'Poisson', 'Const' or the name of a distribution of the "
                 "document");
}

void expect_constraint_type(JsonValue distribution, JsonValue where) {
  const std::string_view type = type_of(distribution);
  if (is_gaussian(type) || type == "poisson_dist") return;
  fail(distribution.find("type"),
       "found the distribution type " + quoted(type) + ", which the likelihood at " +
           where.pointer() +
           " lists, expected 'histfactory_dist', or 'gaussian_dist', "
           "'normal_dist' or 'poisson_dist' as constraint; other distributions are not supported" +
           why_no_channel(type));
}

std::optional<Hs3ConstraintType> stated_constraint_type(const Hs3ConstraintKeys& keys) {
  const auto is_stated = [](JsonValue v) { return v.exists() && !v.is(JsonKind::null); };
  if (is_stated(keys.type)) return read_constraint_type(keys.type);
  if (is_stated(keys.either)) return read_constraint_type(keys.either);
  return {};
}

// --- distributions -------------------------------------------------------------------------------

double Hs3Constraints::constant(JsonValue value, std::string_view what) {
  expect_name_or_number(value);
  if (value.is(JsonKind::number)) return value.number();
  const auto number = parameters_.value_in_any_point(value.string());
  if (!number) {
    fail(value, "found " + quoted(value.string()) + " as " + std::string(what) +
                    ", which has no value in any parameter point, expected a number or a constant; "
                    "state its value in the initial point");
  }
  constants_.push_back(value);
  return *number;
}

void Hs3Constraints::observe(JsonValue name, JsonValue value) {
  const auto [first, is_new] = observed_.emplace(name.string(), value);
  if (!is_new && first->second.number() != value.number()) {
    fail(value, "found " + describe(value) + " as data of " + quoted(name.string()) +
                    ", which has " + describe(first->second) + " at " + first->second.pointer() +
                    ", expected the same value");
  }
  const JsonValue distribution = index_.distributions.get(name.string(), name);
  for (const char* key : {"x", "mean"}) {  // one of them is the parameter
    const JsonValue argument = find_member(distribution, key);
    if (argument.exists() && argument.is(JsonKind::string)) {
      parameters_.observe(argument.string(), value);
    }
  }
}

/// Names the global observable if `value` is a name.
double Hs3Constraints::observed(JsonValue distribution, JsonValue value, double absent,
                                std::string& name) const {
  expect_name_or_number(value);
  if (value.is(JsonKind::string)) name = std::string(value.string());
  const auto stated = observed_.find(distribution.find("name").string());
  if (stated != observed_.end()) return stated->second.number();
  return value.is(JsonKind::number) ? value.number() : parameters_.observed(name).value_or(absent);
}

Hs3Constraint Hs3Constraints::read_gaussian(JsonValue value, const std::string& parameter,
                                            JsonValue where) {
  const auto [name, type, x, mean, sigma] =
      read_fields(value, "a Gaussian distribution", gaussian_fields);
  expect_name_or_number(x);
  expect_name_or_number(mean);
  if (names(x, parameter) == names(mean, parameter)) {
    fail(where, "found the distribution " + quoted(name.string()) + " (" + value.pointer() +
                    ") as constraint of " + quoted(parameter) +
                    ", expected one whose 'x' or 'mean' is that parameter");
  }
  Hs3Constraint result;
  GaussianConstraint gaussian;
  gaussian.sigma = constant(sigma, "width of a constraint");
  if (gaussian.sigma <= 0.0) {
    fail(sigma, "found the width " + describe(sigma) + " of a constraint, expected one above 0");
  }
  const JsonValue other = names(x, parameter) ? mean : x;
  const double centre = parameters_.value(parameter).value_or(0.0);
  gaussian.observed = observed(value, other, centre, result.global_observable);
  result.constraint = gaussian;
  return result;
}

/// The constant that multiplies `parameter` in the mean: 1, or the other factor of a product.
double Hs3Constraints::poisson_tau(JsonValue mean, const std::string& parameter, JsonValue where) {
  if (names(mean, parameter)) return 1.0;
  const JsonValue product =
      mean.is(JsonKind::string) ? index_.functions.find(mean.string()) : JsonValue();
  const JsonValue factors = find_member(product, "factors");
  if (factors.exists() && factors.is(JsonKind::array) && factors.size() == 2) {
    const JsonValue first = *factors.elements().begin();
    const JsonValue second = *++factors.elements().begin();
    if (names(first, parameter)) return constant(second, "scale of a Poisson constraint");
    if (names(second, parameter)) return constant(first, "scale of a Poisson constraint");
  }
  fail(where, "found a Poisson distribution with the mean " + describe(mean) +
                  " as constraint of " + quoted(parameter) +
                  ", expected that parameter as mean, or a product function of it and a constant");
}

Hs3Constraint Hs3Constraints::read_poisson(JsonValue value, const std::string& parameter,
                                           JsonValue where) {
  const auto [name, type, x, mean, integer] =
      read_fields(value, "a Poisson distribution", poisson_fields);
  expect_name_or_number(x);
  Hs3Constraint result;
  PoissonConstraint poisson;
  poisson.tau = poisson_tau(mean, parameter, where);
  if (poisson.tau <= 0.0) {
    fail(value, "found a Poisson constraint whose mean has a scale that is not above 0");
  }
  poisson.observed = observed(value, x, poisson.tau, result.global_observable);
  if (poisson.observed < 0.0) fail(x, "found a negative observation, expected one of at least 0");
  result.constraint = poisson;
  return result;
}

Hs3Constraint Hs3Constraints::read(JsonValue value, const std::string& parameter, JsonValue where) {
  const std::string_view type = type_of(value);
  if (is_gaussian(type)) return read_gaussian(value, parameter, where);
  if (type == "poisson_dist") return read_poisson(value, parameter, where);
  fail(value.find("type"), "found the distribution type " + quoted(type) + " as constraint of " +
                               quoted(parameter) +
                               ", expected 'gaussian_dist', 'normal_dist' or 'poisson_dist'; other "
                               "constraints are not supported in HS3");
}

// --- whom they constrain -------------------------------------------------------------------------

Hs3Constraint Hs3Constraints::unit_gaussian(const std::string& parameter) const {
  Hs3Constraint result;
  result.global_observable = "nom_" + parameter;
  GaussianConstraint gaussian;
  gaussian.observed = parameters_.observed(result.global_observable).value_or(0.0);
  result.constraint = gaussian;
  return result;
}

void Hs3Constraints::constrain(const std::string& parameter, const Hs3ConstraintKeys& keys,
                               bool is_implied, JsonValue modifier) {
  for (const JsonValue key : {keys.name, keys.either}) {
    if (!key.exists() || key.is(JsonKind::null)) continue;
    expect_string(key, "a string, the name of a distribution");
    const bool may_be_type = !(keys.name.exists() && key.string() == keys.name.string());
    const JsonValue distribution = may_be_type ? index_.distributions.find(key.string())
                                               : index_.distributions.get(key.string(), key);
    if (!distribution.exists()) continue;
    parameters_.constrain(parameter, read(distribution, parameter, key), key);
    return;
  }
  const auto type = stated_constraint_type(keys);
  if (!type) {
    const bool is_explicit = index_.dialect == Hs3Dialect::nablafit;
    if (is_implied && !is_explicit) pending_.push_back({parameter, modifier});
    return;
  }
  const JsonValue where = keys.type.exists() ? keys.type : keys.either;
  if (*type == Hs3ConstraintType::poisson) {
    fail(where, "found a Poisson constraint of " + quoted(parameter) +
                    ", the parameter of a modifier of a whole sample, expected 'Gauss' or the "
                    "name of a distribution");
  }
  if (*type == Hs3ConstraintType::constant) parameters_.fix(parameter);
  if (*type == Hs3ConstraintType::gauss) {
    parameters_.constrain(parameter, unit_gaussian(parameter), where);
  }
}

std::string Hs3Constraints::constrained_parameter(JsonValue value) const {
  std::vector<JsonValue> arguments = {find_member(value, "x"), find_member(value, "mean")};
  if (arguments[1].exists() && arguments[1].is(JsonKind::string)) {
    const JsonValue factors = find_member(index_.functions.find(arguments[1].string()), "factors");
    if (factors.exists() && factors.is(JsonKind::array)) {
      for (const JsonValue factor : factors.elements()) arguments.push_back(factor);
    }
  }
  for (const JsonValue argument : arguments) {
    if (argument.exists() && argument.is(JsonKind::string) &&
        parameters_.is_used(argument.string())) {
      return std::string(argument.string());
    }
  }
  return {};
}

void Hs3Constraints::constrain_by_likelihood(JsonValue name) {
  const JsonValue distribution = index_.distributions.get(name.string(), name);
  expect_constraint_type(distribution, name);
  const std::string parameter = constrained_parameter(distribution);
  if (parameter.empty()) {
    notes_.add("The distribution " + quoted(name.string()) +
               " was ignored, as it does not constrain a parameter of the channels.");
    return;
  }
  parameters_.constrain(parameter, read(distribution, parameter, name), name);
}

void Hs3Constraints::constrain_gamma(const std::string& parameter, JsonValue distribution_name) {
  expect_string(distribution_name, "a string or null, the name of a distribution");
  const JsonValue distribution =
      index_.distributions.get(distribution_name.string(), distribution_name);
  parameters_.constrain(parameter, read(distribution, parameter, distribution_name),
                        distribution_name);
}

void Hs3Constraints::finish() {
  for (const JsonValue name : constants_) {
    if (!parameters_.is_used(name.string())) continue;
    fail(name, "found " + quoted(name.string()) +
                   " as width or scale of a constraint, a parameter of the model, expected a "
                   "constant; constraints whose width is fitted are not supported");
  }
  std::string first;
  for (const Pending& pending : pending_) {
    if (parameters_.is_constrained(pending.parameter)) continue;
    parameters_.constrain(pending.parameter, unit_gaussian(pending.parameter), pending.where);
    if (first.empty()) first = pending.parameter;
  }
  if (first.empty()) return;
  notes_.add(
      "Modifiers without a stated constraint were given a Gaussian of unit width, as in ROOT and "
      "pyhs3 (first: " +
      quoted(first) + ").");
}

}  // namespace nablafit::io
