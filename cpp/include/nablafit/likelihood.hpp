/// \file
/// Model and data, and the evaluators of their likelihood and its derivatives.
#ifndef NABLAFIT_LIKELIHOOD_HPP
#define NABLAFIT_LIKELIHOOD_HPP

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nablafit/export.hpp"
#include "nablafit/model.hpp"
#include "nablafit/span.hpp"

namespace nablafit {

namespace detail {
struct CompiledLikelihood;
}

/// Whether an evaluation has a finite value, and why not.
enum class EvaluationStatus {
  ok,
  negative_yield,  ///< a bin's expected yield is negative, or zero (below 1e-140) where events were
                   ///< observed
  not_finite,      ///< a bin's expected yield is infinite or NaN
  outside_support,    ///< a constraint term has density zero here (e.g. negative Poisson mean)
  invalid_parameter,  ///< a parameter is NaN or infinite
  overflow,           ///< the yields are fine, but the value or a requested derivative exceeds the
                      ///< range of a double
};

NABLAFIT_API std::string_view to_string(EvaluationStatus status) noexcept;

/// Result of one evaluation. Every number is finite if `status` is ok. Otherwise `value` is
/// +infinity, second derivatives are zero, and the gradient, if requested, points out of the
/// forbidden region: it is the gradient of minus the sum of the offending bins' yields
/// (negative_yield), of minus the offending parameters (outside_support), or zero (the others, and
/// where it would overflow). Nothing is ever NaN.
struct Evaluation {
  double value;
  EvaluationStatus status;
  /// Index of the first offending bin, constrained parameter (index of the parameter) or parameter;
  /// for overflow, of the first parameter whose derivative overflows, 0 if it is the value.
  std::size_t index;
};

/// A Model with data: the function that is minimised,
///
///     value(x) = -log [ L(x) / L_saturated ]
///              = sum_b [lambda_b - n_b + n_b log(n_b / lambda_b)] + sum of constraint deviances,
///
/// which is small near the minimum and therefore precise there. -log L(x) = value(x) + constant().
/// Immutable and cheap to copy; share it between threads, with one Evaluator each.
class NABLAFIT_API Likelihood {
 public:
  /// Throws ArgumentError if `data` does not fit the model: lengths, negative or non-finite counts,
  /// global observables outside the support of their constraint.
  Likelihood(Model model, Data data);
  /// Shares compiled data; internal.
  explicit Likelihood(std::shared_ptr<const detail::CompiledLikelihood> compiled) noexcept;

  const Model& model() const noexcept;
  const Data& data() const noexcept;
  /// -log of the saturated likelihood: depends on data, widths and taus only.
  double constant() const noexcept;

  /// The terms whose sum is value(x), each >= 0 and +infinity where it is not defined: those of the
  /// bins into `bins` (Model::n_bins() values), those of the constraints into `constraints`
  /// (Model::constrained_parameters().size() values).
  void deviances(Span<const double> x, Span<double> bins, Span<double> constraints) const;
  void deviances(const double* x, double* bins, double* constraints) const;

  const detail::CompiledLikelihood& compiled() const noexcept { return *compiled_; }

 private:
  std::shared_ptr<const detail::CompiledLikelihood> compiled_;
};

/// Evaluates one Likelihood; owns the scratch memory of one thread: two threads must not use the
/// same Evaluator at the same time, but each can have its own. It keeps the Likelihood's data
/// alive.
///
/// Vectors have n_parameters() values, matrices that number squared. Outputs are overwritten.
/// Functions that take spans throw ArgumentError for other lengths; those that take pointers trust
/// the caller.
class NABLAFIT_API Evaluator {
 public:
  virtual ~Evaluator() = default;

  Evaluation value(Span<const double> x);
  Evaluation value_and_gradient(Span<const double> x, Span<double> gradient);
  /// Dense symmetric matrix of second derivatives, row-major.
  Evaluation hessian(Span<const double> x, Span<double> matrix);
  /// Product of the Hessian at `x` with `v`, without forming the matrix.
  Evaluation hessian_vector_product(Span<const double> x, Span<const double> v,
                                    Span<double> product);

  virtual Evaluation value(const double* x) = 0;
  virtual Evaluation value_and_gradient(const double* x, double* gradient) = 0;
  virtual Evaluation hessian(const double* x, double* matrix) = 0;
  virtual Evaluation hessian_vector_product(const double* x, const double* v, double* product) = 0;

  virtual const Likelihood& likelihood() const noexcept = 0;
};

/// How derivatives are obtained. All provide the same Evaluator interface.
enum class Backend {
  clad,               ///< fused sweep over kernels differentiated by Clad
  codipack,           ///< reverse mode over a tape of the plain reference, by CoDiPack
  forward,            ///< forward-mode automatic differentiation of the plain reference
  finite_difference,  ///< central differences of the plain reference
  minuit_difference,  ///< first derivatives by adaptive differences, as MINUIT computes them
};

/// "clad", "codipack", "forward", "finite-difference", "minuit-difference".
NABLAFIT_API std::string_view to_string(Backend backend) noexcept;

/// The backend with this name; throws ArgumentError, which lists the available ones, for other
/// names.
NABLAFIT_API Backend backend_from_name(std::string_view name);

/// The backends that this library was built with, the default first. `codipack` is included if the
/// build found CoDiPack, `clad` unless it was configured with NABLAFIT_AD_BACKEND=codipack.
NABLAFIT_API std::vector<Backend> available_backends();
/// `clad`, or `codipack` where that was configured as the source of all derivatives.
NABLAFIT_API Backend default_backend() noexcept;

/// Throws ArgumentError for a backend that was not built.
NABLAFIT_API std::unique_ptr<Evaluator> make_evaluator(const Likelihood& likelihood,
                                                       Backend backend = default_backend());

}  // namespace nablafit

#endif  // NABLAFIT_LIKELIHOOD_HPP
