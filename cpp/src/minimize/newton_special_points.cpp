#include "minimize/newton_special_points.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace nablafit::detail {
namespace {

constexpr int max_repair_steps = 60;
constexpr int n_nominal_mixtures = 16;
/// Lengths tried along a direction that leads away from a saddle point: 1, 1/4, 1/16, ...
constexpr int n_saddle_steps = 7;
/// Slopes, in units of the width, below which a kink is no kink.
constexpr double negligible_jump = 1e-5;
/// Part of the tolerance of the estimated distance that is worth leaving a saddle point.
constexpr double worthwhile_gain = 0.1;

/// Next to a kink, above (sign 1) or below (-1): near enough to be equal, far enough to choose the
/// branch of a formula.
double beside_kink(double position, double sign) {
  if (position == 0.0) return sign * 1e-300;
  return std::nextafter(position, sign * HUGE_VAL);
}

/// Descends in the distance from the domain, by normalised steps of growing size.
bool follow_feasibility_gradient(Iterate& here) {
  const BoxProblem& problem = *here.problem;
  std::vector<double> slopes(here.n_parameters());  // in units of the widths; 0 where blocked
  std::vector<double>& x = here.trial.x;
  const auto slope_of = [&](std::size_t j) {
    if (here.active.is(j, ParameterState::fixed)) return 0.0;
    const double slope = here.trial.gradient[j] * problem.widths[j];
    const bool blocked =
        (slope > 0.0 && x[j] <= here.lower[j]) || (slope < 0.0 && x[j] >= here.upper[j]);
    return blocked ? 0.0 : slope;
  };
  here.trial = here.point;
  double size = 1e-3;
  for (int i = 0; i < max_repair_steps; ++i) {
    double largest = 0.0;
    for (std::size_t j = 0; j < slopes.size(); ++j) {
      slopes[j] = slope_of(j);
      largest = std::max(largest, std::abs(slopes[j]));
    }
    if (!(largest > 0.0) || !std::isfinite(largest)) return false;
    for (std::size_t j = 0; j < slopes.size(); ++j) {
      if (slopes[j] == 0.0) continue;
      const double change = -size * slopes[j] / largest * problem.widths[j];
      x[j] = std::clamp(x[j] + change, here.lower[j], here.upper[j]);
    }
    if (is_ok(here.evaluate_trial())) {
      here.accept_trial();
      return true;
    }
    size = std::min(1.5 * size, 0.25);
  }
  return false;
}

bool approach_nominal(Iterate& here) {
  const std::vector<double> start = here.point.x;
  for (int i = 1; i <= n_nominal_mixtures; ++i) {
    const double weight = static_cast<double>(i) / n_nominal_mixtures;
    for (std::size_t j = 0; j < start.size(); ++j) {
      if (here.active.is(j, ParameterState::fixed)) continue;
      const double mixture = start[j] + weight * (here.problem->nominal[j] - start[j]);
      here.point.x[j] = std::clamp(mixture, here.lower[j], here.upper[j]);
    }
    if (is_ok(here.objective.evaluate(here.point))) return true;
  }
  if (follow_feasibility_gradient(here)) return true;
  here.point.x = start;
  return false;
}

/// Takes over the first lower value found along the direction or against it.
bool search_saddle(Iterate& here, const std::vector<double>& direction) {
  const double least_gain = std::max(here.noise(), worthwhile_gain * here.options->edm_tolerance);
  std::vector<double> step(direction.size());
  double length = 0.0;
  for (std::size_t j = 0; j < step.size(); ++j) {
    length = std::max(length, std::abs(direction[j]) / here.problem->widths[j]);
  }
  double size = 1.0;
  for (int i = 0; i < n_saddle_steps; ++i, size *= 0.25) {
    for (const double sign : {1.0, -1.0}) {
      for (std::size_t j = 0; j < step.size(); ++j) step[j] = sign * size / length * direction[j];
      here.move_trial(step, 1.0);
      const Evaluation trial = here.evaluate_trial();
      if (trial.status != EvaluationStatus::ok) continue;
      if (!(trial.value < here.point.value - least_gain)) continue;
      here.accept_trial();
      return true;
    }
  }
  return false;
}

bool is_at(const Kink& kink, const Iterate& here) {
  const std::size_t j = kink.parameter;
  const double x = here.point.x[j];
  const bool has_two_sides =
      here.problem->lower[j] < kink.position && kink.position < here.problem->upper[j];
  return !here.active.is(j, ParameterState::fixed) && has_two_sides &&
         x >= beside_kink(kink.position, -1.0) && x <= beside_kink(kink.position, 1.0);
}

void release_kinks(Iterate& here) {
  for (const auto& [j, position] : here.problem->kinks) {
    if (here.active.is_pinned(j)) here.active.set(j, ParameterState::free);
  }
}

/// Puts a parameter on the side of its kink where the value falls, or holds it there.
void choose_side(Iterate& here, const Kink& kink, double slope_above, double slope_below) {
  const auto& [j, position] = kink;
  bool go_up = slope_above < 0.0 && (slope_below <= 0.0 || -slope_above >= slope_below);
  if (slope_above >= 0.0 && slope_below <= 0.0) {
    const double jump = std::min(slope_above, -slope_below) * here.problem->widths[j];
    const bool is_flat = !(jump > negligible_jump);
    here.active.set(j, is_flat ? ParameterState::at_flat_kink : ParameterState::at_kink);
    go_up = true;
  }
  here.point.x[j] = beside_kink(position, go_up ? 1.0 : -1.0);
}

/// Where the domain ends at a kink: puts a parameter on the side that is left, and holds it if its
/// slope points to the other.
void stay_on_side(Iterate& here, const Kink& kink, double sign, double slope) {
  here.point.x[kink.parameter] = beside_kink(kink.position, sign);
  if (slope * sign >= 0.0) here.active.set(kink.parameter, ParameterState::at_kink);
}

/// Moves what is at a kink, by its place or by its state, above or below.
template <typename IsAtKink>
Evaluation evaluate_side(Iterate& here, double sign, Point& side, const IsAtKink& is_at_kink) {
  side.x = here.point.x;
  for (const Kink& kink : here.problem->kinks) {
    if (is_at_kink(kink)) side.x[kink.parameter] = beside_kink(kink.position, sign);
  }
  return here.objective.evaluate(side);
}

void choose_sides(Iterate& here) {
  const auto is_here = [&](const Kink& kink) { return is_at(kink, here); };
  Point above(here.n_parameters()), below(here.n_parameters());
  const bool has_upper = is_ok(evaluate_side(here, 1.0, above, is_here));
  const bool has_lower = is_ok(evaluate_side(here, -1.0, below, is_here));
  const std::vector<double> x_in_between = here.point.x;
  for (const Kink& kink : here.problem->kinks) {
    if (!is_here(kink)) continue;
    const double slope_above = above.gradient[kink.parameter];
    const double slope_below = below.gradient[kink.parameter];
    if (has_upper && has_lower) choose_side(here, kink, slope_above, slope_below);
    if (has_upper && !has_lower) stay_on_side(here, kink, 1.0, slope_above);
    if (!has_upper && has_lower) stay_on_side(here, kink, -1.0, slope_below);
  }
  if (is_ok(here.objective.evaluate(here.point))) return;
  here.point.x = x_in_between;
  release_kinks(here);
  here.objective.evaluate(here.point);
}

}  // namespace

bool make_feasible(Iterate& here) {
  for (const double x : here.point.x) {
    if (!std::isfinite(x)) return false;
  }
  return is_ok(here.objective.evaluate(here.point)) || follow_feasibility_gradient(here) ||
         approach_nominal(here);
}

bool leave_saddle(Iterate& here, std::vector<double> direction) {
  if (search_saddle(here, direction)) return true;
  bool turned = false;
  for (std::size_t j = 0; j < direction.size(); ++j) {
    if (!here.is_degenerate(j)) continue;
    direction[j] = (here.is_at_lower(j) ? 1.0 : -1.0) * std::abs(direction[j]);
    turned = true;
  }
  if (!turned) return false;
  if (search_saddle(here, direction)) return true;
  for (std::size_t j = 0; j < direction.size(); ++j) {
    if (!here.is_degenerate(j)) direction[j] = -direction[j];
  }
  return search_saddle(here, direction);
}

void settle_kinks(Iterate& here) {
  const std::vector<Kink>& kinks = here.problem->kinks;
  if (kinks.empty()) return;
  release_kinks(here);
  const auto is_here = [&](const Kink& kink) { return is_at(kink, here); };
  if (std::any_of(kinks.begin(), kinks.end(), is_here)) choose_sides(here);
  here.lower = here.problem->lower;
  here.upper = here.problem->upper;
  for (const auto& [j, position] : kinks) {
    const double x = here.point.x[j];
    if (x > position) here.lower[j] = std::max(here.lower[j], beside_kink(position, 1.0));
    if (x < position) here.upper[j] = std::min(here.upper[j], beside_kink(position, -1.0));
  }
}

void snap_to_kinks(Iterate& here) {
  for (const Kink& kink : here.problem->kinks) {
    if (is_at(kink, here)) here.point.x[kink.parameter] = kink.position;
  }
}

bool average_kink_hessians(Iterate& here) {
  const std::vector<Kink>& kinks = here.problem->kinks;
  const auto is_pinned = [&](const Kink& kink) { return here.active.is_pinned(kink.parameter); };
  if (std::none_of(kinks.begin(), kinks.end(), is_pinned)) return false;
  const auto find_hessian = [&](double sign, ArrowHessian& hessian) {
    const Evaluation side = evaluate_side(here, sign, here.trial, is_pinned);
    return side.status == EvaluationStatus::ok && here.objective.find_hessian(here.trial, hessian);
  };
  ArrowHessian above = here.curvature.hessian();
  ArrowHessian below = above;
  const bool has_lower = find_hessian(-1.0, below);
  const bool has_upper = find_hessian(1.0, above);
  if (has_upper && has_lower) {
    combine(above, below, [](double a, double b) { return 0.5 * (a + b); });
  }
  if (has_upper || has_lower) {
    here.curvature.replace(std::move(has_upper ? above : below));
  } else {
    here.curvature.evaluate();
  }
  release_kinks(here);
  return true;
}

}  // namespace nablafit::detail
