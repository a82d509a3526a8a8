/// \file
/// A FormulaFactor ready for evaluation.
#ifndef NABLAFIT_SRC_FORMULA_HPP
#define NABLAFIT_SRC_FORMULA_HPP

#include <cstddef>
#include <memory>
#include <type_traits>
#include <vector>

#include "expression.hpp"
#include "nablafit/function.hpp"
#include "nablafit/spec.hpp"
#include "plain_number.hpp"

namespace nablafit::detail {

/// The factor of one bin: a weighted sum of one expression, or of one function in C++, over the
/// nodes of the bin. Immutable; formulas of different bins share expression or function.
class Formula {
 public:
  /// Parses; throws SpecError as Expression does. The formula is that of bin 0.
  explicit Formula(const FormulaFactor& factor);
  /// The same factor for another of `n_bins` bins of the same sample.
  Formula at_bin(const FormulaFactor& factor, std::size_t bin, std::size_t n_bins) const;

  std::size_t n_parameters() const noexcept { return n_parameters_; }
  /// True for a function in C++: it has two derivatives, and no third.
  bool is_function() const noexcept { return function_ != nullptr; }

  /// Value for any scalar type that Expression takes; `parameters` holds n_parameters() values.
  template <typename T>
  T evaluate(const T* parameters) const {
    return function_ == nullptr ? evaluate_expression(parameters) : evaluate_function(parameters);
  }

  /// Value, and exact derivatives: `gradient` has n_parameters() entries; `hessian`, which may be
  /// null, n_parameters() squared.
  double derivatives(const double* parameters, double* gradient, double* hessian) const;

 private:
  template <typename T>
  T evaluate_expression(const T* parameters) const {
    if (weights_.empty()) return expression_->evaluate(parameters);
    std::vector<T> arguments(parameters, parameters + n_parameters_);
    arguments.resize(n_parameters_ + n_variables_, T(0.0));
    T sum = T(0.0);
    for (std::size_t node = 0; node < weights_.size(); ++node) {
      for (std::size_t i = 0; i < n_variables_; ++i) {
        arguments[n_parameters_ + i] = T(variables_[node * n_variables_ + i]);
      }
      const T value = expression_->evaluate(arguments.data());
      sum = sum + value * weights_[node];
    }
    return sum;
  }

  /// Calls `use(arguments, weight)` for each node.
  template <typename Use>
  void for_each_node(const double* parameters, const Use& use) const;
  /// Sums of the function over the nodes.
  double value_of_function(const double* parameters) const;
  double derivatives_of_function(const double* parameters, double* gradient, double* hessian) const;

  /// The function's second-order Taylor polynomial about the numbers that the parameters hold:
  /// at that point it has the function's value and first and second derivatives.
  template <typename T>
  T evaluate_function(const T* parameters) const {
    std::vector<double> point(n_parameters_);
    for (std::size_t i = 0; i < n_parameters_; ++i) point[i] = plain_number(parameters[i]);
    if constexpr (std::is_same_v<T, double>) {
      return value_of_function(point.data());
    } else {
      std::vector<double> first(n_parameters_), second(n_parameters_ * n_parameters_);
      T result = T(derivatives_of_function(point.data(), first.data(), second.data()));
      for (std::size_t i = 0; i < n_parameters_; ++i) {
        const T shift = parameters[i] - T(point[i]);
        result = result + shift * first[i];
        for (std::size_t j = 0; j < n_parameters_; ++j) {
          const T other = parameters[j] - T(point[j]);
          result = result + shift * other * (0.5 * second[i * n_parameters_ + j]);
        }
      }
      return result;
    }
  }

  void set_nodes(const FormulaFactor& factor, std::size_t bin, std::size_t n_bins);

  // Of the parameters, then the variables; one of the two is null.
  std::shared_ptr<const Expression> expression_;
  std::shared_ptr<const Function> function_;
  std::size_t n_parameters_, n_variables_;
  std::vector<double> weights_;    ///< per node; empty if there is one without variables
  std::vector<double> variables_;  ///< node by node
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_FORMULA_HPP
