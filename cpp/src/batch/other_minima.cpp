#include "batch/other_minima.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "compile/compiled_model.hpp"
#include "util/finite.hpp"

namespace nablafit::detail {
namespace {

/// Starts of each kind from one minimum.
constexpr std::size_t most_of_a_kind = 2;

/// Displacements on the other side that are tried, in widths, or as much as on this side.
constexpr double distances[] = {1.0, 0.4, 0.2};
/// Displacement in widths below which both sides are others.
constexpr double central = 0.3;
/// Displacements on the same side that are tried, and from which on the inner one is: polynomials
/// end at one.
constexpr double inside = 0.5, outside = 1.2, mostly_outside = 0.85;
/// A parameter there is worth a fit if -log L rises by less than this times the displacement
/// squared (a constraint term alone makes a half), and not worth a closer look if it rises by more
/// than that.
constexpr double promising_rise = 0.2;
constexpr double hopeless_rise = 20.0;
/// The same for the second derivative of -log L, in units of that of a constraint term, on average
/// on the way. There is no second minimum where it is one or more all the way.
constexpr double promising_curvature = 1.0;
constexpr double hopeless_curvature = 2.0;
/// Where an even change by a width, times the residual that asks for it, is less than this in
/// -log L, the constraint term outweighs it: with an even change alone, two minima need a half.
constexpr double smallest_pull = 0.2;
/// The same for two minima on one side, of either sign: a polynomial bends both ways.
constexpr double smallest_pull_aside = 1.0;

/// Errors of -log L that a minimum beyond a floor, which is expected lower, may have in the
/// quadratic model, and at the start that this leads to.
constexpr double floor_error = 1e-3;
constexpr double floor_rise = 0.01;
/// Keeps a yield and that of its bin apart where nothing else varies in the bin.
constexpr double smallest_share = 1e-9;
/// Floors that are more widths of constraint terms away from the initial values do not matter.
constexpr double farthest_floor = 8.0;

/// Growth by a factor of e per width of constraint terms is steep, where it makes this many events.
constexpr double steep = 1.0;
constexpr double fewest_events = 1.0;
/// Displacements along steep directions, in widths.
constexpr double strides[] = {1.0, 2.0};
/// Such a start has so many more events of the sample, and -log L rises by less than that in all
/// and less than that per event.
constexpr double smallest_growth = 0.5;
constexpr double hopeless_growth = 30.0;
constexpr double rise_per_event = 0.3;
/// Cosine from which on two directions are one.
constexpr double same_direction = 0.9;

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t j = 0; j < a.size(); ++j) sum += a[j] * b[j];
  return sum;
}

}  // namespace

OtherMinima::OtherMinima(const Likelihood& likelihood, const FurtherStarts& elsewhere)
    : elsewhere_(elsewhere),
      objective_(likelihood),
      model_(likelihood.model().compiled()),
      factors_(objective_.structure()),
      rows_(model_),
      rows_there_(model_),
      widths_(likelihood.model().n_parameters(), 0.0),
      yields_(likelihood.model().n_bins()),
      gradient_(widths_.size()),
      step_(widths_.size()),
      column_(widths_.size()),
      bin_gradient_(widths_.size()),
      bin_step_(widths_.size()) {
  const ArrowStructure& structure = objective_.structure();
  hessian_.dense.resize(structure.n_dense() * structure.n_dense());
  hessian_.coupling.resize(structure.n_local() * structure.n_dense());
  hessian_.blocks.resize(structure.n_blocks() == 0 ? 0 : structure.block_entries.back());
  if (!elsewhere.look_around) return;
  const Model& model = likelihood.model();
  const std::vector<double> typical = typical_widths(model);
  // Gammas multiply: nothing grows by large factors along them.
  for (const std::size_t p : structure.dense_parameters) {
    const std::vector<std::size_t>& constrained = model.constrained_parameters();
    if (std::binary_search(constrained.begin(), constrained.end(), p)) widths_[p] = typical[p];
  }
  free_.assign(model.n_parameters(), 1);
  rows_.set(model.initial().data());
  for (std::size_t row = 0; row < model_.row_position.size(); ++row) {
    if (model_.row_position[row] == model_.n_rows) continue;
    if (model_.row_floor[row] > -HUGE_VAL && reaches_floor(row)) floored_rows_.push_back(row);
    if (set_growth(row)) steep_rows_.push_back(row);
  }
}

const std::vector<std::vector<double>>& OtherMinima::find(const MinimizeSummary& minimum,
                                                          const std::vector<double>& lower,
                                                          const std::vector<double>& upper,
                                                          const std::vector<char>& fixed) {
  starts_.clear();
  if (elsewhere_.sides.empty() && floored_rows_.empty() && steep_rows_.empty()) return starts_;
  minimum_ = &minimum;
  lower_ = &lower;
  upper_ = &upper;
  fixed_ = &fixed;
  free_.assign(fixed.size(), 0);
  for (std::size_t j = 0; j < fixed.size(); ++j) {
    const bool is_held = (minimum.x[j] <= lower[j] && minimum.gradient[j] > 0.0) ||
                         (minimum.x[j] >= upper[j] && minimum.gradient[j] < 0.0);
    free_[j] = fixed[j] == 0 && lower[j] < upper[j] && !is_held ? 1 : 0;
  }
  has_factors_ = is_quadratic_ = false;
  rows_.set(minimum.x.data());
  for (std::size_t b = 0; b < yields_.size(); ++b) {
    const double yield = rows_.scratch().lambda[b];
    const bool is_low = !model_.bin_floor.empty() && is_floored(yield, model_.bin_floor[b]);
    yields_[b] = is_low ? model_.bin_floor[b] : yield;
  }
  look_at_sides();
  look_beyond_floors();
  look_along_growth();
  return starts_;
}

void OtherMinima::keep_best() {
  const auto is_better = [](const Place& a, const Place& b) {
    return std::tie(a.rank, a.x) < std::tie(b.rank, b.x);
  };
  std::sort(places_.begin(), places_.end(), is_better);
  if (places_.size() > most_of_a_kind) places_.resize(most_of_a_kind);
  for (Place& place : places_) starts_.push_back(std::move(place.x));
  places_.clear();
}

/// False if there is no likelihood.
bool OtherMinima::evaluate() {
  const Evaluation there = objective_.value_and_gradient(place_.x.data(), gradient_.data());
  place_.rise = place_.rank = there.value - minimum_->value;
  return there.status == EvaluationStatus::ok;
}

bool OtherMinima::factorize() {
  if (has_factors_) return is_quadratic_;
  has_factors_ = true;
  const double* x = minimum_->x.data();
  objective_.value_and_gradient(x, gradient_.data());
  is_quadratic_ = objective_.hessian(x, hessian_) && factors_.factorize(hessian_, free_.data());
  return is_quadratic_;
}

void OtherMinima::look_at_sides() {
  for (const TwoSided& bent : elsewhere_.sides) {
    if ((*fixed_)[bent.parameter] == 0) look_aside(bent);
  }
  keep_best();
}

/// Along the parameter, the even part of its change, times the residual (n - yield) / yield, must
/// outweigh the constraint term for a second minimum.
double OtherMinima::pull_at(const TwoSided& bent) const {
  if (bent.even.empty()) return smallest_pull_aside;
  const std::vector<double>& counts = objective_.likelihood().data().counts;
  double pull = 0.0;
  for (std::size_t b = 0; b < yields_.size(); ++b) {
    const double scale = std::max(std::abs(yields_[b]), std::abs(bent.even[b]));
    if (bent.even[b] != 0.0) pull += (counts[b] - yields_[b]) * bent.even[b] / scale;
  }
  return pull;
}

void OtherMinima::look_aside(const TwoSided& bent) {
  const std::size_t p = bent.parameter;
  const double pull = pull_at(bent);
  const double away = (minimum_->x[p] - bent.center) / bent.width;
  const bool is_other = !(pull < smallest_pull);
  const bool is_same = std::abs(pull) >= smallest_pull_aside && std::abs(away) >= central;
  if (!is_other && !is_same) return;
  if (factorize() && free_[p] != 0) {
    std::fill(column_.begin(), column_.end(), 0.0);
    column_[p] = 1.0;
    factors_.solve(column_.data(), column_.data());
  }
  if (is_other) look_across(bent, away);
  if (!is_same) return;
  const double reach = std::abs(away) > mostly_outside ? inside : outside;
  const double move = std::min(std::abs(reach - std::abs(away)), 1.0);
  look_at(bent, bent.center + std::copysign(reach, away) * bent.width,
          promising_rise * move * move);
}

void OtherMinima::look_across(const TwoSided& bent, double away) {
  double previous = 0.0;
  for (const double least : distances) {
    const double reach = std::max(std::abs(away), least);
    if (reach == previous) break;
    previous = reach;
    const double shift = std::copysign(reach, away) * bent.width;
    const double promising = promising_rise * std::min(reach * reach, 1.0);
    look_at(bent, bent.center - shift, promising);
    if (std::abs(away) < central) look_at(bent, bent.center + shift, promising);
  }
}

/// The parameter at the target, the others where the quadratic model at the minimum has them.
void OtherMinima::look_at(const TwoSided& bent, double target, double promising) {
  const std::size_t p = bent.parameter;
  std::vector<double>& x = place_.x;
  x = minimum_->x;
  x[p] = std::clamp(target, (*lower_)[p], (*upper_)[p]);
  if (x[p] == minimum_->x[p]) return;
  if (!evaluate() || place_.rise > hopeless_rise) return;
  const Place unrelaxed = place_;
  double curvature = mean_curvature(bent, gradient_[p]);
  if (is_quadratic_) {
    if (!relax(bent)) return;
    if (evaluate() && !(unrelaxed.rise < place_.rise)) {
      curvature = mean_curvature(bent, gradient_[p]);
    } else {
      place_ = unrelaxed;
    }
  }
  if (place_.rise < promising && curvature < promising_curvature) places_.push_back(place_);
}

/// Of -log L along the parameter, between the minimum and the place, in units of a constraint term.
double OtherMinima::mean_curvature(const TwoSided& bent, double slope) const {
  const std::size_t p = bent.parameter;
  return slope * bent.width * bent.width / (place_.x[p] - minimum_->x[p]);
}

/// A Newton step of all but the parameter, with the Hessian at the minimum. False, without a step,
/// if -log L then bends too much on the way for another minimum.
bool OtherMinima::relax(const TwoSided& bent) {
  const std::size_t p = bent.parameter;
  factors_.solve(gradient_.data(), step_.data());
  const double slope = free_[p] != 0 ? step_[p] / column_[p] : gradient_[p];
  if (!(mean_curvature(bent, slope) < hopeless_curvature)) return false;
  const double part = free_[p] != 0 ? slope : 0.0;
  for (std::size_t j = 0; j < step_.size(); ++j) {
    if (free_[j] == 0 || j == p) continue;
    const double target = place_.x[j] - (step_[j] - part * column_[j]);
    place_.x[j] = std::clamp(target, (*lower_)[j], (*upper_)[j]);
  }
  return true;
}

void OtherMinima::look_beyond_floors() {
  const std::vector<double>& counts = objective_.likelihood().data().counts;
  for (const std::size_t row : floored_rows_) {
    const auto bin = static_cast<std::size_t>(model_.row_bin[row]);
    if (counts[bin] > yields_[bin] && rows_.scratch().row_factor[row] > 0.0) look_beyond_floor(row);
  }
  keep_best();
}

/// Whether constraint terms leave the row anywhere near its floor, from the point of the rows.
bool OtherMinima::reaches_floor(std::size_t row) {
  const double above =
      (rows_.scratch().row_yield[row] - model_.row_floor[row]) * rows_.scratch().row_factor[row];
  const double width = std::sqrt(set_gradient(row, RowBranch::above_floor));
  return width > 0.0 && above < farthest_floor * width;
}

void OtherMinima::append(std::size_t row, RowBranch branch) {
  sparse_.offsets.clear();
  sparse_.parameters.clear();
  sparse_.derivatives.clear();
  rows_.append(row, sparse_, branch);
}

double OtherMinima::set_gradient(std::size_t row, RowBranch branch) {
  std::fill(column_.begin(), column_.end(), 0.0);
  append(row, branch);
  double square = 0.0;
  for (std::size_t k = 0; k < sparse_.parameters.size(); ++k) {
    const auto p = static_cast<std::size_t>(sparse_.parameters[k]);
    if (free_[p] == 0) continue;
    column_[p] = sparse_.derivatives[k];
    const double change = column_[p] * widths_[p];
    square += change * change;
  }
  return square;
}

/// With u the yield above the floor and a its gradient, l the gradient of the bin's yield,
/// r = n / yield - 1, k = n / yield^2, and e and f the changes of u and of the bin's yield as this
/// side has it: beyond the floor there are s = u + e more events from below, less from above (the
/// sign c), and the quadratic model of -log L is
///
///     (e f) M^-1 (e f)^T / 2 - c r s + k s^2 / 2 + c k f s,   M = (a l)^T H^-1 (a l).
void OtherMinima::look_beyond_floor(std::size_t row) {
  const auto bin = static_cast<std::size_t>(model_.row_bin[row]);
  const double count = objective_.likelihood().data().counts[bin];
  const double residual = count / yields_[bin] - 1.0;
  const double bend = count / (yields_[bin] * yields_[bin]);
  const double above =
      (rows_.scratch().row_yield[row] - model_.row_floor[row]) * rows_.scratch().row_factor[row];
  const double side = above < 0.0 ? 1.0 : -1.0;
  // What the constraint terms alone allow, were the bin's other samples to help as much.
  const double most = set_gradient(row, RowBranch::above_floor);
  if (!(std::abs(above) < 2.0 * residual * most) || !factorize()) return;
  set_bin_gradient(bin);
  factors_.solve(column_.data(), step_.data());
  factors_.solve(bin_gradient_.data(), bin_step_.data());
  const double m11 = dot(column_, step_) * (1.0 + smallest_share);
  const double m12 = dot(column_, bin_step_);
  const double m22 = dot(bin_gradient_, bin_step_) * (1.0 + smallest_share) + smallest_share / bend;
  const double volume = m11 * m22 - m12 * m12;
  if (!(volume > 0.0)) return;
  const double p11 = m22 / volume, p12 = -m12 / volume, p22 = m11 / volume;
  const double a11 = p11 + bend, a12 = p12 + side * bend;
  const double determinant = a11 * p22 - a12 * a12;
  if (!(determinant > 0.0)) return;
  const double right1 = side * residual - bend * above, right2 = -side * bend * above;
  const double e = (right1 * p22 - right2 * a12) / determinant;
  const double f = (right2 * a11 - right1 * a12) / determinant;
  const double there = above + e;
  if (!(side * there > 0.0)) return;
  const double expected = 0.5 * (p11 * e * e + 2.0 * p12 * e * f + p22 * f * f) -
                          side * residual * there + 0.5 * bend * there * there +
                          side * bend * f * there;
  if (!(expected < floor_error)) return;
  place_.x = minimum_->x;
  const double part = p11 * e + p12 * f, bin_part = p12 * e + p22 * f;
  for (std::size_t j = 0; j < step_.size(); ++j) {
    const double target = place_.x[j] + part * step_[j] + bin_part * bin_step_[j];
    if (free_[j] != 0) place_.x[j] = std::clamp(target, (*lower_)[j], (*upper_)[j]);
  }
  if (evaluate() && place_.rise < floor_rise) places_.push_back(place_);
}

/// Of the yield of a bin, as this side of all floors has it.
void OtherMinima::set_bin_gradient(std::size_t bin) {
  std::fill(bin_gradient_.begin(), bin_gradient_.end(), 0.0);
  for (std::size_t row = 0; row < model_.row_position.size(); ++row) {
    if (model_.row_position[row] == model_.n_rows) continue;
    if (static_cast<std::size_t>(model_.row_bin[row]) != bin) continue;
    append(row, RowBranch::yield);
    for (std::size_t k = 0; k < sparse_.parameters.size(); ++k) {
      const auto p = static_cast<std::size_t>(sparse_.parameters[k]);
      if (free_[p] != 0) bin_gradient_[p] += sparse_.derivatives[k];
    }
  }
}

void OtherMinima::look_along_growth() {
  growths_.clear();
  for (const std::size_t row : steep_rows_) {
    if (set_growth(row)) growths_.push_back(growth_);
  }
  const auto is_steeper = [](const Growth& a, const Growth& b) {
    return std::tie(b.steepness, a.row) < std::tie(a.steepness, b.row);
  };
  std::sort(growths_.begin(), growths_.end(), is_steeper);
  for (auto growth = growths_.begin(); growth != growths_.end(); ++growth) {
    const auto is_same = [&](const Growth& other) {
      return std::abs(dot(growth->direction, other.direction)) > same_direction;
    };
    if (std::none_of(growths_.begin(), growth, is_same)) follow(*growth);
  }
  keep_best();
}

/// True if the row grows steeply at the point of the rows.
bool OtherMinima::set_growth(std::size_t row) {
  const double yield = rows_.yield(row);
  if (!(yield > 0.0)) return false;
  growth_.row = row;
  growth_.steepness = std::sqrt(set_gradient(row, RowBranch::factors)) / yield;
  const bool is_steep = growth_.steepness > steep && std::isfinite(growth_.steepness);
  if (!is_steep || !(std::log(yield) + 2.0 * growth_.steepness > std::log(fewest_events))) {
    return false;
  }
  growth_.direction.resize(column_.size());
  for (std::size_t j = 0; j < column_.size(); ++j) {
    growth_.direction[j] = column_[j] * widths_[j] / (yield * growth_.steepness);
  }
  return true;
}

void OtherMinima::follow(const Growth& growth) {
  const double yield = rows_.yield(growth.row);
  Place best;
  best.rank = rise_per_event;
  place_.x = minimum_->x;
  for (const double stride : strides) {
    for (std::size_t j = 0; j < widths_.size(); ++j) {
      const double target = minimum_->x[j] + stride * growth.direction[j] * widths_[j];
      if (free_[j] != 0) place_.x[j] = std::clamp(target, (*lower_)[j], (*upper_)[j]);
    }
    rows_there_.set(place_.x.data());
    const double more = rows_there_.yield(growth.row) - yield;
    if (!(more > smallest_growth) || !evaluate() || place_.rise > hopeless_growth) continue;
    place_.rank = place_.rise / more;
    if (place_.rank < best.rank) best = place_;
  }
  if (!best.x.empty()) places_.push_back(std::move(best));
}

}  // namespace nablafit::detail
