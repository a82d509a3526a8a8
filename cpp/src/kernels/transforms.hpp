#ifndef NABLAFIT_KERNELS_TRANSFORMS_HPP
#define NABLAFIT_KERNELS_TRANSFORMS_HPP

/// Argument of an interpolation as a function of the fitted parameter, for HistFactory's
/// <ConstraintTerm>.
///
/// `relative` > 0 is the relative uncertainty of the term (dimensionless). The result is in units
/// of the standard deviation of the variation, as the interpolation codes take it. Source:
/// HistFactory (roofit/histfactory, HistoToWorkspaceFactoryFast::EditSyst).

#include <cmath>

namespace nablafit::kernels {

/// Type="Gamma": (beta - 1) / relative, where beta >= 0 is the fitted parameter. Smooth.
template <typename T>
T gamma_transformation(const T& beta, const double relative) {
  return (beta - 1.0) / relative;
}

/// Type="LogNormal": (kappa^alpha - 1) / relative with log_kappa = log(kappa), kappa = 1 +
/// relative. Smooth.
template <typename T>
T lognormal_transformation(const T& alpha, const double log_kappa, const double relative) {
  using std::exp;
  return (exp(alpha * log_kappa) - 1.0) / relative;
}

}  // namespace nablafit::kernels

#endif  // NABLAFIT_KERNELS_TRANSFORMS_HPP
