#include "formula/expression.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <locale>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "formula/expression_tape.hpp"
#include "nablafit/error.hpp"
#include "util/nearest_name.hpp"

namespace nablafit::detail {

namespace {

using Operation = Expression::Operation;
using Node = Expression::Node;

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

/// Collects the nodes of an expression, each once; operands come before their operations.
class NodeTable {
 public:
  explicit NodeTable(std::size_t n_parameters) : n_parameters_(n_parameters) {}

  const Node& operator[](std::uint32_t index) const { return nodes_[index]; }

  std::uint32_t constant(double number) { return find({Operation::constant, number}); }
  std::uint32_t argument(std::uint32_t place) { return find({Operation::argument, 0.0, place}); }

  /// An operation on nodes; evaluated immediately if all are constants.
  std::uint32_t operation(Operation operation, double number, std::uint32_t a, std::uint32_t b) {
    const bool is_binary = n_operands(operation) == 2;
    const bool folds = is_constant(a) && (!is_binary || is_constant(b));
    return folds ? constant(folded(operation, number, a, b)) : find({operation, number, a, b});
  }

  bool is_constant(std::uint32_t index) const {
    return nodes_[index].operation == Operation::constant;
  }

  /// What `result` needs, in the order of Expression::nodes; `n_uniform` is set.
  std::vector<Node> needed_for(std::uint32_t result, std::size_t& n_uniform) const {
    std::vector<char> needed(nodes_.size(), 0);
    needed[result] = 1;
    for (std::size_t k = result + std::size_t{1}; k-- > 0;) {
      const std::size_t n = needed[k] != 0 ? n_operands(nodes_[k].operation) : 0;
      if (n > 0) needed[nodes_[k].a] = 1;
      if (n > 1) needed[nodes_[k].b] = 1;
    }
    std::vector<Node> ordered;
    std::vector<std::uint32_t> place(nodes_.size(), 0);
    for (const bool is_uniform : {true, false}) {
      for (std::size_t k = 0; k < nodes_.size(); ++k) {
        if (needed[k] == 0 || nodes_[k].is_uniform != is_uniform) continue;
        place[k] = static_cast<std::uint32_t>(ordered.size());
        ordered.push_back(nodes_[k]);
        const std::size_t n = n_operands(nodes_[k].operation);
        if (n > 0) ordered.back().a = place[nodes_[k].a];
        ordered.back().b = n > 1 ? place[nodes_[k].b] : 0;
      }
      if (is_uniform) n_uniform = ordered.size();
    }
    return ordered;
  }

 private:
  using Key = std::tuple<Operation, std::uint64_t, std::uint32_t, std::uint32_t>;

  std::uint32_t find(Node node) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &node.number, sizeof bits);
    const auto [position, is_new] = known_.emplace(Key{node.operation, bits, node.a, node.b},
                                                   static_cast<std::uint32_t>(nodes_.size()));
    if (!is_new) return position->second;
    const std::size_t n = n_operands(node.operation);
    const bool is_parameter = node.operation == Operation::argument && node.a < n_parameters_;
    node.is_uniform = node.operation != Operation::argument || is_parameter;
    node.depends = is_parameter;
    if (n > 0) add_dependence(node, nodes_[node.a]);
    if (n > 1) add_dependence(node, nodes_[node.b]);
    nodes_.push_back(node);
    return position->second;
  }

  static void add_dependence(Node& node, const Node& operand) {
    node.is_uniform = node.is_uniform && operand.is_uniform;
    node.depends = node.depends || operand.depends;
  }

  double folded(Operation operation, double number, std::uint32_t a, std::uint32_t b) const {
    const double x = nodes_[a].number, y = nodes_[b].number;
    double result = 0.0;
    apply_operation({operation, number}, &x, &y, std::size_t{1}, &result);
    return result;
  }

  std::size_t n_parameters_;
  std::vector<Node> nodes_;
  std::map<Key, std::uint32_t> known_;
};

/// Recursive descent over the text.
class Parser {
 public:
  Parser(const std::string& text, const std::vector<std::string>& names, NodeTable& nodes)
      : text_(text), names_(names), nodes_(nodes) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      index_of_.emplace(names[i], static_cast<std::uint32_t>(i));
    }
  }

  /// Returns the node of the result.
  std::uint32_t parse() {
    if (text_.size() > Expression::max_length) {
      throw SpecError("the expression has " + std::to_string(text_.size()) +
                      " characters, expected at most " + std::to_string(Expression::max_length));
    }
    skip_spaces();
    parse_sum();
    if (position_ < text_.size()) fail(position_, here(), "an operator or the end");
    return pending_.back();
  }

 private:
  /// Counts the nesting depth of the parser.
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

  void push(std::uint32_t node) {
    pending_.push_back(node);
    if (pending_.size() > Expression::max_pending) {
      fail(position_, "more than " + std::to_string(Expression::max_pending) + " pending operands",
           "a simpler expression");
    }
  }

  std::uint32_t pop() {
    const std::uint32_t node = pending_.back();
    pending_.pop_back();
    return node;
  }

  /// Replaces the last operands with the result of an operation.
  void emit(Operation operation, double number = 0.0) {
    const std::uint32_t b = n_operands(operation) == 2 ? pop() : 0;
    const std::uint32_t a = pop();
    push(nodes_.operation(operation, number, a, b));
  }

  void parse_sum() {
    parse_product();
    while (true) {
      if (take('+')) {
        parse_product();
        emit(Operation::add);
      } else if (take('-')) {
        parse_product();
        emit(Operation::subtract);
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
        emit(Operation::multiply);
      } else if (take('/')) {
        parse_sign();
        emit(Operation::divide);
      } else {
        return;
      }
    }
  }

  void parse_sign() {
    const Nesting nesting(*this);
    if (take('-')) {
      parse_sign();
      emit(Operation::negate);
    } else if (take('+')) {
      parse_sign();
    } else {
      parse_power();
    }
  }

  void parse_power() {
    parse_primary();
    if (!take_power()) return;
    parse_sign();  // right-associative, and accepts signs: a^-b
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
    if (!nodes_.is_constant(pending_.back())) return emit(Operation::power);
    const double exponent = nodes_[pop()].number;
    if (exponent == 1.0) return;
    if (exponent != 0.0) return emit(Operation::constant_power, exponent);
    pop();
    push(nodes_.constant(1.0));
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
    push(nodes_.constant(to_number(start)));
    skip_spaces();
  }

  /// The number from `start` to here, in the C locale whatever the locale of the program.
  double to_number(std::size_t start) const {
    std::istringstream stream(text_.substr(start, position_ - start));
    stream.imbue(std::locale::classic());
    double number = 0.0;
    stream >> number;
    if (!stream || !std::isfinite(number)) {
      fail(start, "'" + stream.str() + "'", "a number in the range of a double");
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
    push(nodes_.argument(static_cast<std::uint32_t>(index)));
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
    const auto found = index_of_.find(name);
    if (found == index_of_.end()) {
      if (name == "PI") return push(nodes_.constant(3.14159265358979323846));
      if (name == "EULER") return push(nodes_.constant(2.71828182845904523536));
      fail(start, "'" + name + "'",
           "one of the " + std::to_string(names_.size()) + " parameters of the formula" +
               did_you_mean(name, names_));
    }
    push(nodes_.argument(found->second));
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
      emit(*operation);
    }
  }

  const std::string& text_;
  const std::vector<std::string>& names_;
  std::unordered_map<std::string_view, std::uint32_t> index_of_;
  NodeTable& nodes_;
  std::size_t position_ = 0;
  std::size_t nesting_ = 0;
  std::vector<std::uint32_t> pending_;  ///< operands that wait for their operator
};

}  // namespace

Expression::Expression(const std::string& text, const std::vector<std::string>& names,
                       std::size_t n_parameters)
    : parameter_nodes_(n_parameters, no_node), n_parameters_(n_parameters) {
  NodeTable table(n_parameters);
  nodes_ = table.needed_for(Parser(text, names, table).parse(), n_uniform_);
  for (std::size_t k = 0; k < n_uniform_; ++k) {
    const bool is_parameter = nodes_[k].operation == Operation::argument;
    if (is_parameter) parameter_nodes_[nodes_[k].a] = static_cast<std::uint32_t>(k);
  }
}

}  // namespace nablafit::detail
