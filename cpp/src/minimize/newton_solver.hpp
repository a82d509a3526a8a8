/// \file
/// Projected Newton method on a box; see minimize.hpp for the method and its outcomes.
#ifndef NABLAFIT_SRC_MINIMIZE_NEWTON_SOLVER_HPP
#define NABLAFIT_SRC_MINIMIZE_NEWTON_SOLVER_HPP

#include <cstddef>
#include <optional>
#include <vector>

#include "arrow/factorization.hpp"
#include "minimize/objective.hpp"
#include "nablafit/minimize.hpp"

namespace nablafit::detail {

/// Next to a kink, above (sign 1) or below (-1): near enough to be equal, far enough to choose the
/// branch of a formula.
double beside_kink(double position, double sign);

bool is_finite(const ArrowHessian& hessian);

/// Scratch memory for minimising Objectives of one structure repeatedly.
class NewtonSolver {
 public:
  /// Keeps a reference to the structure.
  explicit NewtonSolver(const ArrowStructure& structure);

  void run(Objective& objective, const BoxProblem& problem, const MinimizeOptions& options,
           MinimizeSummary& summary);

  /// Whether the last run gave up at a border, see BoxProblem::stop_at_border.
  bool stopped_at_border() const noexcept { return stopped_at_border_; }
  /// Whether the last run came to points with negative yields.
  bool met_negative_yield() const noexcept { return met_negative_yield_; }

 private:
  // newton_solver.cpp
  void begin(Objective& objective, const BoxProblem& problem, const MinimizeOptions& options,
             MinimizeSummary& summary);
  std::optional<MinimizeStatus> iterate();
  std::optional<MinimizeStatus> judge_failed_search();
  bool is_leaving(double previous_edm);
  std::optional<MinimizeStatus> judge_stationary_point();
  Evaluation evaluate(const double* x, double* gradient);
  bool find_hessian(const double* x, ArrowHessian& hessian);
  void evaluate_hessian();
  bool has_converged() const;
  bool refine_with_old_factors();
  MinimizeStatus converged_status() const;
  bool is_degenerate(std::size_t parameter) const;
  void hold_degenerate_bounds();
  bool leave_saddle();
  bool search_saddle();
  bool bar_bounds();
  double value_noise() const;

  // newton_start.cpp
  bool make_feasible();
  bool follow_feasibility_gradient();
  bool approach_nominal();
  bool is_at_kink(const Kink& kink) const;
  void settle_kinks();
  bool find_side_slopes(double sign, std::vector<double>& gradient);
  void choose_kink_side(const Kink& kink, double slope_above, double slope_below);
  void stay_on_kink_side(const Kink& kink, double sign, double slope);
  void set_working_bounds();

  // newton_step.cpp
  bool is_binding(std::size_t parameter) const;
  bool is_released(std::size_t parameter) const;
  bool has_effect(std::size_t parameter) const;
  void find_free_parameters();
  void measure_gradient();
  void factorize(const char* free, const double* gradient, bool carefully);
  void choose_step();
  bool get_information();
  bool blend_information(const char* free);
  void newton_step(bool carefully);
  void confine_step();
  bool clamp_step();
  bool release_step();
  void walk_along_bounds();
  double find_model_slopes();
  bool move_to_bounds(double height);
  bool release_reluctant_bounds();
  bool descend();
  void gradient_step();
  bool search_line(double shortest);
  bool is_in_the_way(double fraction);
  void move_along(double fraction);
  double change_along_gradient() const;
  bool is_acceptable(const Evaluation& trial, double predicted) const;

  // newton_report.cpp
  void finish(MinimizeStatus status);
  void report_bounds();
  void report_covariance();
  void report_point();
  void report_errors();
  void free_idle_bounds();
  bool factorize_precisely();
  /// Whether errors are wanted to 1e-8, at the cost of a few more gradients.
  bool wants_invariance() const;
  bool is_doubtful() const;
  bool polish();
  void report_condition();
  void report_direction(const ArrowDirection& found);
  bool find_side_hessian(double sign, ArrowHessian& hessian);
  void average_kink_hessians();
  void mark_undetermined();
  void report_infeasibility();

  std::size_t n_parameters() const noexcept { return n_; }

  const ArrowStructure& structure_;
  Objective* objective_ = nullptr;
  std::size_t n_;
  ArrowFactorization factorization_;
  ArrowHessian hessian_, other_hessian_, information_;
  const BoxProblem* problem_ = nullptr;
  const MinimizeOptions* options_ = nullptr;
  MinimizeSummary* summary_ = nullptr;

  std::vector<double> x_, gradient_;
  double value_ = 0.0;
  std::vector<double> lower_, upper_;  ///< of the current iteration: cut at kinks
  std::vector<char> fixed_;
  std::vector<char> pinned_;      ///< held at a kink
  std::vector<char> barred_;      ///< held at a bound because the domain ends there
  std::vector<char> free_;        ///< neither fixed, binding, pinned nor without effect
  std::vector<char> model_free_;  ///< free in the quadratic model while it is confined
  std::vector<double> diagonal_;  ///< of the Hessian
  std::vector<double> step_, newton_, trial_, trial_gradient_, scratch_, clamped_;
  std::vector<double> saddle_direction_;
  std::vector<std::size_t> border_bins_;  ///< behind which barred parameters are held
  bool met_negative_yield_ = false;
  bool stopped_at_border_ = false;
  int n_border_cuts_ = 0;
  int n_far_steps_ = 0;
  int n_crawls_ = 0;
  double edm_ = 0.0;
  double projected_gradient_ = 0.0;
  double accepted_fraction_ = 0.0;  ///< of the last step
  double newton_edm_ = 0.0;         ///< before the information was used
  bool used_information_ = false;   ///< alone, in the last step
  bool has_information_ = false;    ///< information_ belongs to the current point
  bool has_factors_ = false;        ///< factorization_ is that of hessian_ for free_
  bool blended_ = false;            ///< hessian_ contains some of it
  bool has_hessian_ = false;        ///< hessian_ is no substitute
  bool confined_ = false;           ///< the last step was not a plain Newton step
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_MINIMIZE_NEWTON_SOLVER_HPP
