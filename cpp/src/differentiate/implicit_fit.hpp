/// \file
/// A minimum and its derivatives.
#ifndef NABLAFIT_SRC_DIFFERENTIATE_IMPLICIT_FIT_HPP
#define NABLAFIT_SRC_DIFFERENTIATE_IMPLICIT_FIT_HPP

#include <vector>

#include "arrow/factorization.hpp"
#include "differentiate/input_derivatives.hpp"
#include "evaluate/fused_evaluator.hpp"
#include "nablafit/differentiate.hpp"

namespace nablafit::detail {

/// The Hessian of a likelihood at one point, factorised over the free parameters.
class FactorizedHessian {
 public:
  explicit FactorizedHessian(const Likelihood& likelihood);

  /// Evaluates at `x` and factorises. Throws Error, naming the parameters, where the Hessian is
  /// singular or indefinite.
  void set(const double* x, const std::vector<char>& free);
  /// Updates value and gradient to `x`; the factorisation is kept.
  void move(const double* x);
  /// H^-1 times a vector: 0 where not free.
  std::vector<double> solve(const std::vector<double>& right_hand_side);
  std::vector<double> covariance();
  const std::vector<double>& gradient() const noexcept { return gradient_; }
  double value() const noexcept { return value_; }
  /// Square root of the diagonal; 0 where that is not positive.
  std::vector<double> scales() const;

 private:
  void accept(const Evaluation& evaluation);

  FusedEvaluator evaluator_;
  ArrowHessian hessian_;
  ArrowFactorization factorization_;
  std::vector<double> gradient_;
  double value_ = 0.0;
};

/// See DifferentiableFit. Expensive parts are computed when first needed.
class ImplicitFit {
 public:
  ImplicitFit(const Likelihood& likelihood, const MinimizeArguments& arguments);

  const Likelihood& likelihood() const noexcept { return likelihood_; }
  const std::vector<double>& x() const noexcept { return x_; }
  const std::vector<char>& free() const noexcept { return free_; }
  bool is_fixed(std::size_t p) const noexcept { return fixed_[p] != 0; }
  double value() const noexcept { return value_; }
  InputDerivatives& derivatives() { return derivatives_; }

  /// Derivatives of the minimum of L at fixed parameters: the envelope theorem.
  FullGradient envelope();
  /// Adds the dependence through the minimum: `total.parameters` are derivatives with respect to
  /// the minimum on input, and with respect to fixed parameters on output.
  void pull_back_minimum(FullGradient& total);
  /// Derivatives of `weight` times the variance along `direction`: direction^T H^-1 direction, at
  /// fixed minimum. Added to `total`.
  void add_variance(double weight, const std::vector<double>& direction, FullGradient& total);

  FactorizedHessian& hessian();

  /// To first order, the minimum with the free parameter `p` held at `value`; if `p` is not free,
  /// the minimum with that value.
  std::vector<double> minimum_at(std::size_t p, double value);

 private:
  void require_differentiable();
  void polish();

  Likelihood likelihood_;
  MinimizeSummary summary_;
  std::vector<double> x_, lower_, upper_;
  std::vector<char> free_, fixed_;
  double value_ = 0.0;
  InputDerivatives derivatives_;
  FactorizedHessian hessian_;
  bool factorized_ = false;   ///< exactly here
  bool has_factors_ = false;  ///< here or within the last steps of the minimiser
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_DIFFERENTIATE_IMPLICIT_FIT_HPP
