/// \file
/// Derivatives of -log L with respect to parameters, inputs and data, up to third order along
/// directions in parameter space.
#ifndef NABLAFIT_SRC_DIFFERENTIATE_INPUT_DERIVATIVES_HPP
#define NABLAFIT_SRC_DIFFERENTIATE_INPUT_DERIVATIVES_HPP

#include <memory>
#include <vector>

#include "differentiate/input_structure.hpp"
#include "nablafit/differentiate.hpp"

namespace nablafit::detail {

/// Differentiates one Likelihood, which must be defined (status ok) at all points. Here L is -log
/// of the full likelihood, including terms that depend only on data and widths.
///
/// A bin whose yield and count are both zero has no derivative with respect to its count, which is
/// treated as constant.
class InputDerivatives {
 public:
  explicit InputDerivatives(const Likelihood& likelihood);
  ~InputDerivatives();

  const InputStructure& structure() const noexcept { return *structure_; }
  const Likelihood& likelihood() const noexcept { return likelihood_; }

  /// dL.
  FullGradient gradient(const double* x);
  /// d(v . dL/dx): products of the mixed second derivatives with v; `parameters` is the Hessian's.
  FullGradient mixed(const double* x, const double* v);
  /// d(h . d2L/dx2 . h): third derivatives.
  FullGradient curvature(const double* x, const double* h);
  /// d(sum of weights times expected yields); `weights` has n_bins values.
  FullGradient yields(const double* x, const double* weights);
  /// Difference of L and its value in deviance form: d(L - deviance). Depends only on data and
  /// widths.
  FullGradient constant();

  /// Change of dL/dx along `tangent`, n_parameters values.
  std::vector<double> tangent_of_gradient(const double* x, const FullTangent& tangent);
  /// Change of the expected yields along `tangent`, n_bins values.
  std::vector<double> tangent_of_yields(const double* x, const FullTangent& tangent);
  /// Change of the Hessian times `v` along `tangent`, n_parameters values.
  std::vector<double> tangent_of_product(const double* x, const double* v,
                                         const FullTangent& tangent);

 private:
  struct Sweeps;

  FullGradient zero() const;
  void require_third_derivatives() const;

  Likelihood likelihood_;
  std::shared_ptr<const InputStructure> structure_;
  std::unique_ptr<Sweeps> sweeps_;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_DIFFERENTIATE_INPUT_DERIVATIVES_HPP
