/// \file
/// Derivatives of a likelihood, of its minimum and of results of inference with respect to inputs
/// (nablafit/inputs.hpp), data and fixed parameters.
///
/// All are exact: minima are differentiated by the implicit function theorem, with one solve of the
/// arrow-form Hessian over the free parameters, curvatures by third derivatives along directions.
/// Here L is -log of the full likelihood, including terms that depend only on data and widths.
///
/// Conventions. Parameters at a bound with a multiplier above zero are held there. A minimum where
/// a multiplier vanishes, at a kink of a piecewise interpolation, where yields are zero or with a
/// singular Hessian has no derivative: Error, which names parameters. Parameters without effect
/// stay where they are. A bin whose yield and count are both zero contributes no derivative with
/// respect to its count.
#ifndef NABLAFIT_DIFFERENTIATE_HPP
#define NABLAFIT_DIFFERENTIATE_HPP

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "nablafit/batch.hpp"
#include "nablafit/export.hpp"
#include "nablafit/inputs.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/minimize.hpp"

namespace nablafit {

/// Derivatives of one number with respect to everything that enters a likelihood.
struct NABLAFIT_API FullGradient {
  std::vector<double> parameters;          ///< n_parameters
  std::vector<double> inputs;              ///< Inputs::size()
  std::vector<double> counts;              ///< n_bins
  std::vector<double> global_observables;  ///< one per constrained parameter

  /// Adds `factor` times `other`; empty vectors of this one count as zero.
  void add(double factor, const FullGradient& other);
};

/// Directions in everything that enters a likelihood, same lengths; null stands for zero.
struct FullTangent {
  const double* parameters = nullptr;
  const double* inputs = nullptr;
  const double* counts = nullptr;
  const double* global_observables = nullptr;
};

/// Gradient at `x` of L, or of L in deviance form, which is infinite where a count is zero. Throws
/// ArgumentError where there is no likelihood.
NABLAFIT_API FullGradient full_gradient(const Likelihood& likelihood, Span<const double> x,
                                        bool deviance = false);

/// Gradient of v . dL/dx: product of v with the mixed second derivatives; `parameters` is the
/// Hessian times v. Minus this is the gradient of v . score. Throws as full_gradient.
NABLAFIT_API FullGradient mixed_product(const Likelihood& likelihood, Span<const double> x,
                                        Span<const double> v);
/// Change of dL/dx along `tangent`: the transposed product. Throws as full_gradient.
NABLAFIT_API std::vector<double> gradient_tangent(const Likelihood& likelihood,
                                                  Span<const double> x, const FullTangent& tangent);
/// Gradient of sum of weights [n_bins] times expected yields; its data members are zero.
NABLAFIT_API FullGradient yields_gradient(const Model& model, Span<const double> x,
                                          Span<const double> weights);
/// Change of the expected yields, n_bins values, along the parameters and inputs of `tangent`.
NABLAFIT_API std::vector<double> yields_tangent(const Model& model, Span<const double> x,
                                                const FullTangent& tangent);

/// Derivatives of a function with respect to the outcome of a fit; null stands for zero.
struct FitCotangent {
  const double* parameters = nullptr;  ///< n_parameters
  double value = 0.0;                  ///< of L at the minimum
  const double* covariance = nullptr;  ///< n_parameters squared; only its symmetric part is used
  const double* yields = nullptr;      ///< n_bins
};

/// Change of the outcome of a fit.
struct FitTangent {
  std::vector<double> parameters;
  double value = 0.0;
  std::vector<double> covariance;  ///< empty unless requested
  std::vector<double> yields;
};

/// A minimum as a differentiable function. Use from one thread only.
class NABLAFIT_API DifferentiableFit {
 public:
  /// Fits, and refines the minimum to rounding precision. Throws Error if there is no minimum.
  explicit DifferentiableFit(const Likelihood& likelihood, const MinimizeArguments& arguments = {});
  ~DifferentiableFit();
  DifferentiableFit(DifferentiableFit&&) noexcept;
  DifferentiableFit& operator=(DifferentiableFit&&) noexcept;

  const Likelihood& likelihood() const noexcept;
  const std::vector<double>& x() const noexcept;
  double value() const noexcept;  ///< in deviance form
  /// 1 where a parameter is free: not fixed, not at a bound, not without effect.
  const std::vector<char>& free() const noexcept;
  /// Inverse Hessian over the free parameters, n_parameters squared, 0 elsewhere.
  std::vector<double> covariance();

  /// Derivatives of the sum of cotangent times outcome. `parameters` of the result are those with
  /// respect to the values of fixed parameters, 0 for all others.
  FullGradient pull_back(const FitCotangent& cotangent);
  /// `parameters` of the tangent are used for fixed parameters only.
  FitTangent push_forward(const FullTangent& tangent, bool with_covariance);

  struct Implementation;

 private:
  std::unique_ptr<Implementation> implementation_;
};

/// Many sets of inputs and data; row lengths in brackets.
struct ObjectiveArguments {
  std::size_t n = 0;
  Rows<double> inputs;              ///< [Inputs::size()]; default: those of the model
  Rows<double> counts;              ///< [n_bins]; default: Asimov data
  Rows<double> global_observables;  ///< [n_constrained]; default: stored, they follow the inputs
  /// Start of free fits, and the parameters of Asimov data if no counts are given.
  std::vector<double> point;
  std::vector<double> lower, upper;  ///< of free fits
  std::vector<char> fixed;
  std::vector<double> direction;  ///< for expected_informations
  std::size_t poi = 0;
  Rows<double> tested;       ///< [1]: values of the parameter of interest; default: 1
  double alternative = 0.0;  ///< its value in Asimov data
};

/// Values and gradients, item by item; NaN where `messages` says why there is none.
struct ObjectiveBatch {
  std::vector<double> value;
  std::vector<double> inputs, counts, global_observables;  ///< [n x size] gradients
  std::vector<double> parameters;  ///< likewise; only for full_gradients and pull_back_fits
  std::vector<double> tested;      ///< for the tested value; only for likelihood_ratios
};

/// Result of the functions below.
struct ObjectiveResult {
  ObjectiveBatch first, second;       ///< `second` only for likelihood_ratios
  std::vector<double> estimate;       ///< of the parameter of interest, in likelihood_ratios
  std::vector<std::string> messages;  ///< empty for items without a problem
  bool complete = true;               ///< false if the call was stopped
};

/// Variance of the parameter of interest for Asimov data at `point`: the diagonal element of the
/// inverse Hessian there, over all parameters that are not fixed. (De Castro, Dorigo,
/// arXiv:1806.04743.)
NABLAFIT_API ObjectiveResult expected_variances(const Model& model, const ObjectiveArguments&,
                                                const RunOptions& run = {});

/// d^T I d with the Fisher information I of data and global observables at `point`, d =
/// `direction`: the Hessian in Asimov data.
NABLAFIT_API ObjectiveResult expected_informations(const Model& model, const ObjectiveArguments&,
                                                   const RunOptions& run = {});

/// 2 [min L(tested) - min L], `first` for the data, `second` for the Asimov data of the minimum
/// with the alternative held (Cowan et al., arXiv:1007.1727, section 5). Without counts, `first` is
/// for Asimov data at `point`, and there is no second. The profiled Asimov data, and thus `second`,
/// depend on the data, which its gradient takes into account.
NABLAFIT_API ObjectiveResult likelihood_ratios(const Model& model, const ObjectiveArguments&,
                                               const RunOptions& run = {});

/// Twice the smallest deviance: the saturated goodness of fit.
NABLAFIT_API ObjectiveResult goodness_of_fits(const Model& model, const ObjectiveArguments&,
                                              const RunOptions& run = {});

/// L and its gradient at the points `x` [n_parameters]; fails where the likelihood is not defined.
NABLAFIT_API ObjectiveResult full_gradients(const Model& model, const ObjectiveArguments&,
                                            Rows<double> x, const RunOptions& run = {});

/// Minima and values of L there, [n x n_parameters] and [n].
struct FitsResult {
  std::vector<double> x, value;
  std::vector<std::string> messages;
  bool complete = true;
};
/// Fits start at rows of `starts` [n_parameters], which include the values of fixed parameters;
/// without rows at `point`.
NABLAFIT_API FitsResult fit_inputs(const Model& model, const ObjectiveArguments&,
                                   Rows<double> starts = {}, const RunOptions& run = {});
/// Derivatives of the sum of the cotangents [n_parameters], [1] times these results; `starts`
/// [n_parameters] are the minima. Those with respect to parameters are for the values of fixed
/// ones, 0 for others.
NABLAFIT_API ObjectiveResult pull_back_fits(const Model& model, const ObjectiveArguments&,
                                            Rows<double> starts, Rows<double> parameters,
                                            Rows<double> values, const RunOptions& run = {});

}  // namespace nablafit

#endif  // NABLAFIT_DIFFERENTIATE_HPP
