// Bins without observed events whose expected yield falls towards zero: there is no barrier in the
// likelihood then, only its sudden end. Such yields are linearised and kept non-negative by the
// step.
#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "newton_solver.hpp"

namespace nablafit::detail {
namespace {

constexpr std::size_t max_walls = 8;
/// Steps that may be computed again after they found a wall.
constexpr int max_wall_retries = 10;
/// Part of the distance to a wall that a step may go.
constexpr double approach = 1.0 - 1e-6;
/// A trial beyond the border by this part of the step shows its normal.
constexpr double overshoot = 1e-3;

}  // namespace

/// Yields at the current point.
void NewtonSolver::update_walls() {
  if (n_walls_ == 0) return;
  objective_->yields(x_.data(), yields_.data());
  for (std::size_t k = 0; k < n_walls_; ++k) walls_[k].slack = approach * yields_[walls_[k].bin];
}

void NewtonSolver::remember_wall(std::size_t bin) {
  std::size_t k = 0;
  while (k < n_walls_ && walls_[k].bin != bin) ++k;
  if (k == max_walls) k = 0;
  if (k == n_walls_) ++n_walls_;
  if (walls_.size() < n_walls_) walls_.push_back({0, 0.0, false, std::vector<double>(n_)});
  walls_[k].bin = bin;
  walls_[k].holds = true;
  walls_[k].normal.swap(trial_gradient_);
}

/// After a trial with negative yields: finds the yield that vanishes first and its gradient. True
/// if the step should be computed again with this knowledge.
bool NewtonSolver::note_wall(const Evaluation& trial, double fraction) {
  if (trial.status != EvaluationStatus::negative_yield || objective_->n_bins() == 0) return false;
  objective_->yields(x_.data(), yields_.data());
  objective_->yields(trial_.data(), trial_yields_.data());
  double first = 1.0;
  std::size_t bin = trial.index;
  for (std::size_t b = 0; b < yields_.size(); ++b) {
    if (!(trial_yields_[b] < 0.0) || !(yields_[b] >= 0.0)) continue;
    const double crossing = yields_[b] / (yields_[b] - trial_yields_[b]);
    if (crossing >= first) continue;
    first = crossing;
    bin = b;
  }
  if (!objective_->is_empty(bin)) return false;
  if (first < 1.0) {
    move_along(fraction * std::min(1.0, first * (1.0 + overshoot) + 1e-9));
    const Evaluation closer = evaluate(trial_.data(), trial_gradient_.data());
    if (closer.status != EvaluationStatus::negative_yield || closer.index != bin) return false;
  }
  remember_wall(bin);
  wall_is_new_ = n_wall_retries_ < max_wall_retries;
  return wall_is_new_;
}

/// Corrects the step so that no wall is crossed: step - M^-1 A^T nu with the multipliers nu >= 0 of
/// the walls that hold.
void NewtonSolver::project_on_walls() {
  if (n_walls_ == 0) return;
  std::size_t holding[max_walls];
  std::size_t count = 0;
  const auto along = [&](const std::vector<double>& normal, const double* v) {
    double sum = 0.0;
    for (std::size_t j = 0; j < n_; ++j) sum += normal[j] * v[j];
    return sum;
  };
  for (std::size_t k = 0; k < n_walls_; ++k) {
    walls_[k].holds = along(walls_[k].normal, step_.data()) > walls_[k].slack;
    if (walls_[k].holds) holding[count++] = k;
  }
  if (count == 0) return;
  Eigen::MatrixXd gram(count, count);
  Eigen::VectorXd excess(count);
  wall_solution_.resize(count * n_);
  for (std::size_t a = 0; a < count; ++a) {
    const YieldWall& wall = walls_[holding[a]];
    factorization_.solve(wall.normal.data(), wall_solution_.data() + a * n_);
    excess[static_cast<Eigen::Index>(a)] = along(wall.normal, step_.data()) - wall.slack;
    for (std::size_t b = 0; b < count; ++b) {
      gram(static_cast<Eigen::Index>(b), static_cast<Eigen::Index>(a)) =
          along(walls_[holding[b]].normal, wall_solution_.data() + a * n_);
    }
  }
  const Eigen::VectorXd multipliers = gram.ldlt().solve(excess);
  if (!multipliers.allFinite()) return;
  for (std::size_t a = 0; a < count; ++a) {
    const double multiplier = multipliers[static_cast<Eigen::Index>(a)];
    if (multiplier <= 0.0) continue;
    for (std::size_t j = 0; j < n_; ++j) step_[j] -= multiplier * wall_solution_[a * n_ + j];
  }
  confined_ = true;
}

}  // namespace nablafit::detail
