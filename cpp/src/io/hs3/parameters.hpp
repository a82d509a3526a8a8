/// \file
/// Parameters of one model in an HS3 document: which ones the channels use, and their properties
/// from points, domains and constraint distributions.
#ifndef NABLAFIT_SRC_IO_HS3_PARAMETERS_HPP
#define NABLAFIT_SRC_IO_HS3_PARAMETERS_HPP

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/hs3/index.hpp"

namespace nablafit::io {

/// What a modifier uses a parameter for; determines the defaults for what the document omits.
enum class Hs3Role { factor, systematic, gamma };

/// A constraint term and the name of its global observable, empty if it is a number.
struct Hs3Constraint {
  Constraint constraint;
  std::string global_observable;
};

class Hs3Parameters {
 public:
  /// `analysis` need not exist. Throws for invalid points and domains.
  Hs3Parameters(const Hs3Index& index, JsonValue analysis, Hs3Notes& notes);

  /// Registers a parameter at its first use; `where` names it.
  void use(std::string_view name, Hs3Role role, JsonValue where);
  bool is_used(std::string_view name) const { return position_.count(std::string(name)) != 0; }
  /// Adds a constraint term; adding an equal term again has no effect. Throws at `where` for a
  /// second, different one.
  void constrain(const std::string& name, const Hs3Constraint& constraint, JsonValue where);
  bool is_constrained(const std::string& name) const;
  /// Fixes a parameter whatever the initial point says.
  void fix(const std::string& name);

  /// Value in the initial point.
  std::optional<double> value(std::string_view name) const;
  /// Value in any parameter point, the initial one first.
  std::optional<double> value_in_any_point(std::string_view name) const;
  /// Sets the value of a global observable stated in a likelihood. Throws at `value`, a number, if
  /// the likelihood also states another one.
  void observe(std::string_view name, JsonValue value);
  /// Value of a global observable: as a likelihood states it, else in the initial point.
  std::optional<double> observed(std::string_view name) const;
  bool is_constant(std::string_view name) const;
  /// Bounds from the domains; infinite where a key is missing, none if the name is in no domain.
  std::optional<Range> range(std::string_view name) const;
  /// Names of the other points, with the values of parameters that are used.
  std::vector<ParameterPoint> points() const;
  /// All parameters, complete: in the order of the initial point, then of first use.
  std::vector<Parameter> finish();

 private:
  struct PointValue {
    double value;
    bool is_constant;
    std::size_t position;
  };
  struct Used {
    Parameter parameter;
    Hs3Role role;
    bool is_held = false;
    JsonValue where;             ///< first use
    JsonValue constraint_where;  ///< does not exist without a constraint
  };
  using PointValues = std::unordered_map<std::string_view, PointValue>;

  JsonValue choose_initial_point(JsonValue analysis) const;
  PointValues read_point(JsonValue point);
  void read_domain(JsonValue domain);
  void add_range(JsonValue axis, std::string_view name);
  void complete(Used& used);
  void complete_range(Used& used);
  void truncate(Used& used) const;

  const Hs3Index& index_;
  Hs3Notes& notes_;
  JsonValue initial_point_;
  PointValues initial_;
  std::unordered_map<std::string_view, JsonValue> observed_;
  std::vector<std::pair<std::string_view, PointValues>> other_points_;
  std::unordered_map<std::string_view, Range> ranges_;
  std::vector<Used> used_;
  std::unordered_map<std::string, std::size_t> position_;
};

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_HS3_PARAMETERS_HPP
