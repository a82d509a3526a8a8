#include "zero_yields.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "likelihood_objective.hpp"
#include "nablafit/batch.hpp"

namespace nablafit::detail {
namespace {

constexpr double first_events = 1.0;
constexpr double last_events = 1e-10;
constexpr double reduction = 0.1;
/// Estimated distance to the minimum, per event, that ends the fits before the last.
constexpr double rough_edm = 1e-2;
/// Slopes of the deviance in units of a yield above which a yield is held at zero: without events
/// the slope of a bin alone is one.
constexpr double smallest_slope = 1e-3;

/// Points drawn from the ranges of the parameters, to see in which bins anything is expected.
constexpr std::size_t n_draws = 8;

/// Bins without events that are not without any sample too, where events would leave no likelihood.
std::vector<std::size_t> empty_bins(const Likelihood& likelihood,
                                    const std::vector<double>& start) {
  const Data& data = likelihood.data();
  std::vector<double> points = draw_starts(likelihood.model(), data, n_draws, 0);
  points.insert(points.end(), start.begin(), start.end());
  std::vector<double> yields(data.counts.size());
  std::vector<char> has_yield(data.counts.size(), 0);
  for (std::size_t i = 0; i <= n_draws; ++i) {
    likelihood.model().expected(points.data() + i * start.size(), yields.data());
    for (std::size_t b = 0; b < yields.size(); ++b) {
      if (yields[b] != 0.0) has_yield[b] = 1;
    }
  }
  std::vector<std::size_t> bins;
  for (std::size_t b = 0; b < yields.size(); ++b) {
    if (data.counts[b] == 0.0 && has_yield[b] != 0) bins.push_back(b);
  }
  return bins;
}

/// The fits of one call, and what they cost together.
class Approach {
 public:
  Approach(NewtonSolver& solver, const Likelihood& likelihood, BoxProblem problem)
      : solver_(solver),
        likelihood_(likelihood),
        empty_(empty_bins(likelihood, problem.start)),
        problem_(std::move(problem)) {}

  /// Fits with this many events in the empty bins. False if there is no likelihood anywhere.
  bool step(double events, const MinimizeOptions& options) {
    Data data = likelihood_.data();
    for (const std::size_t bin : empty_) data.counts[bin] = events;
    LikelihoodObjective objective(Likelihood(likelihood_.model(), std::move(data)));
    solver_.run(objective, problem_, options, found_);
    iterations_ += found_.iterations;
    n_gradients_ += found_.n_gradients;
    n_hessians_ += found_.n_hessians;
    problem_.start = found_.x;
    return found_.status != MinimizeStatus::infeasible_start;
  }

  /// What the last fit found, as a point of the likelihood itself.
  MinimizeSummary result() {
    LikelihoodObjective objective(likelihood_);
    found_.value = objective.value_and_gradient(found_.x.data(), found_.gradient.data()).value;
    std::vector<double> yields(likelihood_.model().n_bins());
    likelihood_.model().expected(found_.x.data(), yields.data());
    for (const std::size_t bin : empty_) {
      if (last_events > smallest_slope * yields[bin]) found_.zero_yield_bins.push_back(bin);
    }
    if (is_minimum(found_.status) && !found_.zero_yield_bins.empty()) {
      found_.status = MinimizeStatus::converged_at_zero_yield;
    }
    return std::move(found_);
  }

  void add_costs(MinimizeSummary& summary) const {
    summary.iterations += iterations_;
    summary.n_gradients += n_gradients_;
    summary.n_hessians += n_hessians_;
  }

  bool is_needed() const noexcept { return !empty_.empty(); }

 private:
  NewtonSolver& solver_;
  const Likelihood& likelihood_;
  std::vector<std::size_t> empty_;
  BoxProblem problem_;
  MinimizeSummary found_;
  int iterations_ = 0;
  int n_gradients_ = 0;
  int n_hessians_ = 0;
};

}  // namespace

void approach_zero_yields(NewtonSolver& solver, const Likelihood& likelihood,
                          const BoxProblem& problem, const MinimizeOptions& options,
                          MinimizeSummary& summary) {
  Approach approach(solver, likelihood, problem);
  if (!approach.is_needed()) return;
  MinimizeOptions rough = options;
  rough.covariance = CovarianceKind::none;
  rough.diagnostics = false;
  bool goes_on = true;
  for (double events = first_events; goes_on && events > 2.0 * last_events; events *= reduction) {
    rough.edm_tolerance = std::max(options.edm_tolerance, rough_edm * events);
    goes_on = approach.step(events, rough);
  }
  if (goes_on && approach.step(last_events, options)) {
    MinimizeSummary found = approach.result();
    const bool is_better = found.value < summary.value || !is_minimum(summary.status);
    if (is_minimum(found.status) && is_better) {
      found.iterations = summary.iterations;
      found.n_gradients = summary.n_gradients;
      found.n_hessians = summary.n_hessians;
      summary = std::move(found);
    }
  }
  approach.add_costs(summary);
}

}  // namespace nablafit::detail
