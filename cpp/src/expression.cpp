#include "expression.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <locale>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "nablafit/error.hpp"
#include "nablafit/hyper_dual.hpp"
#include "nearest_name.hpp"

namespace nablafit::detail {

namespace {

using Operation = Expression::Operation;
using Instruction = Expression::Instruction;

struct Function {
  std::string_view name;
  Operation operation;
};

constexpr Function functions[] = {
    {"exp", Operation::exp},   {"log", Operation::log}, {"log10", Operation::log10},
    {"sqrt", Operation::sqrt}, {"abs", Operation::abs}, {"sin", Operation::sin},
    {"cos", Operation::cos},   {"tan", Operation::tan}, {"pow", Operation::power},
    {"min", Operation::min},   {"max", Operation::max}};

std::optional<Operation> function_named(std::string_view name) {
  for (const Function& function : functions) {
    if (function.name == name) return function.operation;
  }
  return std::nullopt;
}

// The classification of <cctype> depends on the locale; formulas do not.
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool continues_name(char c) { return starts_name(c) || is_digit(c) || c == '.' || c == ':'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// Recursive descent over the text; appends to the tape in postfix order.
class Parser {
 public:
  Parser(const std::string& text, const std::vector<std::string>& names,
         std::vector<Instruction>& tape)
      : text_(text), names_(names), tape_(tape) {}

  void parse() {
    if (text_.size() > Expression::max_length) {
      throw SpecError("the expression has " + std::to_string(text_.size()) +
                      " characters, expected at most " + std::to_string(Expression::max_length));
    }
    skip_spaces();
    parse_sum();
    if (position_ < text_.size()) fail(position_, here(), "an operator or the end");
  }

 private:
  /// Counts how deep the parser is in nested constructs.
  class Nesting {
   public:
    explicit Nesting(Parser& parser) : parser_(parser) {
      if (++parser.nesting_ > Expression::max_nesting) {
        parser.fail(parser.position_, "nesting beyond " + std::to_string(Expression::max_nesting),
                    "a simpler expression");
      }
    }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    ~Nesting() { --parser_.nesting_; }

   private:
    Parser& parser_;
  };

  [[noreturn]] void fail(std::size_t position, const std::string& found,
                         const std::string& expected) const {
    throw SpecError("found " + found + " at column " + std::to_string(position + 1) + " of '" +
                    text_ + "', expected " + expected);
  }

  std::string here() const {
    if (position_ >= text_.size()) return "the end";
    return "'" + text_.substr(position_, 1) + "'";
  }

  void skip_spaces() {
    while (position_ < text_.size() && is_space(text_[position_])) ++position_;
  }

  bool next_is(char c) const { return position_ < text_.size() && text_[position_] == c; }

  bool take(char c) {
    if (!next_is(c)) return false;
    ++position_;
    skip_spaces();
    return true;
  }

  void expect(char c) {
    if (!take(c)) fail(position_, here(), std::string("'") + c + "'");
  }

  /// Appends an operation whose operands end the tape; operations on constants are done at once.
  void emit(const Instruction& instruction) {
    const std::size_t n = n_operands(instruction.operation);
    stack_size_ = stack_size_ + 1 - n;
    if (stack_size_ > Expression::max_stack) {
      fail(position_, "more than " + std::to_string(Expression::max_stack) + " pending operands",
           "a simpler expression");
    }
    const auto is_constant = [](const Instruction& operand) {
      return operand.operation == Operation::constant;
    };
    const auto operands = tape_.end() - static_cast<std::ptrdiff_t>(n);
    if (n == 0 || !std::all_of(operands, tape_.end(), is_constant)) {
      tape_.push_back(instruction);
    } else {
      const double number = n == 1 ? apply(instruction, operands[0].number)
                                   : apply(instruction, operands[0].number, operands[1].number);
      tape_.resize(tape_.size() - n, {Operation::constant});
      tape_.push_back({Operation::constant, number});
    }
  }

  void parse_sum() {
    parse_product();
    while (true) {
      if (take('+')) {
        parse_product();
        emit({Operation::add});
      } else if (take('-')) {
        parse_product();
        emit({Operation::subtract});
      } else {
        return;
      }
    }
  }

  void parse_product() {
    parse_sign();
    while (true) {
      if (take('*')) {
        parse_sign();
        emit({Operation::multiply});
      } else if (take('/')) {
        parse_sign();
        emit({Operation::divide});
      } else {
        return;
      }
    }
  }

  void parse_sign() {
    const Nesting nesting(*this);
    if (take('-')) {
      parse_sign();
      emit({Operation::negate});
    } else if (take('+')) {
      parse_sign();
    } else {
      parse_power();
    }
  }

  void parse_power() {
    parse_primary();
    if (!take_power()) return;
    parse_sign();  // binds to the right, and takes signs: a^-b
    emit_power();
  }

  /// `^` as in C++ formulas, or `**` as in Python.
  bool take_power() {
    if (next_is('*') && position_ + 1 < text_.size() && text_[position_ + 1] == '*') {
      position_ += 2;
      skip_spaces();
      return true;
    }
    return take('^');
  }

  /// The power of the two operands on top; a constant exponent becomes part of the operation.
  void emit_power() {
    if (tape_.back().operation == Operation::constant) {
      const double exponent = tape_.back().number;
      tape_.pop_back();
      --stack_size_;
      emit({Operation::constant_power, exponent});
    } else {
      emit({Operation::power});
    }
  }

  void parse_primary() {
    if (take('(')) {
      const Nesting nesting(*this);
      parse_sum();
      expect(')');
    } else if (next_is('@')) {
      parse_placeholder();
    } else if (position_ < text_.size() && starts_name(text_[position_])) {
      parse_name();
    } else {
      parse_number();
    }
  }

  void skip_digits() {
    while (position_ < text_.size() && is_digit(text_[position_])) ++position_;
  }

  void parse_number() {
    const std::size_t start = position_;
    skip_digits();
    std::size_t n_digits = position_ - start;
    if (next_is('.')) {
      const std::size_t point = position_++;
      skip_digits();
      n_digits += position_ - point - 1;
    }
    if (n_digits == 0) {
      position_ = start;
      fail(start, here(), "a number, a name, '@' or '('");
    }
    if (next_is('e') || next_is('E')) {
      ++position_;
      if (next_is('+') || next_is('-')) ++position_;
      const std::size_t exponent = position_;
      skip_digits();
      if (position_ == exponent) fail(position_, here(), "the digits of an exponent");
    }
    emit({Operation::constant, to_number(start)});
    skip_spaces();
  }

  /// The number from `start` to here, in the C locale whatever the program's is.
  double to_number(std::size_t start) const {
    std::istringstream stream(text_.substr(start, position_ - start));
    stream.imbue(std::locale::classic());
    double number = 0.0;
    stream >> number;
    if (!stream || !std::isfinite(number)) {
      fail(start, "'" + stream.str() + "'", "a number that a double can hold");
    }
    return number;
  }

  void parse_placeholder() {
    const std::size_t start = position_++;
    const std::size_t digits = position_;
    std::size_t index = 0;
    while (position_ < text_.size() && is_digit(text_[position_]) && index <= names_.size()) {
      index = 10 * index + static_cast<std::size_t>(text_[position_++] - '0');
    }
    if (position_ == digits) fail(position_, here(), "the digits of a placeholder such as @0");
    if (index >= names_.size()) {
      fail(start, "a placeholder beyond the list of parameters",
           "an index below " + std::to_string(names_.size()));
    }
    emit({Operation::parameter, 0.0, index});
    skip_spaces();
  }

  void parse_name() {
    const std::size_t start = position_;
    while (position_ < text_.size() && continues_name(text_[position_])) ++position_;
    skip_index();
    const std::string name = text_.substr(start, position_ - start);
    skip_spaces();
    if (next_is('(')) {
      parse_call(start, name);
      return;
    }
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) {
      fail(start, "'" + name + "'",
           "one of the " + std::to_string(names_.size()) + " parameters of the formula" +
               did_you_mean(name, names_));
    }
    emit({Operation::parameter, 0.0, static_cast<std::size_t>(found - names_.begin())});
  }

  /// The `[3]` of a name like gamma[3].
  void skip_index() {
    if (!next_is('[')) return;
    ++position_;
    const std::size_t digits = position_;
    skip_digits();
    if (position_ == digits) fail(position_, here(), "the digits of an index");
    if (!next_is(']')) fail(position_, here(), "']'");
    ++position_;
  }

  void parse_call(std::size_t start, const std::string& name) {
    const std::optional<Operation> operation = function_named(name);
    if (!operation) {
      fail(start, "the function '" + name + "'",
           "exp, log, log10, sqrt, abs, sin, cos, tan, pow, min or max");
    }
    const Nesting nesting(*this);
    expect('(');
    parse_sum();
    if (n_operands(*operation) == 2) {
      expect(',');
      parse_sum();
    }
    expect(')');
    if (*operation == Operation::power) {
      emit_power();
    } else {
      emit({*operation});
    }
  }

  const std::string& text_;
  const std::vector<std::string>& names_;
  std::vector<Instruction>& tape_;
  std::size_t position_ = 0;
  std::size_t nesting_ = 0;
  std::size_t stack_size_ = 0;
};

}  // namespace

Expression::Expression(const std::string& text, const std::vector<std::string>& parameters)
    : n_parameters_(parameters.size()) {
  Parser(text, parameters, tape_).parse();
}

double Expression::derivatives(const double* parameters, double* gradient, double* hessian) const {
  return differentiate([this](const auto* x) { return evaluate(x); }, n_parameters_, parameters,
                       gradient, hessian);
}

}  // namespace nablafit::detail
