#include "minimize/zero_yields.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "evaluate/compiled_likelihood.hpp"
#include "minimize/likelihood_objective.hpp"
#include "nablafit/batch.hpp"

namespace nablafit::detail {
namespace {

constexpr double first_events = 1.0;
constexpr double last_events = 1e-10;
/// Events of the next fit: this part of those of the one before, or their power, if that is less.
constexpr double reduction = 0.2;
constexpr double power = 1.5;
/// Estimated distance to the minimum, per event, that ends the fits before the last.
constexpr double rough_edm = 0.1;
/// Iterations of one fit that is given up if it needs more.
constexpr int hurried_iterations = 50;
/// Slopes of the deviance in units of a yield above which a yield is held at zero: without events
/// the slope of a bin alone is one.
constexpr double smallest_slope = 1e-3;
/// Part of itself that a multiplier keeps at least in one step, and how far it may be from that of
/// the point, as a factor.
constexpr double kept_part = 0.1;
/// Part of the way to a yield of zero that a step may go, and the smallest of a step.
constexpr double boundary_part = 0.9;
constexpr double smallest_part = 0.1;
constexpr double largest_mismatch = 1e8;

/// Points drawn from the ranges of the parameters, to see in which bins anything is expected.
constexpr std::size_t n_draws = 8;
/// The same near the end of a fit, where they may be next to nothing; in widths.
constexpr double neighbour_distance = 1e-3;

double next_events(double events) {
  return std::max(last_events, std::min(reduction * events, std::pow(events, power)));
}

/// The point, and points a little away from it along single parameters.
void add_neighbours(const BoxProblem& problem, const std::vector<double>& x,
                    std::vector<double>& points) {
  points.insert(points.end(), x.begin(), x.end());
  for (std::size_t j = 0; j < x.size(); ++j) {
    if (problem.fixed[j] != 0) continue;
    for (const double sign : {-1.0, 1.0}) {
      const double target = x[j] + sign * neighbour_distance * problem.widths[j];
      points.insert(points.end(), x.begin(), x.end());
      *(points.end() - static_cast<std::ptrdiff_t>(x.size() - j)) =
          std::clamp(target, problem.lower[j], problem.upper[j]);
    }
  }
}

/// Bins without events where some are expected at one of the points. Elsewhere events would leave
/// no likelihood.
std::vector<std::size_t> empty_bins(const Likelihood& likelihood, const BoxProblem& problem,
                                    const std::vector<double>& end) {
  const Data& data = likelihood.data();
  std::vector<double> points = draw_points(likelihood, problem, n_draws);
  points.insert(points.end(), problem.start.begin(), problem.start.end());
  add_neighbours(problem, end, points);
  std::vector<double> yields(data.counts.size());
  std::vector<char> has_yield(data.counts.size(), 0);
  for (std::size_t i = 0; i < points.size(); i += end.size()) {
    likelihood.model().expected(points.data() + i, yields.data());
    for (std::size_t b = 0; b < yields.size(); ++b) {
      if (yields[b] > 0.0) has_yield[b] = 1;
    }
  }
  std::vector<std::size_t> bins;
  for (std::size_t b = 0; b < yields.size(); ++b) {
    if (data.counts[b] == 0.0 && has_yield[b] != 0) bins.push_back(b);
  }
  return bins;
}

/// The likelihood with events in the empty bins, for a primal-dual interior-point method (J.
/// Nocedal and S. Wright, Numerical Optimization, 2nd edition, section 19.3).
///
/// With a few events a yield y has a barrier, whose second derivative events / y^2 is right only as
/// long as y changes by less than itself. A multiplier z, the slope of the deviance that holds the
/// yield, changes little instead: events = z y at the minimum. Hence the Hessian is that of z y
/// events, with a z that follows the linearised condition from step to step.
class BarrierObjective final : public Objective {
 public:
  BarrierObjective(const Likelihood& likelihood, std::vector<std::size_t> empty)
      : empty_(std::move(empty)),
        data_(std::make_shared<CompiledLikelihood>(likelihood.compiled())),
        objective_(Likelihood(std::shared_ptr<const CompiledLikelihood>(data_))),
        all_yields_(data_->data.counts.size()),
        yields_(empty_.size()),
        multipliers_(empty_.size()) {
    data_->is_barrier.assign(all_yields_.size(), 0);
    for (const std::size_t bin : empty_) data_->is_barrier[bin] = 1;
  }

  /// Before a new start.
  void forget() { std::fill(yields_.begin(), yields_.end(), 0.0); }

  void set_events(double events) {
    events_ = events;
    for (const std::size_t bin : empty_) data_->data.counts[bin] = events;
  }

  const ArrowStructure& structure() const noexcept override { return objective_.structure(); }

  Evaluation value_and_gradient(const double* x, double* gradient) override {
    return objective_.value_and_gradient(x, gradient);
  }

  bool hessian(const double* x, ArrowHessian& hessian) override {
    follow(x);
    use_multipliers();
    const bool found = objective_.hessian(x, hessian);
    set_events(events_);
    return found;
  }

  void separate_curvatures(const double* x, double* curvatures) const override {
    objective_.separate_curvatures(x, curvatures);
  }

  /// Yields are nearly linear over a step: where they come close to zero.
  double part_inside(const double* x) override {
    data_->model.expected(x, all_yields_.data());
    double part = 1.0;
    for (std::size_t i = 0; i < empty_.size(); ++i) {
      const double yield = all_yields_[empty_[i]];
      if (!(yield > 0.0) && yields_[i] > 0.0) {
        part = std::min(part, yields_[i] / (yields_[i] - yield));
      }
    }
    return part < 1.0 ? std::max(boundary_part * part, smallest_part) : 0.5;
  }

  void note_step(double fraction) override { step_ = std::min(step_ + fraction, 1.0); }

  bool information(const double* x, ArrowHessian& information) override {
    use_multipliers();
    const bool found = objective_.information(x, information);
    set_events(events_);
    return found;
  }

 private:
  void use_multipliers() {
    for (std::size_t i = 0; i < empty_.size(); ++i) {
      data_->data.counts[empty_[i]] = multipliers_[i] * yields_[i];
    }
  }

  /// Brings yields and multipliers to the point `x`.
  void follow(const double* x) {
    data_->model.expected(x, all_yields_.data());
    for (std::size_t i = 0; i < empty_.size(); ++i) {
      const double yield = all_yields_[empty_[i]];
      const double own = events_ / yield;
      double& z = multipliers_[i];
      if (yields_[i] > 0.0) {
        const double own_before = events_ / yields_[i];
        const double change = step_ * (own_before - z) - z * (yield / yields_[i] - 1.0);
        z = std::max(z + change, kept_part * z);
        z = std::clamp(z, own / largest_mismatch, own * largest_mismatch);
      } else {
        z = own;
      }
      yields_[i] = yield;
    }
    step_ = 0.0;
  }

  std::vector<std::size_t> empty_;
  std::shared_ptr<CompiledLikelihood> data_;
  LikelihoodObjective objective_;
  double events_ = 0.0;
  double step_ = 0.0;  ///< part of a Newton step since the last Hessian
  std::vector<double> all_yields_;
  std::vector<double> yields_;       ///< of the empty bins at the last Hessian; 0 before
  std::vector<double> multipliers_;  ///< there
};

/// What several fits cost together.
class Costs {
 public:
  explicit Costs(const MinimizeSummary& first) { add(first); }

  void add(const MinimizeSummary& fit) {
    iterations_ += fit.iterations;
    n_gradients_ += fit.n_gradients;
    n_hessians_ += fit.n_hessians;
  }

  void write(MinimizeSummary& summary) const {
    summary.iterations = iterations_;
    summary.n_gradients = n_gradients_;
    summary.n_hessians = n_hessians_;
  }

 private:
  int iterations_ = 0;
  int n_gradients_ = 0;
  int n_hessians_ = 0;
};

/// Fits with ever fewer events in the empty bins.
class Approach {
 public:
  Approach(NewtonSolver& solver, const Likelihood& likelihood,
           const std::vector<std::size_t>& empty, Costs& costs)
      : solver_(solver),
        likelihood_(likelihood),
        empty_(empty),
        objective_(likelihood, empty),
        costs_(costs) {}

  /// The minimum; or a status that says that there is none from this start. Unless `patient`, gives
  /// up where the first fit fails: the start may be too close to the border of a bin with events.
  MinimizeSummary minimum(const BoxProblem& problem, const MinimizeOptions& options, bool patient) {
    problem_ = problem;
    MinimizeOptions rough = options;
    if (!patient) rough.max_iterations = std::min(options.max_iterations, hurried_iterations);
    rough.covariance = CovarianceKind::none;
    rough.diagnostics = false;
    objective_.forget();
    double events = first_events;
    while (events > last_events) {
      rough.edm_tolerance = std::max(options.edm_tolerance, rough_edm * events);
      rough.gradient_tolerance =
          std::max(options.gradient_tolerance, std::sqrt(2.0 * rough.edm_tolerance));
      if (!step(events, rough)) return std::move(found_);
      if (!patient && events == first_events && !has_center()) return std::move(found_);
      events = next_events(events);
    }
    return step(last_events, options) ? result() : std::move(found_);
  }

 private:
  /// Fits with this many events in the empty bins. False if there is no likelihood anywhere.
  bool step(double events, const MinimizeOptions& options) {
    objective_.set_events(events);
    solver_.run(objective_, problem_, options, found_);
    costs_.add(found_);
    problem_.start = found_.x;
    return found_.status != MinimizeStatus::infeasible_start;
  }

  bool has_center() const {
    return is_minimum(found_.status) || found_.status == MinimizeStatus::saddle_point;
  }

  /// What the last fit found, as a point of the likelihood itself.
  MinimizeSummary result() {
    LikelihoodObjective objective(likelihood_);
    found_.value = objective.value_and_gradient(found_.x.data(), found_.gradient.data()).value;
    std::vector<double> yields(likelihood_.model().n_bins());
    likelihood_.model().expected(found_.x.data(), yields.data());
    std::vector<std::size_t>& bins = found_.zero_yield_bins;
    for (const std::size_t bin : empty_) {
      if (last_events > smallest_slope * yields[bin]) bins.push_back(bin);
    }
    std::sort(bins.begin(), bins.end());
    if (!bins.empty()) forget_weak_directions();
    if (is_minimum(found_.status) && !found_.zero_yield_bins.empty()) {
      found_.status = MinimizeStatus::converged_at_zero_yield;
    }
    return std::move(found_);
  }

  /// Next to the curvature of the border all others are weak; what is flat stays.
  void forget_weak_directions() {
    std::vector<WeakDirection>& weak = found_.weak_directions;
    weak.erase(std::remove_if(weak.begin(), weak.end(),
                              [](const WeakDirection& found) { return found.curvature != 0.0; }),
               weak.end());
  }

  NewtonSolver& solver_;
  const Likelihood& likelihood_;
  const std::vector<std::size_t>& empty_;
  BarrierObjective objective_;
  Costs& costs_;
  BoxProblem problem_;
  MinimizeSummary found_;
};

/// The nominal point, where it may be moved to.
std::vector<double> nominal_point(const BoxProblem& problem) {
  std::vector<double> x = problem.start;
  for (std::size_t j = 0; j < x.size(); ++j) {
    if (problem.fixed[j] != 0) continue;
    x[j] = std::clamp(problem.nominal[j], problem.lower[j], problem.upper[j]);
  }
  return x;
}

}  // namespace

std::vector<double> draw_points(const Likelihood& likelihood, const BoxProblem& problem,
                                std::size_t n) {
  std::vector<double> points = draw_starts(likelihood.model(), likelihood.data(), n, 0);
  const std::size_t n_parameters = problem.start.size();
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::size_t j = i % n_parameters;
    points[i] = problem.fixed[j] != 0 ? problem.start[j]
                                      : std::clamp(points[i], problem.lower[j], problem.upper[j]);
  }
  return points;
}

void approach_zero_yields(NewtonSolver& solver, LikelihoodObjective& objective,
                          const BoxProblem& problem, const MinimizeOptions& options,
                          MinimizeSummary& summary) {
  const bool stopped = solver.stopped_at_border();
  Costs costs(summary);
  BoxProblem again = problem;
  MinimizeSummary found;
  const std::vector<std::size_t> empty = empty_bins(objective.likelihood(), problem, summary.x);
  if (!empty.empty()) {
    Approach approach(solver, objective.likelihood(), empty, costs);
    const std::vector<std::vector<double>> starts{problem.start, nominal_point(problem), summary.x};
    for (const bool patient : {false, true}) {
      for (const std::vector<double>& start : starts) {
        again.start = start;
        found = approach.minimum(again, options, patient);
        if (is_minimum(found.status)) break;
      }
      if (is_minimum(found.status)) break;
    }
  }
  const bool is_inside = is_minimum(found.status) && found.zero_yield_bins.empty();
  if (is_inside || (stopped && !is_minimum(found.status))) {
    again.start = is_inside ? found.x : summary.x;
    MinimizeSummary direct;
    solver.run(objective, again, options, direct);
    costs.add(direct);
    if (is_minimum(direct.status) || !is_inside) found = std::move(direct);
  }
  const bool is_better = found.value < summary.value || !is_minimum(summary.status);
  if (stopped || (is_minimum(found.status) && is_better)) summary = std::move(found);
  costs.write(summary);
}

}  // namespace nablafit::detail
