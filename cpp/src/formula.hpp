/// \file
/// A FormulaFactor ready for evaluation.
#ifndef NABLAFIT_SRC_FORMULA_HPP
#define NABLAFIT_SRC_FORMULA_HPP

#include <cstddef>
#include <memory>
#include <vector>

#include "expression.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::detail {

/// The factor of one bin: a weighted sum of one expression over the nodes of the bin. Immutable;
/// formulas of different bins share the parsed expression.
class Formula {
 public:
  /// Parses; throws SpecError as Expression does. The formula is that of bin 0.
  explicit Formula(const FormulaFactor& factor);
  /// The same factor for another of `n_bins` bins of the same sample.
  Formula at_bin(const FormulaFactor& factor, std::size_t bin, std::size_t n_bins) const;

  std::size_t n_parameters() const noexcept { return n_parameters_; }

  /// Value for any scalar type that Expression takes; `parameters` holds n_parameters() values.
  template <typename T>
  T evaluate(const T* parameters) const {
    if (weights_.empty()) return expression_->evaluate(parameters);
    std::vector<T> arguments(parameters, parameters + n_parameters_);
    arguments.resize(n_parameters_ + n_variables(), T(0.0));
    T sum = T(0.0);
    for (std::size_t node = 0; node < weights_.size(); ++node) {
      for (std::size_t i = 0; i < n_variables(); ++i) {
        arguments[n_parameters_ + i] = T(variables_[node * n_variables() + i]);
      }
      const T value = expression_->evaluate(arguments.data());
      sum = sum + value * weights_[node];
    }
    return sum;
  }

  /// Value, and exact derivatives: `gradient` has n_parameters() entries; `hessian`, which may be
  /// null, n_parameters() squared.
  double derivatives(const double* parameters, double* gradient, double* hessian) const;

 private:
  std::size_t n_variables() const noexcept { return expression_->n_parameters() - n_parameters_; }
  void set_nodes(const FormulaFactor& factor, std::size_t bin, std::size_t n_bins);

  std::shared_ptr<const Expression> expression_;  ///< of the parameters, then the variables
  std::size_t n_parameters_;
  std::vector<double> weights_;    ///< per node; empty if the expression alone is the factor
  std::vector<double> variables_;  ///< node by node
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_FORMULA_HPP
