#include "minimize/ray_search.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>

#include "minimize/likelihood_objective.hpp"
#include "util/polled_run.hpp"

namespace nablafit::detail {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
/// Longest step outwards, as a multiple of the distance reached.
constexpr double largest_growth = 4.0;
/// Distance, in multiples of the first, beyond which a profile that has not risen never will.
constexpr double far_away = 1e6;
/// Distance of two points on both sides of the target that is a jump, relative to their own or to
/// that of the first fit.
constexpr double jump_width = 1e-6;
/// Relative height between two such points that is none.
constexpr double no_jump = 1e-2;
/// Relative distance of s from the target that ends the search where its slope is a guess.
constexpr double small_miss = 1e-6;
/// Longest last step, without a fit, relative to the distance: where the profile is flatter, it may
/// turn before the target.
constexpr double longest_step = 0.01;
/// Fits that may fail before the ray does: after each, half the step is tried.
constexpr int max_failures = 4;
/// Fits to see whether the profile did something unexpected between two points, and how near to one
/// of them, as a part of their distance, they are not worth it.
constexpr int max_inspections = 6;
constexpr double shortest_part = 0.05;

MinimizeOptions cheap(MinimizeOptions options) {
  options.covariance = CovarianceKind::none;
  options.diagnostics = false;
  return options;
}

template <typename T>
const std::vector<T>& given_or(const std::vector<T>& given, const std::vector<T>& standard) {
  return given.empty() ? standard : given;
}

}  // namespace

RaySearch::RaySearch(const Likelihood& likelihood, const ProfileOrigin& origin, double origin_value,
                     const std::vector<double>& origin_gradient, const ProfileOptions& options)
    : origin_(origin),
      options_(options),
      origin_value_(origin_value),
      origin_gradient_(origin_gradient),
      widths_(typical_widths(likelihood.model())),
      minimizer_(likelihood, cheap(options.minimize)) {
  const Model& model = likelihood.model();
  problem_.start = origin.x;
  problem_.lower = given_or(origin.box.lower, model.lower());
  problem_.upper = given_or(origin.box.upper, model.upper());
  fixed_ = given_or(origin.box.fixed, model.fixed());
}

Crossing RaySearch::follow(const ProfileRay& ray) {
  begin(ray);
  if (limit_ <= 0.0) {
    result_.rise = 0.0;
    finish(CrossingStatus::at_bound, 0.0);
    return result_;
  }
  double distance = first_;
  while (search(distance)) {
    const std::optional<double> earlier = inspect();
    if (!earlier) break;
    distance = *earlier;
  }
  return result_;
}

/// Looks for the crossing, first at `distance`. True if the ray came to an end that other fits may
/// still call into question.
bool RaySearch::search(double distance) {
  Point point;
  const int max_fits = options_.max_fits * (1 + static_cast<int>(ray_->starts.size()));
  while (result_.n_fits < max_fits) {
    const Outcome outcome = evaluate(distance, point);
    if (outcome == Outcome::lower) return false;
    if (outcome == Outcome::failed) {
      if (++n_failures_ > max_failures) break;
      distance = 0.5 * (below_.distance + distance);
      continue;
    }
    if (note(point)) return true;
    distance = next_distance(point);
  }
  finish(CrossingStatus::failed, std::numeric_limits<double>::quiet_NaN());
  return false;
}

void RaySearch::begin(const ProfileRay& ray) {
  ray_ = &ray;
  result_ = Crossing{};
  target_ = std::sqrt(ray.rise);
  problem_.fixed = fixed_;
  for (const std::size_t parameter : ray.parameters) problem_.fixed[parameter] = 1;
  below_ = above_ = Point{};
  has_above_ = false;
  miss_ = target_;
  gained_ = true;
  n_failures_ = 0;
  last_x_ = origin_.x;
  last_distance_ = 0.0;
  visited_.clear();
  origin_slope_ = 2.0 * along_ray(origin_gradient_);
  predict();
  limit_ = distance_to_bound();
  first_ = std::min(first_distance(), limit_);
}

/// The conditional minimum moves, to first order, by C_xk (C_kk)^-1 direction, where k are the held
/// parameters, and s grows with the root of direction (C_kk)^-1 direction.
void RaySearch::predict() {
  const std::size_t n = origin_.x.size();
  const std::vector<std::size_t>& held = ray_->parameters;
  const auto n_held = static_cast<Eigen::Index>(held.size());
  slope_.assign(n, 0.0);
  curvature_ = 0.0;
  if (!origin_.covariance.empty()) {
    Eigen::MatrixXd block(n_held, n_held);
    for (Eigen::Index i = 0; i < n_held; ++i) {
      for (Eigen::Index j = 0; j < n_held; ++j) {
        block(i, j) = origin_.covariance[held[static_cast<std::size_t>(i)] * n +
                                         held[static_cast<std::size_t>(j)]];
      }
    }
    const Eigen::Map<const Eigen::VectorXd> direction(ray_->direction.data(), n_held);
    const Eigen::LLT<Eigen::MatrixXd> factors(block);
    if (block.allFinite() && factors.info() == Eigen::Success) {
      const Eigen::VectorXd pull = factors.solve(direction);
      curvature_ = direction.dot(pull);
      for (std::size_t j = 0; j < n; ++j) {
        double slope = 0.0;
        for (Eigen::Index k = 0; k < n_held; ++k) {
          slope += origin_.covariance[j * n + held[static_cast<std::size_t>(k)]] * pull[k];
        }
        if (fixed_[j] == 0 && std::isfinite(slope)) slope_[j] = slope;
      }
    }
  }
  for (std::size_t k = 0; k < held.size(); ++k) slope_[held[k]] = ray_->direction[k];
}

double RaySearch::distance_to_bound() const {
  double distance = infinity;
  for (std::size_t k = 0; k < ray_->parameters.size(); ++k) {
    const std::size_t parameter = ray_->parameters[k];
    const double speed = ray_->direction[k];
    if (speed == 0.0) continue;
    const double bound = speed > 0.0 ? problem_.upper[parameter] : problem_.lower[parameter];
    distance = std::min(distance, (bound - origin_.x[parameter]) / speed);
  }
  return distance;
}

/// Whether the ray begins at a bound: if that holds the minimum, the likelihood falls at once.
bool RaySearch::leaves_bound() const {
  for (std::size_t k = 0; k < ray_->parameters.size(); ++k) {
    const std::size_t j = ray_->parameters[k];
    const double speed = ray_->direction[k];
    const double behind = speed > 0.0 ? problem_.lower[j] : problem_.upper[j];
    if (speed != 0.0 && origin_.x[j] == behind) return true;
  }
  return false;
}

double RaySearch::first_distance() const {
  const double predicted = target_ / std::sqrt(curvature_);
  if (std::isfinite(predicted) && predicted > 0.0) return predicted;
  const double straight = ray_->rise / origin_slope_;
  if (leaves_bound() && std::isfinite(straight) && straight > 0.0) return straight;
  double distance = infinity;
  for (std::size_t k = 0; k < ray_->parameters.size(); ++k) {
    const double speed = std::abs(ray_->direction[k]);
    if (speed > 0.0) distance = std::min(distance, widths_[ray_->parameters[k]] / speed);
  }
  return target_ * distance;
}

void RaySearch::hold(double distance) {
  for (std::size_t k = 0; k < ray_->parameters.size(); ++k) {
    const std::size_t j = ray_->parameters[k];
    const double value = origin_.x[j] + distance * ray_->direction[k];
    problem_.start[j] = std::clamp(value, problem_.lower[j], problem_.upper[j]);
  }
}

const MinimizeSummary& RaySearch::fit_from(const std::vector<double>& x, double distance) {
  problem_.start = x;
  hold(distance);
  const MinimizeSummary& summary = uninterrupted(minimizer_.minimize(problem_));
  ++result_.n_fits;
  result_.n_gradients += summary.n_gradients;
  result_.fit_status = summary.status;
  return summary;
}

/// Fits from neighbours and from the starts of the ray; the lowest minimum counts.
const MinimizeSummary& RaySearch::fit(double distance) {
  const MinimizeSummary& near = fit_from_neighbours(distance);
  if (ray_->starts.empty()) return near;
  lowest_ = near;
  for (const std::vector<double>& start : ray_->starts) {
    const MinimizeSummary& other = fit_from(start, distance);
    if (!is_minimum(other.status)) continue;
    if (!is_minimum(lowest_.status) || other.value < lowest_.value) lowest_ = other;
  }
  result_.fit_status = lowest_.status;
  return lowest_;
}

/// Fits from where the parabola through the origin, with the predicted slope, and the last fit is;
/// if that fails, from the last fit itself and from the origin.
const MinimizeSummary& RaySearch::fit_from_neighbours(double distance) {
  std::vector<double> start = origin_.x;
  const double last = last_distance_;
  const double bend = last > 0.0 ? (distance / last) * (distance / last) : 0.0;
  for (std::size_t j = 0; j < start.size(); ++j) {
    const double curved = last_x_[j] - origin_.x[j] - slope_[j] * last;
    const double predicted = start[j] + slope_[j] * distance + bend * curved;
    start[j] = std::isfinite(predicted) ? predicted : last_x_[j];
  }
  const MinimizeSummary& first = fit_from(start, distance);
  if (is_minimum(first.status)) return first;
  const MinimizeSummary& near = fit_from(last_x_, distance);
  const bool is_over = is_minimum(near.status) || near.status == MinimizeStatus::infeasible_start;
  return is_over ? near : fit_from(origin_.x, distance);
}

double RaySearch::along_ray(const std::vector<double>& gradient) const {
  double slope = 0.0;
  for (std::size_t k = 0; k < ray_->parameters.size(); ++k) {
    slope += gradient[ray_->parameters[k]] * ray_->direction[k];
  }
  return slope;
}

/// Slope of s between a new point and the nearest one that was visited: where a yield is held at
/// zero, the gradient along the ray lacks the force that holds it.
double RaySearch::chord_slope(const Point& point) const {
  Point nearest;
  for (const Point& other : visited_) {
    const double distance = std::abs(other.distance - point.distance);
    if (distance < std::abs(nearest.distance - point.distance)) nearest = other;
  }
  return (point.s - nearest.s) / (point.distance - nearest.distance);
}

RaySearch::Outcome RaySearch::evaluate(double distance, Point& point) {
  const MinimizeSummary& summary = fit(distance);
  point = {distance, infinity, 0.0, true};
  if (summary.status == MinimizeStatus::infeasible_start) return Outcome::ok;
  if (!is_minimum(summary.status)) return Outcome::failed;
  result_.rise = 2.0 * (summary.value - origin_value_);
  if (result_.rise < -options_.new_minimum) {
    find_lower_minimum(summary);
    return Outcome::lower;
  }
  point.s = std::sqrt(std::max(result_.rise, 0.0));
  if (summary.status == MinimizeStatus::converged_at_zero_yield) {
    point.is_exact = false;
    point.slope = chord_slope(point);
  } else if (point.s > 0.0) {
    point.slope = along_ray(summary.gradient) / point.s;
  }
  const auto after = std::find_if(visited_.begin(), visited_.end(),
                                  [&](const Point& other) { return other.distance > distance; });
  visited_.insert(after, point);
  last_x_ = summary.x;
  last_distance_ = distance;
  return Outcome::ok;
}

/// Lets go of the held parameters where the value is below the origin's.
void RaySearch::find_lower_minimum(const MinimizeSummary& constrained) {
  result_.x = constrained.x;
  const double value = constrained.value;
  problem_.start = constrained.x;
  problem_.fixed = fixed_;
  const MinimizeSummary& free = uninterrupted(minimizer_.minimize(problem_));
  if (is_minimum(free.status) && free.value <= value) {
    result_.x = free.x;
    result_.rise = 2.0 * (free.value - origin_value_);
  }
  finish(CrossingStatus::new_minimum, std::numeric_limits<double>::quiet_NaN());
}

void RaySearch::finish(CrossingStatus status, double distance) {
  result_.status = status;
  result_.distance = distance;
}

/// Takes a point into account; true if the search is over.
bool RaySearch::note(const Point& point) {
  const double miss = std::abs(point.s - target_);
  const double tolerance = point.is_exact ? options_.tolerance : small_miss;
  const double step = (target_ - point.s) / point.slope;
  const bool is_near = std::abs(step) <= longest_step * point.distance;
  if (miss <= tolerance * target_ && point.slope > 0.0 && is_near) {
    const double root = point.distance + step;
    const double most = has_above_ ? above_.distance : limit_;
    finish(CrossingStatus::found, std::clamp(root, below_.distance, most));
    return true;
  }
  gained_ = miss <= 0.5 * miss_;
  miss_ = miss;
  if (point.s < target_) {
    below_ = point;
    if (point.distance >= limit_) {
      finish(CrossingStatus::at_bound, limit_);
      return true;
    }
    if (!has_above_ && point.distance > far_away * first_) {
      finish(CrossingStatus::unlimited, infinity);
      return true;
    }
  } else {
    above_ = point;
    has_above_ = true;
  }
  if (!has_above_ ||
      above_.distance - below_.distance > jump_width * std::max(above_.distance, first_)) {
    return false;
  }
  const bool is_jump = above_.s - below_.s > no_jump * target_;
  result_.rise = below_.s * below_.s;
  finish(is_jump ? CrossingStatus::at_edge : CrossingStatus::found, below_.distance);
  return true;
}

double RaySearch::next_distance(const Point& last) const {
  const bool has_slope = std::isfinite(last.s) && last.slope > 0.0;
  const double newton = has_slope ? last.distance - (last.s - target_) / last.slope : infinity;
  if (!has_above_) {
    return std::min({newton, largest_growth * below_.distance, limit_});
  }
  const bool inside = newton > below_.distance && newton < above_.distance;
  return gained_ && inside ? newton : 0.5 * (below_.distance + above_.distance);
}

/// Fits where the profile may have fallen below the origin, or risen to the target, between points
/// that were visited. Returns a distance to search again from if it crosses the target before the
/// end that was found; or stops at a lower minimum.
std::optional<double> RaySearch::inspect() {
  const Crossing end = result_;
  for (int i = 0; i < max_inspections; ++i) {
    const std::optional<double> distance = suspect();
    if (!distance) break;
    Point point;
    const Outcome outcome = evaluate(*distance, point);
    if (outcome == Outcome::lower) return std::nullopt;
    if (outcome == Outcome::failed || !std::isfinite(point.s)) break;
    if (point.s <= target_) continue;
    below_ = Point{};
    for (const Point& other : visited_) {
      if (other.distance < *distance && other.s < target_) below_ = other;
    }
    above_ = point;
    has_above_ = true;
    return next_distance(point);
  }
  const int n_fits = result_.n_fits;
  const int n_gradients = result_.n_gradients;
  result_ = end;
  result_.n_fits = n_fits;
  result_.n_gradients = n_gradients;
  return std::nullopt;
}

/// Where, before the end of the ray, a cubic through two neighbouring points with their slopes
/// leaves the range from 0 to the target; for a parabola, and what is near to one, nowhere.
std::optional<double> RaySearch::suspect() const {
  Point a;
  double slope_a = origin_slope_;
  for (const Point& b : visited_) {
    if (a.distance >= result_.distance) break;
    const double width = b.distance - a.distance;
    const double rise = b.rise() - a.rise();
    const double c1 = slope_a * width;
    const double c2 = 3.0 * rise - 2.0 * c1 - b.rise_slope() * width;
    const double c3 = rise - c1 - c2;
    const double q = -c2 - std::copysign(std::sqrt(c2 * c2 - 3.0 * c1 * c3), c2);
    for (const double part : {q / (3.0 * c3), c1 / q}) {
      if (!(part > shortest_part && part < 1.0 - shortest_part)) continue;
      const double height = a.rise() + part * (c1 + part * (c2 + part * c3));
      const double distance = a.distance + part * width;
      const double most = ray_->rise * (1.0 + shortest_part);
      if (distance < result_.distance && (height < 0.0 || height > most)) return distance;
    }
    a = b;
    slope_a = b.rise_slope();
  }
  return std::nullopt;
}

}  // namespace nablafit::detail
