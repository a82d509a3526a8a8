/// \file
/// Arithmetic expressions in parameters: what a FormulaFactor multiplies its sample by.
#ifndef NABLAFIT_SRC_EXPRESSION_HPP
#define NABLAFIT_SRC_EXPRESSION_HPP

#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace nablafit::detail {

/// x^exponent for plain numbers; other scalars bring their own overload.
inline double constant_power(double x, double exponent) { return std::pow(x, exponent); }

/// A parsed expression. Immutable; evaluation allocates nothing and may run in any thread.
///
/// Grammar, from weakest to strongest binding: `+ -`, `* /`, unary `- +`, `^` or `**` (to the
/// right, so that -a^2 = -(a^2) and a^b^c = a^(b^c)), then numbers, names, `@i` (the i-th name, as
/// ROOT writes it), parentheses, and exp log log10 sqrt abs sin cos tan (one argument), pow min max
/// (two). A name is a letter or `_`, then letters, digits, `_`, `.`, `:`, and may end with an index
/// as in `gamma[3]`.
///
/// `a^b` with a constant b is a power for any a for which it exists; with a parameter in b it is
/// exp(b log a), so a must be positive. abs, min and max take the derivative of the right-hand side
/// at their kinks (the first argument of min and max where both are equal).
class Expression {
 public:
  static constexpr std::size_t max_length = 4096;  ///< characters
  static constexpr std::size_t max_nesting = 64;   ///< parentheses, calls, signs and powers
  static constexpr std::size_t max_stack = 32;     ///< intermediate results alive at once

  /// Throws SpecError, with the column (from 1) of the culprit, for text outside the grammar, names
  /// that are not in `parameters`, or expressions beyond the limits above.
  Expression(const std::string& text, const std::vector<std::string>& parameters);

  std::size_t n_parameters() const noexcept { return n_parameters_; }

  /// Value for any scalar type with arithmetic, comparison, exp, log, sqrt, sin, cos and
  /// constant_power. `parameters` holds n_parameters() values in the order given to the
  /// constructor.
  template <typename T>
  T evaluate(const T* parameters) const;

  /// Value, and exact derivatives: `gradient` has n_parameters() entries; `hessian`, which may be
  /// null, n_parameters() squared.
  double derivatives(const double* parameters, double* gradient, double* hessian) const;

  enum class Operation : unsigned char {
    constant,
    parameter,
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
  struct Instruction {
    Operation operation;
    double number = 0.0;    ///< of constant and constant_power
    std::size_t index = 0;  ///< of parameter
  };
  /// In postfix order; constants are folded.
  const std::vector<Instruction>& instructions() const noexcept { return tape_; }

 private:
  std::vector<Instruction> tape_;  ///< postfix
  std::size_t n_parameters_;
};

/// Number of operands that an operation takes from the stack.
constexpr std::size_t n_operands(Expression::Operation operation) noexcept {
  using Operation = Expression::Operation;
  switch (operation) {
    case Operation::constant:
    case Operation::parameter:
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

/// Result of an operation on one operand.
template <typename T>
T apply(const Expression::Instruction& instruction, const T& x) {
  using Operation = Expression::Operation;
  using std::cos;
  using std::exp;
  using std::log;
  using std::sin;
  using std::sqrt;
  constexpr double inverse_log_ten = 0.43429448190325182765;
  switch (instruction.operation) {
    case Operation::negate:
      return -x;
    case Operation::constant_power:
      return constant_power(x, instruction.number);
    case Operation::exp:
      return exp(x);
    case Operation::log:
      return log(x);
    case Operation::log10:
      return log(x) * inverse_log_ten;
    case Operation::sqrt:
      return sqrt(x);
    case Operation::sin:
      return sin(x);
    case Operation::cos:
      return cos(x);
    case Operation::tan:
      return sin(x) / cos(x);
    default:
      break;
  }
  if (x < 0.0) return -x;  // abs
  return x;
}

/// Result of an operation on two operands.
template <typename T>
T apply(const Expression::Instruction& instruction, const T& a, const T& b) {
  using Operation = Expression::Operation;
  using std::exp;
  using std::log;
  switch (instruction.operation) {
    case Operation::add:
      return a + b;
    case Operation::subtract:
      return a - b;
    case Operation::multiply:
      return a * b;
    case Operation::divide:
      return a / b;
    case Operation::power:
      return exp(b * log(a));
    case Operation::min:
      return b < a ? b : a;
    default:
      break;
  }
  return a < b ? b : a;  // max
}

template <typename T>
T Expression::evaluate(const T* parameters) const {
  std::array<T, max_stack> stack;
  std::size_t size = 0;
  for (const Instruction& instruction : tape_) {
    switch (n_operands(instruction.operation)) {
      case 0:
        if (instruction.operation == Operation::constant) {
          stack[size++] = T(instruction.number);
        } else {
          stack[size++] = parameters[instruction.index];
        }
        break;
      case 1: {
        const T result = apply(instruction, stack[size - 1]);
        stack[size - 1] = result;
        break;
      }
      default: {
        const T result = apply(instruction, stack[size - 2], stack[size - 1]);
        stack[--size - 1] = result;
      }
    }
  }
  return stack[0];
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_EXPRESSION_HPP
