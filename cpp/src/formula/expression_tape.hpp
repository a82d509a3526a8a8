/// \file
/// Values and derivatives of an expression at many places at once.
#ifndef NABLAFIT_SRC_FORMULA_EXPRESSION_TAPE_HPP
#define NABLAFIT_SRC_FORMULA_EXPRESSION_TAPE_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "formula/expression.hpp"

namespace nablafit::detail {

/// x^exponent for plain numbers; other scalars provide their own overload.
inline double constant_power(double x, double exponent) { return std::pow(x, exponent); }

/// True if a number and all its derivatives vanish; other scalars provide their own overload.
inline bool is_zero(double x) { return x == 0.0; }

inline constexpr double inverse_log_ten = 0.43429448190325182765;

/// A vanishing derivative stays zero whatever it is multiplied by: branches not taken by min and
/// max may be infinite.
template <typename T, typename Partial>
void add_partial(const T* adjoint, std::size_t n, T* sum, Partial partial) {
  for (std::size_t l = 0; l < n; ++l) {
    const T term = partial(l);
    sum[l] = sum[l] + (is_zero(adjoint[l]) ? T(0.0) : term);
  }
}

template <typename T, typename Value>
void set_lanes(T* out, std::size_t n, Value value) {
  for (std::size_t l = 0; l < n; ++l) out[l] = value(l);
}

/// Results of functions of n operands; `b` is the exponent of powers.
template <typename T>
void call_function(Expression::Operation operation, const T* a, const T* b, std::size_t n, T* out) {
  using Operation = Expression::Operation;
  using std::cos;
  using std::exp;
  using std::log;
  using std::sin;
  using std::sqrt;
  switch (operation) {
    case Operation::power:
      return set_lanes(out, n, [=](std::size_t l) { return T(exp(T(b[l] * log(a[l])))); });
    case Operation::exp:
      return set_lanes(out, n, [=](std::size_t l) { return T(exp(a[l])); });
    case Operation::log:
      return set_lanes(out, n, [=](std::size_t l) { return T(log(a[l])); });
    case Operation::log10:
      return set_lanes(out, n, [=](std::size_t l) { return T(log(a[l]) * inverse_log_ten); });
    case Operation::sqrt:
      return set_lanes(out, n, [=](std::size_t l) { return T(sqrt(a[l])); });
    case Operation::sin:
      return set_lanes(out, n, [=](std::size_t l) { return T(sin(a[l])); });
    case Operation::cos:
      return set_lanes(out, n, [=](std::size_t l) { return T(cos(a[l])); });
    default:
      return set_lanes(out, n, [=](std::size_t l) { return T(sin(a[l]) / cos(a[l])); });
  }
}

/// Results of an operation on n first and second operands.
template <typename T>
void apply_operation(const Expression::Node& node, const T* a, const T* b, std::size_t n, T* out) {
  using Operation = Expression::Operation;
  const double number = node.number;
  switch (node.operation) {
    case Operation::add:
      return set_lanes(out, n, [=](std::size_t l) { return T(a[l] + b[l]); });
    case Operation::subtract:
      return set_lanes(out, n, [=](std::size_t l) { return T(a[l] - b[l]); });
    case Operation::multiply:
      return set_lanes(out, n, [=](std::size_t l) { return T(a[l] * b[l]); });
    case Operation::divide:
      return set_lanes(out, n, [=](std::size_t l) { return T(a[l] / b[l]); });
    case Operation::negate:
      return set_lanes(out, n, [=](std::size_t l) { return T(-a[l]); });
    case Operation::constant_power:
      if (number == 2.0) return set_lanes(out, n, [=](std::size_t l) { return T(a[l] * a[l]); });
      return set_lanes(out, n, [=](std::size_t l) { return T(constant_power(a[l], number)); });
    case Operation::min:
      return set_lanes(out, n, [=](std::size_t l) { return b[l] < a[l] ? b[l] : a[l]; });
    case Operation::max:
      return set_lanes(out, n, [=](std::size_t l) { return a[l] < b[l] ? b[l] : a[l]; });
    case Operation::abs:
      return set_lanes(out, n, [=](std::size_t l) { return a[l] < 0.0 ? T(-a[l]) : a[l]; });
    default:
      return call_function(node.operation, a, b, n, out);
  }
}

/// Passes over the nodes of an expression, for blocks of up to n_lanes() places (a bin, or a node
/// of its quadrature): `begin`, then for each block `forward` and, for derivatives, `backward`.
/// Each step works on all lanes of the block; the lanes do not mix, so results do not depend on how
/// places are cut into blocks. For use from one thread; its memory grows to what the largest
/// expression needs, and is kept.
///
/// T is a number with arithmetic, comparison, exp, log, sqrt, sin, cos and constant_power, for
/// `backward` also is_zero. If it carries derivatives, the passes give higher ones.
template <typename T>
class ExpressionTape {
 public:
  /// Lanes of a block: enough to hide the cost of walking over the nodes, few enough for the
  /// first-level cache.
  static constexpr std::size_t max_lanes = 64;

  /// Evaluates all nodes that do not depend on variables. `n_places` is the largest number of
  /// places to come; the expression must outlive the passes.
  void begin(const Expression& expression, const T* parameters, std::size_t n_places) {
    expression_ = &expression;
    n_lanes_ = std::min(max_lanes, n_places);
    const std::size_t size = expression.nodes().size() * n_lanes_;
    if (values_.size() < size) values_.resize(size, T(0.0));
    for (std::size_t k = 0; k < expression.n_uniform(); ++k) {
      const Node& node = expression.nodes()[k];
      if (node.operation == Operation::argument) {
        *lanes(values_, k) = parameters[node.a];
      } else {
        evaluate(node, k, 1);
      }
      std::fill_n(lanes(values_, k) + 1, n_lanes_ - 1, *lanes(values_, k));
    }
  }

  std::size_t n_lanes() const noexcept { return n_lanes_; }

  /// Values at n places, until the next pass. Value l of variable i is variables[i * stride + l].
  const T* forward(const double* variables, std::size_t stride, std::size_t n) {
    const std::vector<Node>& nodes = expression_->nodes();
    for (std::size_t k = expression_->n_uniform(); k < nodes.size(); ++k) {
      if (nodes[k].operation == Operation::argument) {
        const double* source = variables + (nodes[k].a - expression_->n_parameters()) * stride;
        set_lanes(lanes(values_, k), n, [=](std::size_t l) { return T(source[l]); });
      } else {
        evaluate(nodes[k], k, n);
      }
    }
    return lanes(values_, nodes.size() - 1);
  }

  /// After `forward` of n places: derivatives of each value, times `seeds` [n].
  void backward(const T* seeds, std::size_t n) {
    const std::vector<Node>& nodes = expression_->nodes();
    const std::size_t size = nodes.size() * n_lanes_;
    if (adjoints_.size() < size) adjoints_.resize(size, T(0.0));
    std::fill_n(adjoints_.begin(), size, T(0.0));
    std::copy_n(seeds, n, lanes(adjoints_, nodes.size() - 1));
    for (std::size_t k = nodes.size(); k-- > 0;) {
      if (nodes[k].depends) pull_back(nodes[k], k, n);
    }
  }

  /// After `backward`: derivatives with respect to a parameter, or null where there are none.
  const T* adjoint(std::size_t parameter) {
    const std::uint32_t node = expression_->parameter_nodes()[parameter];
    return node == Expression::no_node ? nullptr : lanes(adjoints_, node);
  }

 private:
  using Operation = Expression::Operation;
  using Node = Expression::Node;

  T* lanes(std::vector<T>& memory, std::size_t node) { return memory.data() + node * n_lanes_; }

  void evaluate(const Node& node, std::size_t k, std::size_t n) {
    T* out = lanes(values_, k);
    if (node.operation == Operation::constant) {
      std::fill_n(out, n, T(node.number));
    } else {
      apply_operation(node, lanes(values_, node.a), lanes(values_, node.b), n, out);
    }
  }

  /// Adds the adjoint of a node to those of its operands.
  void pull_back(const Node& node, std::size_t k, std::size_t n) {
    if (n_operands(node.operation) == 0) return;
    const std::vector<Node>& nodes = expression_->nodes();
    const T *d = lanes(adjoints_, k), *t = lanes(values_, k);
    const T *a = lanes(values_, node.a), *b = lanes(values_, node.b);
    if (nodes[node.a].depends) {
      // NOLINTNEXTLINE(bugprone-branch-clone): taken as equal because they depend on T
      if (n_operands(node.operation) == 1) {
        pull_back_call(node, d, t, a, n, lanes(adjoints_, node.a));
      } else {
        pull_back_first(node.operation, d, t, a, b, n, lanes(adjoints_, node.a));
      }
    }
    if (n_operands(node.operation) == 2 && nodes[node.b].depends) {
      pull_back_second(node.operation, d, t, a, b, n, lanes(adjoints_, node.b));
    }
  }

  static void pull_back_first(Operation operation, const T* d, const T* t, const T* a, const T* b,
                              std::size_t n, T* sum) {
    switch (operation) {
      case Operation::multiply:
        return add_partial(d, n, sum, [=](std::size_t l) { return T(d[l] * b[l]); });
      case Operation::divide:
        return add_partial(d, n, sum, [=](std::size_t l) { return T(d[l] / b[l]); });
      case Operation::power:
        return add_partial(d, n, sum, [=](std::size_t l) { return T(d[l] * t[l] * b[l] / a[l]); });
      case Operation::min:
        return add_partial(d, n, sum, [=](std::size_t l) { return b[l] < a[l] ? T(0.0) : d[l]; });
      case Operation::max:
        return add_partial(d, n, sum, [=](std::size_t l) { return a[l] < b[l] ? T(0.0) : d[l]; });
      default:  // add, subtract
        return add_partial(d, n, sum, [=](std::size_t l) { return d[l]; });
    }
  }

  static void pull_back_second(Operation operation, const T* d, const T* t, const T* a, const T* b,
                               std::size_t n, T* sum) {
    using std::log;
    switch (operation) {
      case Operation::subtract:
        return add_partial(d, n, sum, [=](std::size_t l) { return T(-d[l]); });
      case Operation::multiply:
        return add_partial(d, n, sum, [=](std::size_t l) { return T(d[l] * a[l]); });
      case Operation::divide:
        return add_partial(d, n, sum, [=](std::size_t l) { return T(-(d[l] * t[l] / b[l])); });
      case Operation::power:
        return add_partial(d, n, sum, [=](std::size_t l) { return T(d[l] * t[l] * log(a[l])); });
      case Operation::min:
        return add_partial(d, n, sum, [=](std::size_t l) { return b[l] < a[l] ? d[l] : T(0.0); });
      case Operation::max:
        return add_partial(d, n, sum, [=](std::size_t l) { return a[l] < b[l] ? d[l] : T(0.0); });
      default:  // add
        return add_partial(d, n, sum, [=](std::size_t l) { return d[l]; });
    }
  }

  static void pull_back_call(const Node& node, const T* d, const T* t, const T* a, std::size_t n,
                             T* sum) {
    using std::cos;
    using std::sin;
    const double c = node.number;
    switch (node.operation) {
      case Operation::negate:
        return add_partial(d, n, sum, [=](std::size_t l) { return T(-d[l]); });
      case Operation::constant_power:
        if (c == 2.0) {
          return add_partial(d, n, sum, [=](std::size_t l) { return T(d[l] * a[l] * 2.0); });
        }
        return add_partial(
            d, n, sum, [=](std::size_t l) { return T(d[l] * constant_power(a[l], c - 1.0) * c); });
      case Operation::exp:
        return add_partial(d, n, sum, [=](std::size_t l) { return T(d[l] * t[l]); });
      case Operation::log:
        return add_partial(d, n, sum, [=](std::size_t l) { return T(d[l] / a[l]); });
      case Operation::log10:
        return add_partial(d, n, sum,
                           [=](std::size_t l) { return T(d[l] * inverse_log_ten / a[l]); });
      case Operation::sqrt:
        return add_partial(d, n, sum, [=](std::size_t l) { return T(d[l] * 0.5 / t[l]); });
      case Operation::abs:
        return add_partial(d, n, sum, [=](std::size_t l) { return a[l] < 0.0 ? T(-d[l]) : d[l]; });
      case Operation::sin:
        return add_partial(d, n, sum, [=](std::size_t l) { return T(d[l] * cos(a[l])); });
      case Operation::cos:
        return add_partial(d, n, sum, [=](std::size_t l) { return T(-(d[l] * sin(a[l]))); });
      default:  // tan
        return add_partial(d, n, sum, [=](std::size_t l) { return T(d[l] * (t[l] * t[l] + 1.0)); });
    }
  }

  const Expression* expression_ = nullptr;
  std::size_t n_lanes_ = 1;
  std::vector<T> values_, adjoints_;  ///< [node][lane]
};

/// Value of an expression without variables, for any number type of ExpressionTape.
template <typename T>
T evaluate(const Expression& expression, const T* parameters) {
  ExpressionTape<T> tape;
  tape.begin(expression, parameters, 1);
  return *tape.forward(nullptr, 0, 1);
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_FORMULA_EXPRESSION_TAPE_HPP
