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

double dot(const std::vector<double>& a, const double* b) {
  double sum = 0.0;
  for (std::size_t j = 0; j < a.size(); ++j) sum += a[j] * b[j];
  return sum;
}

}  // namespace

/// Yields and normals at the current point.
void NewtonSolver::update_walls() {
  if (n_walls_ == 0) return;
  objective_->yields(x_.data(), yields_.data());
  for (std::size_t k = 0; k < n_walls_; ++k) {
    YieldWall& wall = walls_[k];
    wall.slack = approach * yields_[wall.bin];
    objective_->yield_gradient(x_.data(), wall.bin, wall.normal.data());
    for (double& component : wall.normal) component = -component;
  }
}

/// After a trial with negative yields: remembers the empty bin whose yield vanishes first. True if
/// it is a new one, so that the step should be computed again with this knowledge.
bool NewtonSolver::note_wall(const Evaluation& trial) {
  if (trial.status != EvaluationStatus::negative_yield || objective_->n_bins() == 0) return false;
  objective_->yields(x_.data(), yields_.data());
  objective_->yields(trial_.data(), trial_yields_.data());
  double first = 2.0;
  std::size_t bin = trial.index;
  for (std::size_t b = 0; b < yields_.size(); ++b) {
    if (!(trial_yields_[b] < 0.0) || !(yields_[b] >= 0.0)) continue;
    const double crossing = yields_[b] / (yields_[b] - trial_yields_[b]);
    if (crossing >= first) continue;
    first = crossing;
    bin = b;
  }
  if (!objective_->is_empty(bin) || n_walls_ == max_walls) return false;
  for (std::size_t k = 0; k < n_walls_; ++k) {
    if (walls_[k].bin == bin) return false;
  }
  if (walls_.size() == n_walls_) walls_.push_back({0, 0.0, false, std::vector<double>(n_)});
  walls_[n_walls_++].bin = bin;
  wall_is_new_ = n_wall_retries_ < max_wall_retries;
  return wall_is_new_;
}

/// Corrects the step so that no wall is crossed: step - M^-1 A^T nu with the multipliers nu >= 0 of
/// the walls that hold.
void NewtonSolver::project_on_walls() {
  if (n_walls_ == 0) return;
  std::fill(wall_force_.begin(), wall_force_.end(), 0.0);
  wall_solution_.resize(n_walls_ * n_);
  for (std::size_t k = 0; k < n_walls_; ++k) {
    walls_[k].holds = dot(walls_[k].normal, step_.data()) > walls_[k].slack;
    factorization_.solve(walls_[k].normal.data(), wall_solution_.data() + k * n_);
  }
  for (std::size_t round = 0; round < max_walls && !solve_for_walls(); ++round) continue;
}

/// Multipliers of the walls that hold. False if one of them is negative: it is let go.
bool NewtonSolver::solve_for_walls() {
  std::size_t holding[max_walls];
  std::size_t count = 0;
  for (std::size_t k = 0; k < n_walls_; ++k) {
    if (walls_[k].holds) holding[count++] = k;
  }
  if (count == 0) return true;
  const auto n = static_cast<Eigen::Index>(count);
  Eigen::MatrixXd gram(n, n);
  Eigen::VectorXd excess(n);
  for (Eigen::Index a = 0; a < n; ++a) {
    const YieldWall& wall = walls_[holding[a]];
    excess[a] = dot(wall.normal, step_.data()) - wall.slack;
    for (Eigen::Index b = 0; b < n; ++b) {
      gram(a, b) = dot(wall.normal, wall_solution_.data() + holding[b] * n_);
    }
  }
  const Eigen::VectorXd multipliers = gram.ldlt().solve(excess);
  if (!multipliers.allFinite()) return true;
  Eigen::Index least = 0;
  if (multipliers.minCoeff(&least) < 0.0) {
    walls_[holding[least]].holds = false;
    return false;
  }
  for (Eigen::Index a = 0; a < n; ++a) {
    for (std::size_t j = 0; j < n_; ++j) {
      step_[j] -= multipliers[a] * wall_solution_[holding[a] * n_ + j];
      wall_force_[j] += multipliers[a] * walls_[holding[a]].normal[j];
    }
  }
  confined_ = true;
  return true;
}

/// Takes from a direction what crosses the walls that hold, in units of the widths. Returns its
/// curvature as in ArrowDirection.
double NewtonSolver::project_direction(std::vector<double>& direction) {
  for (std::size_t k = 0; k < n_walls_; ++k) {
    if (!walls_[k].holds) continue;
    double across = 0.0;
    double size = 0.0;
    for (std::size_t j = 0; j < n_; ++j) {
      if (free_[j] == 0) continue;
      const double scaled = walls_[k].normal[j] * problem_->widths[j];
      across += walls_[k].normal[j] * direction[j];
      size += scaled * scaled;
    }
    if (!(size > 0.0)) continue;
    for (std::size_t j = 0; j < n_; ++j) {
      const double width = problem_->widths[j];
      if (free_[j] != 0) direction[j] -= across / size * walls_[k].normal[j] * width * width;
    }
  }
  arrow_multiply(structure_, hessian_, direction.data(), scratch_.data());
  double scale = 0.0;
  for (std::size_t j = 0; j < n_; ++j) {
    const double least = smallest_scale / (problem_->widths[j] * problem_->widths[j]);
    scale += std::max(std::abs(diagonal_[j]), least) * direction[j] * direction[j];
  }
  const double curvature = dot(direction, scratch_.data());
  return scale > 0.0 ? curvature / scale : 0.0;
}

/// Where a full step along curved walls ended just beyond them: brings its end back. False if no
/// wall was crossed.
bool NewtonSolver::return_to_walls() {
  bool crossed = false;
  objective_->yields(trial_.data(), trial_yields_.data());
  for (std::size_t k = 0; k < n_walls_; ++k) {
    const YieldWall& wall = walls_[k];
    const double missing = (1.0 - approach) * wall.slack - trial_yields_[wall.bin];
    const double* solution = wall_solution_.data() + k * n_;
    const double response = dot(wall.normal, solution);
    if (!(missing > 0.0) || !(response > 0.0)) continue;
    crossed = true;
    for (std::size_t j = 0; j < n_; ++j) step_[j] -= missing / response * solution[j];
  }
  return crossed;
}

}  // namespace nablafit::detail
