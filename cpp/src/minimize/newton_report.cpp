// What the summary says about the point where the solver ended.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "minimize/newton_solver.hpp"
#include "minimize/newton_special_points.hpp"

namespace nablafit::detail {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
/// Directions with a curvature below this are flat within the rounding of the Hessian, whose
/// elements are sums of positive terms but for that of the gradient.
constexpr double no_curvature = 1e-13;
/// Pivots of covariances, as a part of the diagonal, that are more than rounding.
constexpr double smallest_pivot = 1e-14;
/// Away from the minimum by this much, in standard deviations, a Hessian differs from that at the
/// minimum by about this factor more, in units of its diagonal.
constexpr double curvature_per_distance = 10.0;
/// A distance squared that is as good as none, and how many steps lead there.
constexpr double polished_edm = 1e-30;
constexpr int max_polishing = 4;
/// The largest with which errors are those of the minimum to about 1e-8.
constexpr double invariant_edm = 1e-17;
/// Slopes in units of the error along one parameter that push nothing against a bound.
constexpr double idle_slope = 1e-3;
/// Part of a curvature that constraint terms have when they determine the direction.
constexpr double determining_part = 0.1;
/// Smallest part, in units of the scaled parameters, that counts as taking part in a direction.
constexpr double smallest_part = 1e-3;

/// Writes one summary, part by part.
class Report {
 public:
  Report(Iterate& here, MinimizeSummary& summary) : here_(here), summary_(summary) {}

  void write(MinimizeStatus status) {
    clear(status);
    if (status != MinimizeStatus::interrupted) snap_to_kinks(here_);
    write_point();
    if (status == MinimizeStatus::infeasible_start) {
      write_infeasibility();
    } else if (status != MinimizeStatus::interrupted) {
      write_states();
    }
    if (is_minimum(status)) write_curvature();
    if (!is_minimum(status) || curvature_.state() == Curvature::State::substitute) {
      write_no_errors();
    }
    summary_.n_gradients = here_.objective.n_gradients;
    summary_.n_hessians = here_.objective.n_hessians;
  }

 private:
  /// Keeps the memory of vectors.
  void clear(MinimizeStatus status) {
    summary_.status = status;
    summary_.message.clear();
    summary_.condition = not_a_number;
    summary_.active_bounds.clear();
    summary_.weak_directions.clear();
    for (auto* list : {&summary_.at_kink, &summary_.without_effect, &summary_.zero_yield_bins,
                       &summary_.outside_support}) {
      list->clear();
    }
    summary_.errors.clear();
    summary_.covariance.clear();
  }

  void write_point() {
    summary_.x = here_.point.x;
    summary_.value = here_.point.value;
    summary_.gradient = here_.point.gradient;
    summary_.edm = here_.edm;
    summary_.projected_gradient = here_.projected_gradient;
  }

  void write_infeasibility() {
    const Evaluation end = here_.objective.evaluate(here_.point);
    const bool is_negative = end.status == EvaluationStatus::negative_yield;
    if (is_negative) summary_.zero_yield_bins = {end.index};
    if (end.status == EvaluationStatus::outside_support) summary_.outside_support = {end.index};
  }

  void write_states() {
    summary_.zero_yield_bins = here_.border_bins;
    for (std::size_t j = 0; j < here_.n_parameters(); ++j) {
      const double slope = here_.point.gradient[j];
      const bool ends = active_.is(j, ParameterState::at_domain_end);
      const bool is_pushed = active_.is(j, ParameterState::at_bound);  // or next to it
      const bool at_lower =
          (here_.is_at_lower(j) && (ends || slope >= 0.0)) || (is_pushed && slope > 0.0);
      const bool at_upper =
          (here_.is_at_upper(j) && (ends || slope <= 0.0)) || (is_pushed && slope < 0.0);
      if (active_.is(j, ParameterState::at_kink)) summary_.at_kink.push_back(j);
      if (active_.is(j, ParameterState::fixed) || active_.is_pinned(j)) continue;
      if (at_lower || at_upper) {
        summary_.active_bounds.push_back(
            {j, at_lower ? BoundSide::lower : BoundSide::upper, ends ? 0.0 : std::abs(slope)});
      } else if (!active_.is_free(j)) {
        summary_.without_effect.push_back(j);
      }
    }
  }

  void write_curvature() {
    if (!wants_errors() && !options_.diagnostics) return;
    const bool was_at_kink = average_kink_hessians(here_);
    free_idle_bounds();
    if (curvature_.state() == Curvature::State::blended) curvature_.evaluate();
    if (!curvature_.has_factors(active_.mask())) factorize();
    write_errors();
    const bool is_rough = here_.wants_invariance() && here_.edm > invariant_edm;
    if ((is_rough || is_doubtful()) && !was_at_kink && polish()) {
      write_point();
      write_errors();
    }
    if (options_.diagnostics || is_doubtful()) write_condition();
    if (wants_errors()) mark_undetermined();
  }

  /// Parameters on a bound that nothing pushes against it have an error like any other: a slope of
  /// rounding, as of Asimov data made there, does not decide.
  void free_idle_bounds() {
    const std::vector<double>& diagonal = curvature_.diagonal();
    for (std::size_t j = 0; j < here_.n_parameters(); ++j) {
      const double slope = std::abs(here_.point.gradient[j]);
      const bool is_idle = diagonal[j] > 0.0 && slope < idle_slope * std::sqrt(diagonal[j]);
      if (active_.is_releasable(j) && is_idle) active_.set(j, ParameterState::free);
    }
  }

  /// The Hessian if it is positive definite by more than rounding, else one near it.
  void factorize() {
    curvature_.factorize_carefully(here_.point.gradient, active_.mask(), smallest_pivot);
  }

  void write_errors() {
    const std::size_t n = here_.n_parameters();
    if (wants_covariance()) {
      summary_.covariance.resize(n * n);
      curvature_.factors().covariance(summary_.covariance.data());
    }
    if (!wants_errors()) return;
    summary_.errors.resize(n);
    curvature_.factors().variances(summary_.errors.data());
    for (double& error : summary_.errors) error = std::sqrt(error);
  }

  void write_no_errors() {
    const std::size_t n = here_.n_parameters();
    if (wants_errors()) summary_.errors.assign(n, not_a_number);
    const bool is_quick = summary_.status == MinimizeStatus::interrupted;
    if (wants_covariance() && !is_quick) summary_.covariance.assign(n * n, not_a_number);
  }

  /// Whether the Hessian is singular, or so nearly that the small distance from the minimum, where
  /// its flat directions have the curvature of the gradient, may be the reason that it is not.
  bool is_doubtful() const {
    if (!curvature_.is_exact()) return true;
    const double distance = std::sqrt(2.0 * std::max(here_.edm, 0.0));
    const double smallest = std::max(curvature_per_distance * distance, no_curvature * 10.0);
    for (std::size_t j = 0; j < summary_.errors.size(); ++j) {
      const double variance = summary_.errors[j] * summary_.errors[j];
      const double scaled = variance * curvature_.diagonal()[j];
      if (active_.is_free(j) && scaled * smallest > 1.0) return true;
    }
    return false;
  }

  /// Goes on to the minimum as far as rounding allows, and takes the Hessian there. False if
  /// nothing was gained.
  bool polish() {
    const double goal = is_doubtful() ? polished_edm : invariant_edm;
    std::vector<double> step(here_.n_parameters());
    int n_steps = 0;
    while (n_steps < max_polishing && std::abs(here_.edm) > goal && step_to_minimum(step)) {
      ++n_steps;
    }
    return n_steps > 0;
  }

  bool step_to_minimum(std::vector<double>& step) {
    curvature_.solve(here_.point.gradient, step);
    for (std::size_t j = 0; j < step.size(); ++j) {
      double& x = here_.trial.x[j];
      x = here_.point.x[j] - step[j];
      if (step[j] != 0.0 && (x < here_.lower[j] || x > here_.upper[j])) return false;
    }
    if (!here_.try_trial()) return false;
    const double projected_gradient = here_.measure(here_.trial.gradient);
    if (!(projected_gradient < here_.projected_gradient)) return false;
    here_.accept_trial();
    here_.projected_gradient = projected_gradient;
    curvature_.evaluate();
    factorize();
    curvature_.solve(here_.point.gradient, step);
    here_.edm = 0.5 * dot(here_.point.gradient, step);
    return true;
  }

  /// Condition number, and the directions behind a bad one.
  void write_condition() {
    double smallest = 0.0;
    summary_.condition = infinity;
    if (curvature_.is_exact()) {
      const auto spectrum = curvature_.factors().spectrum(curvature_.hessian());
      smallest = spectrum.smallest;
      summary_.condition = spectrum.condition();
    }
    if (smallest >= options_.weak_curvature) return;
    const double threshold = std::max(options_.weak_curvature, no_curvature);
    std::vector<double> separate(here_.n_parameters());
    here_.objective.function->separate_curvatures(here_.point.x.data(), separate.data());
    for (const ArrowDirection& found :
         curvature_.factors().weak_directions(curvature_.hessian(), active_.mask().data(),
                                              here_.problem->widths.data(), threshold)) {
      write_direction(found, separate);
    }
  }

  /// Names a weak direction, unless constraint terms determine it: then it is as good as they are.
  /// Their curvature is a sum of positive terms, exact however large the others are.
  void write_direction(const ArrowDirection& found,
                       const std::vector<double>& separate_curvatures) {
    const std::vector<double>& diagonal = curvature_.diagonal();
    double separate = 0.0;
    for (std::size_t j = 0; j < diagonal.size(); ++j) {
      separate += found.vector[j] * found.vector[j] * std::max(separate_curvatures[j], 0.0);
    }
    if (separate > no_curvature && separate > determining_part * found.curvature) return;
    const bool is_flat = found.curvature <= no_curvature;
    WeakDirection direction{is_flat ? 0.0 : found.curvature, {}, {}};
    const auto part = [&](std::size_t j) {
      return std::abs(found.vector[j]) * std::sqrt(std::max(diagonal[j], 0.0));
    };
    for (std::size_t j = 0; j < diagonal.size(); ++j) {
      if (part(j) > smallest_part || (found.vector[j] != 0.0 && !(diagonal[j] > 0.0))) {
        direction.parameters.push_back(j);
      }
    }
    std::sort(direction.parameters.begin(), direction.parameters.end(),
              [&](std::size_t a, std::size_t b) {
                return part(a) != part(b) ? part(a) > part(b) : a < b;
              });
    for (const std::size_t j : direction.parameters) direction.weights.push_back(found.vector[j]);
    summary_.weak_directions.push_back(std::move(direction));
  }

  /// Infinite errors where nothing determines a parameter.
  void mark_undetermined() {
    const auto mark = [&](std::size_t j) {
      summary_.errors[j] = infinity;
      if (!summary_.covariance.empty())
        summary_.covariance[j * here_.n_parameters() + j] = infinity;
    };
    for (const std::size_t j : summary_.without_effect) mark(j);
    for (const WeakDirection& direction : summary_.weak_directions) {
      if (direction.curvature != 0.0) continue;
      for (const std::size_t j : direction.parameters) mark(j);
    }
  }

  bool wants_errors() const { return options_.covariance != CovarianceKind::none; }
  bool wants_covariance() const { return options_.covariance == CovarianceKind::full; }

  Iterate& here_;
  MinimizeSummary& summary_;
  ActiveSet& active_ = here_.active;
  Curvature& curvature_ = here_.curvature;
  const MinimizeOptions& options_ = *here_.options;
};

}  // namespace

void NewtonSolver::report(MinimizeStatus status, MinimizeSummary& summary) {
  Report(here_, summary).write(status);
}

}  // namespace nablafit::detail
