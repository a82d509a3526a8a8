/// \file
/// Minimisation of a Likelihood within parameter bounds, with exact gradients and Hessians.
///
/// Method: projected Newton. Parameters at a bound against which the likelihood pushes them are
/// held; the others take a Newton step from the arrow-form Hessian, confined to the bounds by an
/// active set on the quadratic model, and shortened until the value decreases enough. Indefinite
/// Hessians are modified to positive definite ones; kinks of piecewise interpolation act as
/// temporary bounds, and where floors of yields are in the way the largest of the smooth pieces
/// that meet there is minimised. Where the yields of bins without events reach zero, the boundary
/// of the domain is approached from inside, by a primal-dual interior-point method. Where the
/// likelihood is zero at the start and nearby, a few points drawn from the ranges of the parameters
/// are tried.
#ifndef NABLAFIT_MINIMIZE_HPP
#define NABLAFIT_MINIMIZE_HPP

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nablafit/export.hpp"
#include "nablafit/likelihood.hpp"

namespace nablafit {

/// What to compute from the inverse Hessian at the minimum.
enum class CovarianceKind {
  none,
  errors,  ///< square roots of the diagonal
  /// Also the matrix, n_parameters() squared; computed, with the errors, after further steps that
  /// bring the minimum to rounding precision.
  full,
};

struct MinimizeOptions {
  /// In one descent. There are several if yields of bins without events reach zero.
  int max_iterations = 200;
  /// A fit ends when the estimated distance to the minimum in -log L, g^T H^-1 g / 2 over the free
  /// parameters (MINUIT's EDM for its objective -2 log L is twice this), is below this value,
  double edm_tolerance = 1e-10;
  /// and every |g_j| / sqrt(H_jj), the distance from the minimum along one parameter in units of
  /// its conditional standard deviation, is below this one.
  double gradient_tolerance = 1e-4;
  CovarianceKind covariance = CovarianceKind::errors;
  /// Estimate the condition number and look for weak directions at the end.
  bool diagnostics = true;
  /// Directions whose curvature, with the Hessian scaled to unit diagonal, is below this are weak.
  double weak_curvature = 1e-6;
};

enum class MinimizeStatus {
  converged,          ///< the conditions for a minimum hold
  converged_at_kink,  ///< they hold for one-sided derivatives, at a kink, or where a floor begins
  /// The minimum is where yields of bins without events are zero, to 1e-10 per bin in -log L.
  converged_at_zero_yield,
  iteration_limit,
  stalled,           ///< no step lowers the value, but the conditions do not hold
  saddle_point,      ///< stationary with negative curvature, and nothing lower found around it
  unbounded,         ///< the value keeps falling as parameters grow
  infeasible_start,  ///< the likelihood is zero at the start, and no point nearby was found where
                     ///< it is not
  interrupted,       ///< a PollScope stopped it; the point is the best one so far
};

NABLAFIT_API std::string_view to_string(MinimizeStatus status) noexcept;
/// True for the three `converged` statuses.
NABLAFIT_API bool is_minimum(MinimizeStatus status) noexcept;

enum class BoundSide { lower, upper };

struct ActiveBound {
  std::size_t parameter;
  BoundSide side;
  /// |d value / d parameter|: decrease of the value per unit of moving the bound; 0 in the
  /// degenerate case.
  double multiplier;
};

/// A combination of parameters that neither data nor constraint terms determine well (curvature
/// near 0).
struct WeakDirection {
  /// Of the Hessian scaled to unit diagonal; 0 if it is flat within rounding.
  double curvature;
  std::vector<std::size_t> parameters;  ///< those that contribute, largest contribution first
  std::vector<double> weights;          ///< change of each along the direction
};

/// Result of one minimisation. Vectors without comment are indexed by parameter.
struct MinimizeSummary {
  MinimizeStatus status = MinimizeStatus::infeasible_start;
  /// What happened and, unless the minimum was found, what to do. Filled by `minimize`; otherwise
  /// see `describe`.
  std::string message;
  std::vector<double> x;
  double value = 0.0;  ///< Evaluator's value: -log L(x) - Likelihood::constant()
  std::vector<double> gradient;
  double edm = 0.0;
  double projected_gradient = 0.0;  ///< largest |g_j| / sqrt(H_jj) of the free parameters
  int iterations = 0;
  int n_gradients = 0;  ///< evaluations of value and gradient
  int n_hessians = 0;
  std::vector<ActiveBound> active_bounds;
  std::vector<std::size_t> at_kink;  ///< parameters held at a kink
  std::vector<std::size_t>
      without_effect;  ///< parameters that change nothing; they stay at their start
  /// Bins whose yield would become negative: it stopped the descent, or makes the start infeasible.
  std::vector<std::size_t> zero_yield_bins;
  /// Parameters whose constraint term has density zero at an infeasible start.
  std::vector<std::size_t> outside_support;
  std::vector<WeakDirection> weak_directions;
  double condition = 0.0;  ///< of the scaled Hessian; NaN if not requested, infinite if singular
  /// Standard deviations; 0 for fixed parameters and those pushed against a bound (by a slope above
  /// 1e-3 in units of the error along the parameter), infinite for parameters without effect or in
  /// a direction without curvature, NaN where there is no minimum or the Hessian overflows. At a
  /// kink the Hessian is the mean of both sides, where a floor begins weighted so that the
  /// gradients cancel; where yields are zero it is that along the boundary, and errors are not
  /// valid. Empty if not requested.
  std::vector<double> errors;
  std::vector<double> covariance;  ///< row-major; empty unless requested, or if interrupted
};

/// A sentence about the outcome, with parameter names and the remedy. `limit_option` is the name
/// under which the caller's users know MinimizeOptions::max_iterations; empty if they cannot set
/// it.
NABLAFIT_API std::string describe(const MinimizeSummary& summary, const Model& model,
                                  std::string_view limit_option = "max_iterations");

/// Where to minimise. Empty vectors stand for the model's initial values, bounds and fixed flags;
/// others have n_parameters() entries. A parameter with lower == upper is fixed there.
struct MinimizeArguments {
  std::vector<double> start;
  std::vector<double> lower;  ///< may be -infinity
  std::vector<double> upper;  ///< may be +infinity
  std::vector<char> fixed;
};

/// Minimises Likelihoods of one model repeatedly, reusing the memory of one thread: fits after the
/// first allocate little, unless a Hessian is singular or an empty bin's yield reaches zero.
class NABLAFIT_API Minimizer {
 public:
  explicit Minimizer(const Likelihood& likelihood, const MinimizeOptions& options = {});
  ~Minimizer();
  Minimizer(Minimizer&&) noexcept;
  Minimizer& operator=(Minimizer&&) noexcept;

  /// Replaces the data: another Likelihood of the same Model. Throws ArgumentError for another
  /// model.
  void set_likelihood(const Likelihood& likelihood);

  /// The reference is valid until the next call; `message` is left empty. Throws ArgumentError for
  /// vectors of the wrong length, NaN, infinite starts and lower > upper; numerical outcomes are
  /// statuses. Starts outside the bounds are moved to the nearest one.
  const MinimizeSummary& minimize(const MinimizeArguments& arguments = {});

  const Likelihood& likelihood() const noexcept;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

/// A single fit; fills `message`.
NABLAFIT_API MinimizeSummary minimize(const Likelihood& likelihood,
                                      const MinimizeArguments& arguments = {},
                                      const MinimizeOptions& options = {});

}  // namespace nablafit

#endif  // NABLAFIT_MINIMIZE_HPP
