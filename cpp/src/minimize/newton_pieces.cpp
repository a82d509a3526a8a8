#include "minimize/newton_pieces.hpp"

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace nablafit::detail {
namespace {

constexpr int max_rounds = 200;
constexpr std::size_t max_pieces = 12;
/// Part of the predicted decrease that makes a point the next centre.
constexpr double sufficient_part = 0.1;
/// A point this many predicted decreases higher is too far away to say anything about the centre.
constexpr double farthest_rise = 3.0;
constexpr double shortening = 0.3;
constexpr int max_shortenings = 8;
/// Where pieces that are needed were seen this far away, others are looked for in this part of it.
constexpr double closer = 0.1;
/// Weights of pieces that take no part, and relative noise of quadratic programs.
constexpr double smallest_weight = 1e-12;
constexpr double program_noise = 1e-12;
constexpr int max_exchanges = 100;

/// A point of a piece, and the piece as seen from the centre: offset + slope . d + d H d / 2.
struct Piece {
  std::vector<double> x, gradient;
  double value;
  double offset = 0.0;
  std::vector<double> slope;
  std::vector<double> solved;  ///< H^-1 slope
  double weight = 0.0;
  double distance = 0.0;  ///< of the point from the centre, in standard deviations
};

/// Weights w >= 0 of sum 1 that minimise w Q w / 2 - c w, by exchanging which of them are zero.
Eigen::VectorXd best_weights(const Eigen::MatrixXd& q, const Eigen::VectorXd& c) {
  const Eigen::Index n = c.size();
  const double scale = std::max(q.diagonal().maxCoeff(), 1e-300);
  Eigen::Index first = 0;
  (0.5 * q.diagonal() - c).minCoeff(&first);
  Eigen::VectorXd w = Eigen::VectorXd::Zero(n);
  w[first] = 1.0;
  std::vector<Eigen::Index> used{first};
  const auto at = [&used](Eigen::Index i) { return used[static_cast<std::size_t>(i)]; };
  for (int exchange = 0; exchange < max_exchanges; ++exchange) {
    const auto m = static_cast<Eigen::Index>(used.size());
    Eigen::MatrixXd system = Eigen::MatrixXd::Zero(m + 1, m + 1);
    Eigen::VectorXd right = Eigen::VectorXd::Zero(m + 1);
    for (Eigen::Index i = 0; i < m; ++i) {
      for (Eigen::Index j = 0; j < m; ++j) system(i, j) = q(at(i), at(j)) / scale;
      system(i, i) += program_noise;
      system(i, m) = system(m, i) = 1.0;
      right[i] = c[at(i)] / scale;
    }
    right[m] = 1.0;
    const Eigen::VectorXd solution = system.partialPivLu().solve(right);
    double fraction = 1.0;
    Eigen::Index leaving = -1;
    for (Eigen::Index i = 0; i < m; ++i) {
      if (solution[i] >= 0.0) continue;
      const double part = w[at(i)] / (w[at(i)] - solution[i]);
      if (part >= fraction) continue;
      fraction = part;
      leaving = i;
    }
    for (Eigen::Index i = 0; i < m; ++i) w[at(i)] += fraction * (solution[i] - w[at(i)]);
    if (leaving >= 0) {
      w[at(leaving)] = 0.0;
      used.erase(used.begin() + leaving);
      continue;
    }
    const Eigen::VectorXd slopes = q * w - c;
    const double level = slopes.dot(w);
    Eigen::Index entering = 0;
    const double lowest = slopes.minCoeff(&entering);
    const double noise = program_noise * (std::abs(level) + w.dot(q * w));
    if (lowest >= level - noise || w[entering] > 0.0) break;
    used.push_back(entering);
  }
  return w;
}

class Bundle {
 public:
  explicit Bundle(Iterate& here) : here_(here), step_(here.n_parameters()) {}

  bool descend() {
    note(here_.point);
    for (int round = 0; round < max_rounds; ++round) {
      if (needs_hessian_ && !set_curvature()) return false;
      if (!choose_step()) return false;
      if (has_converged()) return accept();
      if (is_new_ || hold_at_bounds()) continue;
      try_step();
    }
    return false;
  }

 private:
  void note(const Point& point) {
    if (pieces_.size() == max_pieces) {
      const auto weight = [](const Piece& a, const Piece& b) { return a.weight < b.weight; };
      pieces_.erase(std::min_element(pieces_.begin(), pieces_.end(), weight));
    }
    pieces_.push_back({point.x, point.gradient, point.value, 0.0, {}, {}, 1.0, 0.0});
    is_new_ = true;
  }

  bool set_curvature() {
    here_.curvature.evaluate();
    for (std::size_t j = 0; j < here_.n_parameters(); ++j) {
      if (here_.active.is(j, ParameterState::at_bound)) {
        here_.active.set(j, ParameterState::free);
      }
    }
    return factorize();
  }

  bool factorize() {
    here_.curvature.factorize(here_.point.gradient, here_.active.mask());
    needs_hessian_ = false;
    is_new_ = true;
    return true;
  }

  /// Sees all pieces from the centre.
  void expand() {
    const Curvature& curvature = here_.curvature;
    std::vector<double> away(here_.n_parameters()), bent(away.size());
    for (Piece& piece : pieces_) {
      for (std::size_t j = 0; j < away.size(); ++j) away[j] = piece.x[j] - here_.point.x[j];
      arrow_multiply(curvature.structure(), curvature.hessian(), away.data(), bent.data());
      piece.distance = std::sqrt(std::max(dot(away, bent), 0.0));
      const double offset = piece.value - dot(piece.gradient, away) + 0.5 * dot(away, bent);
      piece.offset = std::min(offset, here_.point.value) - here_.point.value;
      piece.slope = piece.gradient;
      for (std::size_t j = 0; j < away.size(); ++j) piece.slope[j] -= bent[j];
      piece.solved.resize(away.size());
      here_.curvature.solve(piece.slope, piece.solved);
    }
  }

  /// The step to the minimum of the largest piece, and what it promises.
  bool choose_step() {
    if (is_new_) expand();
    is_new_ = false;
    const auto n = static_cast<Eigen::Index>(pieces_.size());
    Eigen::MatrixXd q(n, n);
    Eigen::VectorXd c(n);
    for (Eigen::Index i = 0; i < n; ++i) {
      c[i] = pieces_[static_cast<std::size_t>(i)].offset;
      for (Eigen::Index j = 0; j < n; ++j) {
        q(i, j) = dot(pieces_[static_cast<std::size_t>(i)].slope,
                      pieces_[static_cast<std::size_t>(j)].solved);
      }
    }
    if (!q.allFinite() || !c.allFinite()) return false;
    const Eigen::VectorXd weights = best_weights(q, c);
    std::fill(step_.begin(), step_.end(), 0.0);
    for (Eigen::Index i = 0; i < n; ++i) {
      Piece& piece = pieces_[static_cast<std::size_t>(i)];
      piece.weight = weights[i];
      for (std::size_t j = 0; j < step_.size(); ++j) step_[j] -= weights[i] * piece.solved[j];
    }
    promised_ = 0.5 * weights.dot(q * weights) - weights.dot(c);
    return std::isfinite(promised_);
  }

  std::vector<double> combined_slopes() const {
    std::vector<double> sum(step_.size(), 0.0);
    for (const Piece& piece : pieces_) {
      for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += piece.weight * piece.slope[j];
    }
    return sum;
  }

  bool has_converged() {
    here_.edm = promised_;
    here_.projected_gradient = here_.measure(combined_slopes());
    const double limit = std::max(here_.options->edm_tolerance, here_.noise());
    return promised_ < limit && here_.projected_gradient < here_.options->gradient_tolerance &&
           !come_closer(std::sqrt(limit)) && !release_bounds();
  }

  /// Forgets pieces that were seen from too far away to know what they are here, where they take
  /// part. True if there are any.
  bool come_closer(double limit) {
    double farthest = 0.0;
    for (const Piece& piece : pieces_) {
      if (piece.weight > smallest_weight) farthest = std::max(farthest, piece.distance);
    }
    if (farthest <= limit) return false;
    longest_ = closer * farthest;
    const auto is_far = [&](const Piece& piece) { return piece.distance > longest_; };
    pieces_.erase(std::remove_if(pieces_.begin(), pieces_.end(), is_far), pieces_.end());
    is_new_ = true;
    return true;
  }

  /// Lets go of bounds that the combined slopes pull inwards.
  bool release_bounds() {
    const std::vector<double> slopes = combined_slopes();
    bool changed = false;
    for (std::size_t j = 0; j < slopes.size(); ++j) {
      if (!here_.active.is(j, ParameterState::at_bound)) continue;
      const bool at_lower = here_.point.x[j] <= here_.lower[j];
      if (at_lower ? slopes[j] >= 0.0 : slopes[j] <= 0.0) continue;
      here_.active.set(j, ParameterState::free);
      changed = true;
    }
    if (changed) factorize();
    return changed;
  }

  /// Holds what is on a bound and would leave it. True if there is anything new.
  bool hold_at_bounds() {
    bool changed = false;
    for (std::size_t j = 0; j < step_.size(); ++j) {
      const bool leaves = (here_.point.x[j] <= here_.lower[j] && step_[j] < 0.0) ||
                          (here_.point.x[j] >= here_.upper[j] && step_[j] > 0.0);
      if (!leaves || !here_.active.is_free(j)) continue;
      here_.active.set(j, ParameterState::at_bound);
      changed = true;
    }
    if (changed) factorize();
    return changed;
  }

  void try_step() {
    const double length = std::sqrt(std::max(quadratic_form(step_), 0.0));
    double fraction = length > longest_ ? longest_ / length : 1.0;
    for (std::size_t j = 0; j < step_.size(); ++j) {
      const double target = here_.point.x[j] + step_[j];
      const double end = std::clamp(target, here_.lower[j], here_.upper[j]);
      if (end != target) fraction = std::min(fraction, (end - here_.point.x[j]) / step_[j]);
    }
    for (int i = 0; i <= max_shortenings; ++i, fraction *= shortening) {
      here_.move_trial(step_, fraction);
      if (!is_ok(here_.evaluate_trial())) continue;
      const double rise = here_.trial.value - here_.point.value;
      if (rise > farthest_rise * promised_ && i < max_shortenings) continue;
      note(here_.trial);
      if (rise > -sufficient_part * fraction * promised_) return;
      here_.accept_trial();
      needs_hessian_ = true;
      longest_ /= closer;
      return;
    }
  }

  double quadratic_form(const std::vector<double>& step) const {
    std::vector<double> product(step.size());
    const Curvature& curvature = here_.curvature;
    arrow_multiply(curvature.structure(), curvature.hessian(), step.data(), product.data());
    return dot(step, product);
  }

  bool accept() {
    std::vector<double> slopes = combined_slopes();
    ArrowHessian sum;
    bool has_sum = false;
    const Point centre = here_.point;
    for (const Piece& piece : pieces_) {
      if (piece.weight < smallest_weight) continue;
      here_.trial.x = piece.x;
      here_.evaluate_trial();
      ArrowHessian hessian = here_.curvature.hessian();
      if (!here_.objective.find_hessian(here_.trial, hessian)) return false;
      if (!has_sum) {
        sum = hessian;
        combine(sum, hessian, [](double, double) { return 0.0; });
        has_sum = true;
      }
      combine(sum, hessian, [&](double a, double b) { return a + piece.weight * b; });
    }
    here_.point = centre;
    here_.point.gradient = std::move(slopes);
    if (has_sum) here_.curvature.replace(std::move(sum));
    return true;
  }

  Iterate& here_;
  std::vector<Piece> pieces_;
  std::vector<double> step_;
  double promised_ = 0.0;                                     ///< decrease of the largest piece
  double longest_ = std::numeric_limits<double>::infinity();  ///< step, in standard deviations
  bool needs_hessian_ = true;
  bool is_new_ = true;  ///< pieces or Hessian
};

}  // namespace

bool descend_between_pieces(Iterate& here) { return Bundle(here).descend(); }

}  // namespace nablafit::detail
