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

/// The type that the keys state, none without a statement. Throws for other types.
std::optional<Hs3ConstraintType> stated_constraint_type(const Hs3ConstraintKeys& keys);
Hs3ConstraintType read_constraint_type(JsonValue type);
/// Throws if `distribution`, which a likelihood lists at `where`, is of a type that is no
/// constraint.
void expect_constraint_type(JsonValue distribution, JsonValue where);

class Hs3Constraints {
 public:
  Hs3Constraints(const Hs3Index& index, Hs3Parameters& parameters, Hs3Notes& notes)
      : index_(index), parameters_(parameters), notes_(notes) {}

  /// Constraint of the one parameter of a normsys, histosys or normfactor. With `is_implied` a
  /// unit Gaussian is meant where nothing is said, unless a likelihood lists a distribution.
  void constrain(const std::string& parameter, const Hs3ConstraintKeys& keys, bool is_implied,
                 JsonValue modifier);
  /// The data that a likelihood gives a distribution: a number. To be called before any constraint
  /// is read, since modifiers may name the same distribution.
  void observe(JsonValue name, JsonValue value);
  /// A distribution that a likelihood lists as a term of its own.
  void constrain_by_likelihood(JsonValue name);
  /// A constraint by distribution of one gamma.
  void constrain_gamma(const std::string& parameter, JsonValue distribution_name);
  /// Unit Gaussians of parameters whose modifiers say nothing and no likelihood does either.
  void finish();

  /// Distribution `value` as a constraint of `parameter`; throws at `where` if it is none.
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
