/// \file
/// Constraint terms of HS3: separate distributions, named by modifiers or listed in likelihoods,
/// and those that the numbers of staterror and shapesys modifiers imply.
#ifndef NABLAFIT_SRC_IO_HS3_CONSTRAINTS_HPP
#define NABLAFIT_SRC_IO_HS3_CONSTRAINTS_HPP

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/hs3/parameters.hpp"

namespace nablafit::io {

/// The keys of a modifier that say how its parameters are constrained; none need exist.
struct Hs3ConstraintKeys {
  JsonValue type;    ///< "constraint_type": "Gauss", "Poisson", ...
  JsonValue name;    ///< "constraint_name": a distribution
  JsonValue either;  ///< "constraint": a distribution or a type
  JsonValue each;    ///< "constraints": a distribution or null per bin
};

enum class Hs3ConstraintType { none, constant, gauss, poisson };

/// The type that the keys state, or none. Throws for unknown types.
std::optional<Hs3ConstraintType> stated_constraint_type(const Hs3ConstraintKeys& keys);
Hs3ConstraintType read_constraint_type(JsonValue type);
/// Throws if the type of `distribution`, which a likelihood lists at `where`, is not that of a
/// constraint.
void expect_constraint_type(JsonValue distribution, JsonValue where);

class Hs3Constraints {
 public:
  Hs3Constraints(const Hs3Index& index, Hs3Parameters& parameters, Hs3Notes& notes)
      : index_(index), parameters_(parameters), notes_(notes) {}

  /// Constraint of the parameter of a normsys, histosys or normfactor. With `is_implied` the
  /// default is a unit Gaussian, unless a likelihood lists a distribution.
  void constrain(const std::string& parameter, const Hs3ConstraintKeys& keys, bool is_implied,
                 JsonValue modifier);
  /// The observed value that a likelihood gives for a distribution. Call before any constraint is
  /// read, since modifiers may name the same distribution.
  void observe(JsonValue name, JsonValue value);
  /// A distribution that a likelihood lists as a separate term.
  void constrain_by_likelihood(JsonValue name);
  /// The constraint of one gamma by a distribution.
  void constrain_gamma(const std::string& parameter, JsonValue distribution_name);
  /// Unit Gaussians for parameters whose constraint neither modifiers nor a likelihood state.
  void finish();

  /// Distribution `value` as a constraint of `parameter`; throws at `where` if it is not one.
  Hs3Constraint read(JsonValue value, const std::string& parameter, JsonValue where);

 private:
  struct Pending {
    std::string parameter;
    JsonValue where;
  };
  Hs3Constraint read_gaussian(JsonValue value, const std::string& parameter, JsonValue where);
  Hs3Constraint read_poisson(JsonValue value, const std::string& parameter, JsonValue where);
  double poisson_tau(JsonValue mean, const std::string& parameter, JsonValue where);
  double constant(JsonValue value, std::string_view what);
  double observed(JsonValue distribution, JsonValue value, double absent, std::string& name) const;
  std::string constrained_parameter(JsonValue value) const;
  Hs3Constraint unit_gaussian(const std::string& parameter) const;

  const Hs3Index& index_;
  Hs3Parameters& parameters_;
  Hs3Notes& notes_;
  std::unordered_map<std::string_view, JsonValue> observed_;  ///< by name of the distribution
  std::vector<Pending> pending_;
  std::vector<JsonValue> constants_;  ///< names that must not be parameters of the model
};

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_HS3_CONSTRAINTS_HPP
