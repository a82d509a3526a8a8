/// \file
/// Projected Newton method on a box; see minimize.hpp for the method and its outcomes.
///
/// The solver orchestrates: the iterate knows where it is, the active set and the curvature there
/// (newton_iterate.hpp); steps and the line search lead on (newton_step.hpp); outside the domain,
/// on kinks and at saddle points they get help (newton_special_points.hpp).
#ifndef NABLAFIT_SRC_MINIMIZE_NEWTON_SOLVER_HPP
#define NABLAFIT_SRC_MINIMIZE_NEWTON_SOLVER_HPP

#include <optional>
#include <vector>

#include "minimize/newton_iterate.hpp"
#include "minimize/newton_step.hpp"

namespace nablafit::detail {

/// Scratch memory for minimising Objectives of one structure repeatedly.
class NewtonSolver {
 public:
  /// Keeps a reference to the structure.
  explicit NewtonSolver(const ArrowStructure& structure);

  /// Throws Interrupted, after writing the point where it was, if a PollScope stops it.
  void run(Objective& objective, const BoxProblem& problem, const MinimizeOptions& options,
           MinimizeSummary& summary);

  /// Whether the last run gave up at a border, see BoxProblem::stop_at_border.
  bool stopped_at_border() const noexcept { return stopped_at_border_; }
  /// Whether the last run came to points with negative yields.
  bool met_negative_yield() const noexcept { return here_.objective.met_negative_yield; }

 private:
  std::optional<MinimizeStatus> iterate();
  std::optional<MinimizeStatus> move();
  std::optional<MinimizeStatus> judge_stationary_point();
  MinimizeStatus judge_failed_search() const;
  MinimizeStatus settle_stall();
  bool hold_next_to_bounds();
  MinimizeStatus converged_status() const;
  bool refine();
  bool is_leaving(double previous_edm);
  bool bar_bounds();
  /// Fills all of the summary but `message`, which is left empty. Where errors are wanted very
  /// precisely, or might be made of rounding, takes further steps first.
  void report(MinimizeStatus status, MinimizeSummary& summary);

  Iterate here_;
  NewtonStep step_;
  LineSearch line_search_;
  std::vector<double> refinement_;  ///< a step with old factors
  int n_iterations_ = 0;
  int n_far_steps_ = 0;  ///< one after the other, with parameters far from the start
  int n_crawls_ = 0;     ///< steps, one after the other, that gained next to nothing
  bool stopped_at_border_ = false;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_MINIMIZE_NEWTON_SOLVER_HPP
