/// \file
/// Arithmetic expressions in parameters, the factors of a FormulaFactor.
#ifndef NABLAFIT_SRC_FORMULA_EXPRESSION_HPP
#define NABLAFIT_SRC_FORMULA_EXPRESSION_HPP

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace nablafit::detail {

/// A parsed expression. Immutable; may be evaluated in any number of threads (expression_tape.hpp).
///
/// Grammar, from weakest to strongest binding: `+ -`, `* /`, unary `- +`, `^` or `**`
/// (right-associative; -a^2 = -(a^2) and a^b^c = a^(b^c)), then numbers, names, `@i` (the i-th
/// name, as in ROOT), parentheses, and exp log log10 sqrt abs sin cos tan (one argument), pow min
/// max (two). A name is a letter or `_`, then letters, digits, `_`, `.`, `:`, and may end with an
/// index as in `gamma[3]`. PI and EULER are constants as in HS3, unless they are in the list of
/// names.
///
/// `a^b` with a constant b is a power wherever it is defined; with a parameter in b it is
/// exp(b log a), so a must be positive. The derivative of abs at its kink is that of the right-hand
/// side; that of min and max is that of the first argument where both are equal.
class Expression {
 public:
  static constexpr std::size_t max_length = 4096;  ///< characters
  static constexpr std::size_t max_nesting = 64;   ///< parentheses, calls, signs and powers
  static constexpr std::size_t max_pending = 32;   ///< operands that wait for their operator

  /// The first `n_parameters` of `names` are parameters, the others variables: numbers that differ
  /// from place to place. Throws SpecError, with the column (from 1) of the problem, for text
  /// outside the grammar, names that are not in the list, or expressions beyond the limits above.
  Expression(const std::string& text, const std::vector<std::string>& names,
             std::size_t n_parameters);
  /// All names are parameters.
  Expression(const std::string& text, const std::vector<std::string>& parameters)
      : Expression(text, parameters, parameters.size()) {}

  std::size_t n_parameters() const noexcept { return n_parameters_; }

  enum class Operation : unsigned char {
    constant,
    argument,
    add,
    subtract,
    multiply,
    divide,
    negate,
    power,
    constant_power,
    exp,
    log,
    log10,
    sqrt,
    abs,
    sin,
    cos,
    tan,
    min,
    max
  };
  struct Node {
    Operation operation;
    double number = 0.0;      ///< of constant and constant_power
    std::uint32_t a = 0;      ///< node of the first operand; of `argument`, its place in the names
    std::uint32_t b = 0;      ///< node of the second operand
    bool is_uniform = false;  ///< depends on no variable
    bool depends = false;     ///< depends on parameters
  };
  /// Operands come before their operations, uniform nodes before all others; the last node is the
  /// result. Constants are folded and equal subexpressions are one node.
  const std::vector<Node>& nodes() const noexcept { return nodes_; }
  std::size_t n_uniform() const noexcept { return n_uniform_; }

  /// Marks parameters that the expression does not name.
  static constexpr std::uint32_t no_node = std::numeric_limits<std::uint32_t>::max();
  /// Per parameter: its node, or no_node.
  const std::vector<std::uint32_t>& parameter_nodes() const noexcept { return parameter_nodes_; }

 private:
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> parameter_nodes_;
  std::size_t n_parameters_;
  std::size_t n_uniform_ = 0;
};

/// Number of operands of an operation.
constexpr std::size_t n_operands(Expression::Operation operation) noexcept {
  using Operation = Expression::Operation;
  switch (operation) {
    case Operation::constant:
    case Operation::argument:
      return 0;
    case Operation::add:
    case Operation::subtract:
    case Operation::multiply:
    case Operation::divide:
    case Operation::power:
    case Operation::min:
    case Operation::max:
      return 2;
    default:
      return 1;
  }
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_FORMULA_EXPRESSION_HPP
