/// \file
/// Where the Newton solver is, and what it knows there.
#ifndef NABLAFIT_SRC_MINIMIZE_NEWTON_ITERATE_HPP
#define NABLAFIT_SRC_MINIMIZE_NEWTON_ITERATE_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "arrow/factorization.hpp"
#include "minimize/objective.hpp"
#include "nablafit/minimize.hpp"

namespace nablafit::detail {

/// With the function's value and gradient there, once it is evaluated.
struct Point {
  explicit Point(std::size_t n) : x(n), gradient(n) {}

  std::vector<double> x, gradient;
  double value = 0.0;
};

/// The function of one run, what was asked of it, and whether any yield was negative.
struct CountedObjective {
  /// Sets value and gradient of the point.
  Evaluation evaluate(Point& point);
  /// False where there is no Hessian, or it overflows (yields next to zero).
  bool find_hessian(const Point& point, ArrowHessian& hessian);

  Objective* function = nullptr;
  int n_gradients = 0;
  int n_hessians = 0;
  bool met_negative_yield = false;
};

/// What becomes of a parameter in the next step.
enum class ParameterState : char {
  free,
  fixed,           ///< by the problem
  at_bound,        ///< which the gradient pushes it against, or at the end with a slope of zero
  at_kink,         ///< the value rises on both sides, or the domain ends on one
  at_flat_kink,    ///< as at a kink, but with slopes that are zero
  at_domain_end,   ///< on a bound that the gradient pulls it off, out of the domain
  without_effect,  ///< on the function, here
};

/// The states of all parameters, and the mask of the free ones, which always agrees with them.
class ActiveSet {
 public:
  explicit ActiveSet(std::size_t n) : states_(n), mask_(n) {}

  void set(std::size_t parameter, ParameterState state) {
    states_[parameter] = state;
    mask_[parameter] = state == ParameterState::free ? 1 : 0;
  }
  bool is(std::size_t parameter, ParameterState state) const { return states_[parameter] == state; }
  bool is_free(std::size_t j) const { return mask_[j] != 0; }
  bool is_pinned(std::size_t j) const {
    return is(j, ParameterState::at_kink) || is(j, ParameterState::at_flat_kink);
  }
  /// Held by no more than the gradient, which may change.
  bool is_releasable(std::size_t j) const {
    return is(j, ParameterState::at_bound) || is(j, ParameterState::without_effect);
  }
  const std::vector<char>& mask() const noexcept { return mask_; }

 private:
  std::vector<ParameterState> states_;
  std::vector<char> mask_;
};

/// Second derivatives at a point, or what stands for them, and their factors. The diagonal is that
/// of the last evaluation or replacement, also where the Hessian is blended.
class Curvature {
 public:
  enum class State {
    none,        ///< not evaluated yet
    exact,       ///< the Hessian
    substitute,  ///< a diagonal one, where there is none
    blended,     ///< contains some of the information, or is the information
  };

  /// Keeps references to all.
  Curvature(const ArrowStructure& structure, CountedObjective& objective, const Point& point);

  /// At the start of a run.
  void begin(const std::vector<double>& widths) {
    widths_ = &widths;
    state_ = State::none;
  }
  /// At the point. Where there is no Hessian, takes one that makes the next step a short one along
  /// the gradient.
  void evaluate();
  /// Puts an exact Hessian in the place of the present one.
  void replace(ArrowHessian hessian);
  /// Puts the information at the point in the place of the Hessian. False if there is none.
  bool use_information();

  /// Factorises the Hessian of the free parameters, made positive definite where it is not:
  /// cheaply, by blending it with the information or by a shift.
  void factorize(const std::vector<double>& gradient, const std::vector<char>& free);
  /// The same by turning negative curvatures to their absolute values.
  void factorize_carefully(const std::vector<double>& gradient, const std::vector<char>& free,
                           double pivot = ArrowFactorization::smallest_relative_pivot);
  /// False if it is not positive definite.
  bool factorize_exactly(const std::vector<char>& free,
                         double pivot = ArrowFactorization::smallest_relative_pivot);

  /// Whether the factors are those of the Hessian itself.
  bool is_exact() const noexcept { return factors_.is_exact(); }
  /// And still are, for these free parameters.
  bool has_factors(const std::vector<char>& free) const {
    return is_exact() && factorized_ == free;
  }
  void solve(const std::vector<double>& right_hand_side, std::vector<double>& solution) {
    factors_.solve(right_hand_side.data(), solution.data());
  }
  /// Whether any second derivative with respect to the parameter differs from zero.
  bool depends_on(std::size_t parameter) const;

  State state() const noexcept { return state_; }
  const ArrowStructure& structure() const noexcept { return structure_; }
  const ArrowHessian& hessian() const noexcept { return hessian_; }
  const std::vector<double>& diagonal() const noexcept { return diagonal_; }
  ArrowFactorization& factors() noexcept { return factors_; }

 private:
  void substitute();
  bool find_information();
  bool blend(const std::vector<char>& free);
  void note_change(State state);

  const ArrowStructure& structure_;
  CountedObjective& objective_;
  const Point& point_;
  const std::vector<double>* widths_ = nullptr;
  State state_ = State::none;
  ArrowHessian hessian_, information_;
  bool has_information_ = false;  ///< at the point of the last evaluation
  std::vector<double> diagonal_;
  ArrowFactorization factors_;
  std::vector<char> factorized_;  ///< what was free then; empty if the Hessian has changed since
};

/// a = f(a, b), element by element.
template <typename Function>
void combine(ArrowHessian& a, const ArrowHessian& b, const Function& f) {
  for (const auto part : {&ArrowHessian::dense, &ArrowHessian::coupling, &ArrowHessian::blocks}) {
    std::transform((a.*part).begin(), (a.*part).end(), (b.*part).begin(), (a.*part).begin(), f);
  }
}

double dot(const std::vector<double>& a, const std::vector<double>& b);

/// Whether there is a likelihood.
inline bool is_ok(const Evaluation& evaluation) {
  return evaluation.status == EvaluationStatus::ok && std::isfinite(evaluation.value);
}

/// The iterate of one run: point, box, active set and curvature, and how far it is from a minimum.
struct Iterate {
  explicit Iterate(const ArrowStructure& structure);
  Iterate(const Iterate&) = delete;  // the curvature refers to its siblings

  /// Puts the point to the start, inside the box.
  void begin(Objective& function, const BoxProblem& problem, const MinimizeOptions& options);

  std::size_t n_parameters() const noexcept { return point.x.size(); }
  Evaluation evaluate_trial() { return objective.evaluate(trial); }
  /// Evaluates the trial. False if the value there is higher by more than rounding, or not finite.
  bool try_trial() {
    const Evaluation there = evaluate_trial();
    return there.status == EvaluationStatus::ok && there.value <= point.value + noise();
  }
  void accept_trial() {
    point.x.swap(trial.x);
    point.gradient.swap(trial.gradient);
    std::swap(point.value, trial.value);
  }
  /// trial = projection of the point + fraction * step on the box.
  void move_trial(const std::vector<double>& step, double fraction);

  bool is_binding(std::size_t j) const {
    return (point.x[j] <= lower[j] && point.gradient[j] > 0.0) ||
           (point.x[j] >= upper[j] && point.gradient[j] < 0.0);
  }
  /// Whether the gradient now pulls inwards what is held at a bound.
  bool is_released(std::size_t j) const {
    return active.is_releasable(j) && point.gradient[j] != 0.0 && !is_binding(j);
  }
  bool is_at_lower(std::size_t j) const { return point.x[j] <= problem->lower[j]; }
  bool is_at_upper(std::size_t j) const { return point.x[j] >= problem->upper[j]; }
  /// Free on a bound with a slope of zero, like one of two factors that are both zero.
  bool is_degenerate(std::size_t j) const {
    return active.is_free(j) && point.gradient[j] == 0.0 && (is_at_lower(j) || is_at_upper(j));
  }
  /// Decides anew about all that are neither fixed, pinned nor at the end of the domain.
  void find_free_parameters();

  /// Largest distance from the minimum along one free parameter, in units of its conditional
  /// spread.
  double measure(const std::vector<double>& gradient) const;
  bool has_converged() const {
    return edm < options->edm_tolerance && projected_gradient < options->gradient_tolerance;
  }
  /// Whether errors are wanted to 1e-8, at the cost of a few more gradients.
  bool wants_invariance() const;
  /// Rounding error of a value.
  double noise() const;

  const BoxProblem* problem = nullptr;
  const MinimizeOptions* options = nullptr;
  CountedObjective objective;
  Point point;
  Point trial;                       ///< where to evaluate next, or where that was
  std::vector<double> lower, upper;  ///< the box, cut at kinks
  ActiveSet active;
  std::vector<std::size_t> border_bins;  ///< behind which parameters are at the domain's end
  Curvature curvature;
  double edm = 0.0;                 ///< infinite before the first step
  double projected_gradient = 0.0;  ///< the same; `measure` of the gradient
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_MINIMIZE_NEWTON_ITERATE_HPP
