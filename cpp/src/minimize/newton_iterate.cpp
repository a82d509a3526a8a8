#include "minimize/newton_iterate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace nablafit::detail {
namespace {

/// Relative rounding error of a value.
constexpr double value_rounding = 1e-14;
/// Distances to a bound below this many widths are rounding.
constexpr double snap_widths = 1e-14;
constexpr int max_blends = 5;
/// Who asks for a distance as small as this wants errors that do not depend on start and units.
constexpr double invariant_tolerance = 1e-12;

bool is_finite(const ArrowHessian& hessian) {
  double sum = 0.0;
  for (const auto* part : {&hessian.dense, &hessian.coupling, &hessian.blocks}) {
    for (const double number : *part) sum += number * 0.0;
  }
  return sum == 0.0;
}

}  // namespace

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

Evaluation CountedObjective::evaluate(Point& point) {
  ++n_gradients;
  const Evaluation evaluation = function->value_and_gradient(point.x.data(), point.gradient.data());
  point.value = evaluation.value;
  met_negative_yield |= evaluation.status == EvaluationStatus::negative_yield;
  return evaluation;
}

bool CountedObjective::find_hessian(const Point& point, ArrowHessian& hessian) {
  ++n_hessians;
  return function->hessian(point.x.data(), hessian) && is_finite(hessian);
}

Curvature::Curvature(const ArrowStructure& structure, CountedObjective& objective,
                     const Point& point)
    : structure_(structure),
      objective_(objective),
      point_(point),
      diagonal_(structure.n_dense() + structure.n_local()),
      factors_(structure) {
  const std::size_t n_dense = structure_.n_dense();
  hessian_.dense.resize(n_dense * n_dense);
  hessian_.coupling.resize(structure_.n_local() * n_dense);
  hessian_.blocks.resize(structure_.n_blocks() == 0 ? 0 : structure_.block_entries.back());
}

void Curvature::note_change(State state) {
  state_ = state;
  factorized_.clear();
  arrow_diagonal(structure_, hessian_, diagonal_.data());
}

void Curvature::evaluate() {
  has_information_ = false;
  const bool found = objective_.find_hessian(point_, hessian_);
  if (!found) substitute();
  note_change(found ? State::exact : State::substitute);
}

void Curvature::substitute() {
  for (auto* part : {&hessian_.dense, &hessian_.coupling, &hessian_.blocks}) {
    std::fill(part->begin(), part->end(), 0.0);
  }
  const auto curvature = [&](std::size_t parameter) {
    const double width = (*widths_)[parameter];
    return std::max(1.0 / width, std::abs(point_.gradient[parameter])) / width;
  };
  for (std::size_t i = 0; i < structure_.n_dense(); ++i) {
    hessian_.dense[i * structure_.n_dense() + i] = curvature(structure_.dense_parameters[i]);
  }
  for (std::size_t b = 0; b < structure_.n_blocks(); ++b) {
    const std::size_t first = structure_.block_offsets[b];
    const std::size_t size = structure_.block_offsets[b + 1] - first;
    for (std::size_t i = 0; i < size; ++i) {
      hessian_.blocks[structure_.block_entries[b] + i * size + i] =
          curvature(structure_.local_parameters[first + i]);
    }
  }
}

void Curvature::replace(ArrowHessian hessian) {
  hessian_ = std::move(hessian);
  note_change(State::exact);
}

bool Curvature::find_information() {
  has_information_ =
      has_information_ ||
      (objective_.function->information(point_.x.data(), information_) && is_finite(information_));
  return has_information_;
}

bool Curvature::use_information() {
  if (!find_information()) return false;
  hessian_ = information_;
  state_ = State::blended;
  factorized_.clear();
  return true;
}

/// Replaces the Hessian by the mean of itself and the information, again and again until it is
/// positive definite.
bool Curvature::blend(const std::vector<char>& free) {
  if (!find_information()) return false;
  state_ = State::blended;
  for (int i = 1; i <= max_blends; ++i) {
    const double part = i < max_blends ? 0.5 : 1.0;
    combine(hessian_, information_, [part](double a, double b) { return a + part * (b - a); });
    if (factorize_exactly(free)) return true;
  }
  return false;
}

bool Curvature::factorize_exactly(const std::vector<char>& free, double pivot) {
  factorized_ = free;
  return factors_.factorize(hessian_, free.data(), pivot);
}

void Curvature::factorize(const std::vector<double>& gradient, const std::vector<char>& free) {
  if (factorize_exactly(free) || blend(free)) return;
  const StepScale scale{gradient.data(), widths_->data()};
  if (factors_.factorize_shifted(hessian_, free.data(), scale)) return;
  factors_.factorize_modified(hessian_, free.data(), scale);
}

void Curvature::factorize_carefully(const std::vector<double>& gradient,
                                    const std::vector<char>& free, double pivot) {
  if (factorize_exactly(free, pivot)) return;
  factors_.factorize_modified(hessian_, free.data(), {gradient.data(), widths_->data()});
}

bool Curvature::depends_on(std::size_t j) const {
  if (diagonal_[j] != 0.0) return true;
  const auto& dense = structure_.dense_parameters;
  const std::size_t n_dense = dense.size();
  const auto position = std::lower_bound(dense.begin(), dense.end(), j);
  const bool is_dense = position != dense.end() && *position == j;
  const auto column = static_cast<std::size_t>(position - dense.begin());
  if (is_dense) {
    for (std::size_t i = 0; i < n_dense; ++i) {
      if (hessian_.dense[i * n_dense + column] != 0.0) return true;
    }
  }
  for (std::size_t l = 0; l < structure_.n_local(); ++l) {
    const double* row = hessian_.coupling.data() + l * n_dense;
    if (is_dense && row[column] != 0.0) return true;
    if (structure_.local_parameters[l] != j) continue;
    if (std::any_of(row, row + n_dense, [](double element) { return element != 0.0; })) return true;
  }
  return false;
}

Iterate::Iterate(const ArrowStructure& structure)
    : point(structure.n_dense() + structure.n_local()),
      trial(n_parameters()),
      lower(n_parameters()),
      upper(n_parameters()),
      active(n_parameters()),
      curvature(structure, objective, point) {}

void Iterate::begin(Objective& function, const BoxProblem& new_problem,
                    const MinimizeOptions& new_options) {
  problem = &new_problem;
  options = &new_options;
  objective = CountedObjective{};
  objective.function = &function;
  curvature.begin(problem->widths);
  border_bins.clear();
  edm = projected_gradient = point.value = std::numeric_limits<double>::infinity();
  lower = problem->lower;
  upper = problem->upper;
  for (std::size_t j = 0; j < n_parameters(); ++j) {
    const bool is_point = lower[j] == upper[j];
    const bool is_fixed = problem->fixed[j] != 0 || is_point;
    active.set(j, is_fixed ? ParameterState::fixed : ParameterState::free);
    point.x[j] = is_fixed && !is_point ? problem->start[j]
                                       : std::clamp(problem->start[j], lower[j], upper[j]);
  }
}

void Iterate::move_trial(const std::vector<double>& step, double fraction) {
  for (std::size_t j = 0; j < n_parameters(); ++j) {
    const double target = point.x[j] + fraction * step[j];
    const double margin = snap_widths * problem->widths[j];
    trial.x[j] = target;
    if (step[j] == 0.0) continue;
    if (target <= lower[j] + margin) trial.x[j] = lower[j];
    if (target >= upper[j] - margin) trial.x[j] = upper[j];
  }
}

void Iterate::find_free_parameters() {
  for (std::size_t j = 0; j < n_parameters(); ++j) {
    if (!active.is_free(j) && !active.is_releasable(j)) continue;
    const bool has_effect = point.gradient[j] != 0.0 || curvature.depends_on(j);
    active.set(j, is_binding(j) ? ParameterState::at_bound
                  : has_effect  ? ParameterState::free
                                : ParameterState::without_effect);
  }
}

double Iterate::measure(const std::vector<double>& gradient) const {
  const std::vector<double>& diagonal = curvature.diagonal();
  double largest = 0.0;
  for (std::size_t j = 0; j < n_parameters(); ++j) {
    if (!active.is_free(j)) continue;
    const double width = diagonal[j] > 0.0 ? 1.0 / std::sqrt(diagonal[j]) : problem->widths[j];
    largest = std::max(largest, std::abs(gradient[j]) * width);
  }
  return largest;
}

bool Iterate::wants_invariance() const {
  return options->covariance == CovarianceKind::full &&
         options->edm_tolerance <= invariant_tolerance;
}

double Iterate::noise() const { return value_rounding * (1.0 + std::abs(point.value)); }

}  // namespace nablafit::detail
