/// \file
/// One step of the projected Newton method: where to go, and how far.
#ifndef NABLAFIT_SRC_MINIMIZE_NEWTON_STEP_HPP
#define NABLAFIT_SRC_MINIMIZE_NEWTON_STEP_HPP

#include <cstddef>
#include <limits>
#include <vector>

#include "minimize/newton_iterate.hpp"

namespace nablafit::detail {

/// The step from the iterate. Its components are zero for parameters that are not free.
class NewtonStep {
 public:
  /// In the order in which they are tried.
  enum class Kind {
    newton,    ///< to the minimum of the quadratic model, which is inside the box
    confined,  ///< to the minimum of the model on the box
    bent,      ///< to the minimum of the model outside the box, projected on it
    gradient,  ///< steepest descent
  };

  explicit NewtonStep(Iterate& here);

  /// To the minimum of the quadratic model. Far from the minimum, or where Newton's steps hardly
  /// reduce the estimated distance, the information is the better guide than the Hessian: it is
  /// exact for yields that are linear in the parameters, however far. Sets edm and projected
  /// gradient of the iterate.
  void choose();
  /// The same from the Hessian as it is, for a verdict.
  void choose_carefully();
  /// Minimises the quadratic model on the box: holds what hits a bound there, lets go of what
  /// should not be held, and solves again for the rest.
  void confine();
  /// Takes back that the step was confined.
  void bend();
  /// In units of the widths, at most one width long.
  void follow_gradient();
  /// At the start of a run: forgets the steps of the one before.
  void forget();

  Kind kind() const noexcept { return kind_; }
  const std::vector<double>& step() const noexcept { return step_; }

 private:
  void solve();
  bool is_held(std::size_t j) const { return here_.active.is_free(j) && model_free_[j] == 0; }
  double room(std::size_t j, bool to_lower) const {
    return (to_lower ? here_.lower[j] : here_.upper[j]) - here_.point.x[j];
  }
  bool clamp();
  bool release();
  void solve_rest();
  void walk_along_bounds();
  double find_model_slopes(const std::vector<double>& step);
  bool move_to_bounds(double height);

  Iterate& here_;
  Kind kind_ = Kind::newton;
  std::vector<double> step_;
  std::vector<double> unconfined_;  ///< the step before it was confined
  std::vector<char> model_free_;    ///< free parameters that the confined model does not hold
  std::vector<double> held_;        ///< the step of those that it holds; 0 of others
  std::vector<double> slopes_;      ///< of the model, after a step
  std::vector<double> move_;        ///< from there to its minimum, with the opposite sign
  std::vector<double> before_move_;
  double last_edm_ = std::numeric_limits<double>::infinity();  ///< from the Hessian
  bool used_information_ = false;                              ///< alone, in the last step
};

/// Backtracks along steps. Remembers how often borders of the domain cut one.
class LineSearch {
 public:
  enum class Outcome { accepted, failed, stopped_at_border };

  explicit LineSearch(Iterate& here) : here_(here) {}

  /// At the start of a run.
  void forget() { n_border_cuts_ = 0; }
  /// Tries the step, then what replaces it if that fails.
  Outcome descend(NewtonStep& step);
  /// Of the step that was accepted last.
  double fraction() const noexcept { return fraction_; }

 private:
  Outcome search(const std::vector<double>& step, double shortest);
  bool is_acceptable(const Evaluation& trial, double predicted) const;
  double change_along(const std::vector<double>& gradient) const;

  Iterate& here_;
  int n_border_cuts_ = 0;
  double fraction_ = 0.0;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_MINIMIZE_NEWTON_STEP_HPP
