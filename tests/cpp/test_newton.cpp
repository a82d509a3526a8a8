// The solver on functions whose minima are known, without a likelihood.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "minimize/newton_solver.hpp"

using nablafit::BoundSide;
using nablafit::Evaluation;
using nablafit::EvaluationStatus;
using nablafit::MinimizeOptions;
using nablafit::MinimizeStatus;
using nablafit::MinimizeSummary;
using nablafit::detail::ArrowHessian;
using nablafit::detail::ArrowStructure;
using nablafit::detail::BoxProblem;
using nablafit::detail::NewtonSolver;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
using Vector = std::vector<double>;

/// A function of dense parameters only. Fills gradient and row-major Hessian and returns the value;
/// NaN outside the domain.
using Function = std::function<double(const double* x, double* gradient, double* hessian)>;

class FunctionObjective final : public nablafit::detail::Objective {
 public:
  FunctionObjective(std::size_t n, Function function)
      : function_(std::move(function)), gradient_(n), hessian_(n * n) {
    for (std::size_t i = 0; i < n; ++i) structure_.dense_parameters.push_back(i);
    structure_.block_offsets = {0};
    structure_.block_entries = {0};
  }

  const ArrowStructure& structure() const noexcept override { return structure_; }
  Evaluation value_and_gradient(const double* x, double* gradient) override {
    const double value = function_(x, gradient, hessian_.data());
    if (std::isnan(value)) return {infinity, EvaluationStatus::outside_support, 0};
    return {value, EvaluationStatus::ok, 0};
  }
  bool hessian(const double* x, ArrowHessian& hessian) override {
    return !std::isnan(function_(x, gradient_.data(), hessian.dense.data()));
  }

 private:
  Function function_;
  ArrowStructure structure_;
  Vector gradient_, hessian_;
};

BoxProblem box(const Vector& start, double lower = -infinity, double upper = infinity) {
  const std::size_t n = start.size();
  return {start, Vector(n, lower), Vector(n, upper), start, Vector(n, 1.0), std::vector<char>(n, 0),
          {}};
}

MinimizeSummary run(const Function& function, const BoxProblem& problem,
                    const MinimizeOptions& options = {}) {
  FunctionObjective objective(problem.start.size(), function);
  NewtonSolver solver(objective.structure());
  MinimizeSummary summary;
  solver.run(objective, problem, options, summary);
  return summary;
}

double rosenbrock(const double* x, double* g, double* h) {
  const double valley = x[1] - x[0] * x[0];
  g[0] = -400.0 * x[0] * valley - 2.0 * (1.0 - x[0]);
  g[1] = 200.0 * valley;
  h[0] = -400.0 * (valley - 2.0 * x[0] * x[0]) + 2.0;
  h[1] = h[2] = -400.0 * x[0];
  h[3] = 200.0;
  return 100.0 * valley * valley + (1.0 - x[0]) * (1.0 - x[0]);
}

/// Sum of c_i (x_i - m_i)^2 / 2 plus x_0 x_1 coupling.
Function quadratic(const Vector& curvatures, const Vector& minimum, double coupling = 0.0) {
  return [=](const double* x, double* g, double* h) {
    const std::size_t n = curvatures.size();
    double value = 0.0;
    for (std::size_t i = 0; i < n * n; ++i) h[i] = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      const double d = x[i] - minimum[i];
      g[i] = curvatures[i] * d;
      h[i * n + i] = curvatures[i];
      value += 0.5 * curvatures[i] * d * d;
    }
    if (n < 2) return value;
    const double d0 = x[0] - minimum[0];
    const double d1 = x[1] - minimum[1];
    g[0] += coupling * d1;
    g[1] += coupling * d0;
    h[1] += coupling;
    h[n] += coupling;
    return value + coupling * d0 * d1;
  };
}

}  // namespace

TEST_CASE("Rosenbrock's valley, free and with the minimum outside the box") {
  const MinimizeSummary free = run(rosenbrock, box({-1.2, 1.0}));
  CHECK(free.status == MinimizeStatus::converged);
  CHECK(free.x[0] == doctest::Approx(1.0));
  CHECK(free.x[1] == doctest::Approx(1.0));
  CHECK(free.iterations <= 30);

  const MinimizeSummary bounded = run(rosenbrock, box({-1.2, 0.3}, -2.0, 0.5));
  CHECK(bounded.status == MinimizeStatus::converged);
  CHECK(bounded.x[0] == 0.5);
  CHECK(bounded.x[1] == doctest::Approx(0.25));
  REQUIRE(bounded.active_bounds.size() == 1);
  CHECK(bounded.active_bounds[0].parameter == 0);
  CHECK(bounded.active_bounds[0].side == BoundSide::upper);
  CHECK(bounded.active_bounds[0].multiplier == doctest::Approx(1.0));
  CHECK(bounded.errors[0] == 0.0);
  CHECK(bounded.errors[1] == doctest::Approx(1.0 / std::sqrt(200.0)));
}

TEST_CASE("a quadratic takes one step, and its covariance is the inverse") {
  const MinimizeSummary summary = run(quadratic({4.0, 9.0}, {1.0, -2.0}, 3.0), box({5.0, 5.0}));
  CHECK(summary.status == MinimizeStatus::converged);
  CHECK(summary.iterations == 1);
  CHECK(summary.x[0] == doctest::Approx(1.0));
  CHECK(summary.errors[0] == doctest::Approx(std::sqrt(9.0 / 27.0)));
  CHECK(summary.errors[1] == doctest::Approx(std::sqrt(4.0 / 27.0)));
  CHECK(summary.edm < 1e-10);
}

TEST_CASE("correlated parameters with the minimum in a corner or on an edge") {
  // The unconstrained minimum of the free parameter moves when the other is held.
  const MinimizeSummary edge =
      run(quadratic({4.0, 9.0}, {1.0, -2.0}, 3.0), box({5.0, 5.0}, -1.0, 6.0));
  CHECK(edge.status == MinimizeStatus::converged);
  CHECK(edge.iterations == 1);
  CHECK(edge.x[1] == -1.0);
  CHECK(edge.x[0] == doctest::Approx(1.0 - 0.75));
  const MinimizeSummary corner = run(quadratic({4.0, 9.0}, {1.0, -2.0}), box({5.0, 5.0}, 2.0, 6.0));
  CHECK(corner.status == MinimizeStatus::converged);
  CHECK(corner.x == Vector{2.0, 2.0});
  CHECK(corner.active_bounds.size() == 2);
}

TEST_CASE("a start on the wrong bounds leaves them") {
  BoxProblem problem = box({-3.0, 4.0}, -3.0, 4.0);
  const MinimizeSummary summary = run(quadratic({1.0, 1.0}, {0.5, -0.5}, 0.9), problem);
  CHECK(summary.status == MinimizeStatus::converged);
  CHECK(summary.active_bounds.empty());
  CHECK(summary.x[0] == doctest::Approx(0.5));
}

TEST_CASE("fixed parameters and lower == upper stay") {
  BoxProblem problem = box({2.0, 2.0, 3.0});
  problem.fixed[0] = 1;
  problem.lower[2] = problem.upper[2] = 2.5;
  const MinimizeSummary summary = run(quadratic({1.0, 1.0, 1.0}, {0.0, 0.0, 0.0}, 0.5), problem);
  CHECK(summary.status == MinimizeStatus::converged);
  CHECK(summary.x[0] == 2.0);
  CHECK(summary.x[1] == doctest::Approx(-1.0));
  CHECK(summary.x[2] == 2.5);
  CHECK(summary.errors[0] == 0.0);
  CHECK(summary.errors[2] == 0.0);
  CHECK(summary.active_bounds.empty());
}

TEST_CASE("a saddle point as start is left") {
  // (x^2 - 1)^2 + y^2: maximum in x at the start.
  const Function two_wells = [](const double* x, double* g, double* h) {
    const double d = x[0] * x[0] - 1.0;
    g[0] = 4.0 * x[0] * d;
    g[1] = 2.0 * x[1];
    h[0] = 12.0 * x[0] * x[0] - 4.0;
    h[1] = h[2] = 0.0;
    h[3] = 2.0;
    return d * d + x[1] * x[1];
  };
  for (const double x : {0.0, 0.1, -0.1}) {
    const MinimizeSummary summary = run(two_wells, box({x, 0.5}));
    CHECK(summary.status == MinimizeStatus::converged);
    CHECK(std::abs(summary.x[0]) == doctest::Approx(1.0));
    CHECK(summary.value < 1e-10);
  }
}

TEST_CASE("flat directions: the value converges, the direction is named, errors are infinite") {
  // (x + y - 1)^2 / 2 + z^2 / 2
  const Function flat = [](const double* x, double* g, double* h) {
    const double d = x[0] + x[1] - 1.0;
    g[0] = g[1] = d;
    g[2] = x[2];
    const double values[] = {1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0};
    std::copy(std::begin(values), std::end(values), h);
    return 0.5 * (d * d + x[2] * x[2]);
  };
  const MinimizeSummary summary = run(flat, box({3.0, 4.0, 5.0}));
  CHECK(summary.status == MinimizeStatus::converged);
  CHECK(summary.value < 1e-10);
  REQUIRE(summary.weak_directions.size() == 1);
  CHECK(summary.weak_directions[0].parameters == std::vector<std::size_t>{0, 1});
  CHECK(summary.weak_directions[0].weights[0] ==
        doctest::Approx(-summary.weak_directions[0].weights[1]));
  CHECK(summary.errors[0] == infinity);
  CHECK(summary.errors[1] == infinity);
  CHECK(summary.errors[2] == doctest::Approx(1.0));
  CHECK(summary.condition == infinity);
}

TEST_CASE("parameters without effect stay and are reported") {
  const MinimizeSummary summary =
      run(quadratic({1.0, 0.0, 2.0}, {0.0, 0.0, 1.0}), box({3.0, 7.0, 3.0}));
  CHECK(summary.status == MinimizeStatus::converged);
  CHECK(summary.x[1] == 7.0);
  CHECK(summary.without_effect == std::vector<std::size_t>{1});
  CHECK(summary.errors[1] == infinity);
  CHECK(summary.errors[0] == doctest::Approx(1.0));
}

TEST_CASE("a linear function ends on its bound, and is unbounded without one") {
  const Function line = [](const double* x, double* g, double* h) {
    g[0] = 2.0;
    h[0] = 0.0;
    return 2.0 * x[0];
  };
  const MinimizeSummary bounded = run(line, box({50.0}, -1000.0, 1000.0));
  CHECK(bounded.status == MinimizeStatus::converged);
  CHECK(bounded.x[0] == -1000.0);
  CHECK(bounded.active_bounds[0].multiplier == 2.0);
  // Falls for ever, like -x far out.
  const auto exponential = [](const double* x, double* g, double* h) {
    h[0] = std::exp(-x[0]);
    g[0] = -h[0] - 1e-3;
    return h[0] - 1e-3 * x[0];
  };
  CHECK(run(exponential, box({0.0})).status == MinimizeStatus::unbounded);
}

TEST_CASE("kinks on the axis: pinned, crossed, and as a start") {
  // |x| * weight + (x - m)^2 / 2, kink at 0
  const auto kinked = [](double weight, double minimum) {
    return [=](const double* x, double* g, double* h) {
      g[0] = (x[0] >= 0.0 ? weight : -weight) + x[0] - minimum;
      h[0] = 1.0;
      return weight * std::abs(x[0]) + 0.5 * (x[0] - minimum) * (x[0] - minimum);
    };
  };
  BoxProblem problem = box({3.0});
  problem.kinks = {{0, 0.0}};
  for (const double start : {-3.0, 0.0, 3.0}) {
    CAPTURE(start);
    problem.start = {start};
    const MinimizeSummary pinned = run(kinked(2.0, 1.0), problem);
    CHECK(pinned.status == MinimizeStatus::converged_at_kink);
    CHECK(pinned.x[0] == 0.0);
    CHECK(pinned.at_kink == std::vector<std::size_t>{0});
    CHECK(pinned.iterations <= 3);
    const MinimizeSummary crossed = run(kinked(0.5, 1.0), problem);
    CHECK(crossed.status == MinimizeStatus::converged);
    CHECK(crossed.x[0] == doctest::Approx(0.5));
    CHECK(crossed.iterations <= 3);
  }
  // A peak instead of a dent: the lower side is taken.
  problem.start = {0.0};
  const MinimizeSummary peak = run(kinked(-0.5, 0.1), problem);
  CHECK(peak.status == MinimizeStatus::converged);
  CHECK(peak.x[0] == doctest::Approx(0.6));
}

TEST_CASE("a kink where the domain ends is a bound, with the Hessian of the side that is left") {
  const auto half = [](double side, double minimum) {
    return [=](const double* x, double* g, double* h) {
      if (x[0] * side < 0.0) {
        g[0] = -side;
        h[0] = 1e6;
        return std::numeric_limits<double>::quiet_NaN();
      }
      g[0] = 4.0 * (x[0] - minimum);
      h[0] = 4.0;
      return 2.0 * (x[0] - minimum) * (x[0] - minimum);
    };
  };
  BoxProblem problem = box({0.0}, -5.0, 5.0);
  problem.kinks = {{0, 0.0}};
  for (const double side : {1.0, -1.0}) {
    CAPTURE(side);
    for (const double start : {0.0, 0.7 * side, 3.0 * side}) {
      problem.start = {start};
      const MinimizeSummary held = run(half(side, -side), problem);
      CHECK(held.status == MinimizeStatus::converged_at_kink);
      CHECK(held.x[0] == 0.0);
      CHECK(held.value == doctest::Approx(2.0));
      CHECK(held.errors[0] == doctest::Approx(0.5));
      const MinimizeSummary inside = run(half(side, side), problem);
      CHECK(inside.status == MinimizeStatus::converged);
      CHECK(inside.x[0] == doctest::Approx(side));
      CHECK(inside.errors[0] == doctest::Approx(0.5));
    }
  }
}

TEST_CASE("a minimum without a Hessian has no errors") {
  const auto overflowing = [](const double* x, double* g, double* h) {
    g[0] = 2.0 * x[0];
    h[0] = infinity;
    return x[0] * x[0];
  };
  const MinimizeSummary summary = run(overflowing, box({0.0}));
  CHECK(summary.status == MinimizeStatus::converged);
  CHECK(std::isnan(summary.errors[0]));
}

TEST_CASE("a kink that nobody announced ends with a status, not with a loop") {
  const auto dent = [](const double* x, double* g, double* h) {
    const double d = x[0] - 0.3 * x[1] - 0.1;
    const double sign = d >= 0.0 ? 1.0 : -1.0;
    g[0] = 3.0 * sign + x[0];
    g[1] = -0.9 * sign + x[1] - 1.0;
    h[0] = h[3] = 1.0;
    h[1] = h[2] = 0.0;
    return 3.0 * std::abs(d) + 0.5 * (x[0] * x[0] + (x[1] - 1.0) * (x[1] - 1.0));
  };
  const MinimizeSummary summary = run(dent, box({2.0, 2.0}));
  CHECK(summary.iterations < 100);
  CHECK(summary.status != MinimizeStatus::iteration_limit);
}

TEST_CASE("the domain ends inside the box, and the start may lie outside of it") {
  // x - log(x), defined for x > 0
  const auto barrier = [](const double* x, double* g, double* h) {
    if (x[0] <= 0.0) {
      g[0] = -1.0;
      return std::numeric_limits<double>::quiet_NaN();
    }
    g[0] = 1.0 - 1.0 / x[0];
    h[0] = 1.0 / (x[0] * x[0]);
    return x[0] - std::log(x[0]);
  };
  for (const double start : {-2.0, 0.0, 1e-12, 50.0}) {
    CAPTURE(start);
    const MinimizeSummary summary = run(barrier, box({start}, -10.0, 100.0));
    CHECK(summary.status == MinimizeStatus::converged);
    CHECK(summary.x[0] == doctest::Approx(1.0));
  }
  const MinimizeSummary hopeless = run(barrier, box({-2.0}, -10.0, -1.0));
  CHECK(hopeless.status == MinimizeStatus::infeasible_start);
  CHECK(hopeless.x[0] == -2.0);
  CHECK(std::isnan(hopeless.errors[0]));
}

TEST_CASE("the limit of iterations is kept") {
  MinimizeOptions options;
  options.max_iterations = 3;
  const MinimizeSummary summary = run(rosenbrock, box({-1.2, 1.0}), options);
  CHECK(summary.status == MinimizeStatus::iteration_limit);
  CHECK(summary.iterations == 3);
}

TEST_CASE("errors come from the Hessian, not from the information that replaced it on the way") {
  class Informed final : public nablafit::detail::Objective {
   public:
    const ArrowStructure& structure() const noexcept override { return saddle_.structure(); }
    Evaluation value_and_gradient(const double* x, double* gradient) override {
      return saddle_.value_and_gradient(x, gradient);
    }
    bool hessian(const double* x, ArrowHessian& hessian) override {
      return saddle_.hessian(x, hessian);
    }
    bool information(const double* /*x*/, ArrowHessian& information) override {
      information = {{1.0, 0.0, 0.0, 4.0}, {}, {}};
      return true;
    }

   private:
    FunctionObjective saddle_{2, quadratic({1.0, -1.0}, {0.0, 0.0})};
  };
  Informed objective;
  NewtonSolver solver(objective.structure());
  MinimizeOptions options;
  options.edm_tolerance = 0.0;  // never reached: the verdict is that no step leads down
  MinimizeSummary summary;
  solver.run(objective, box({0.0, 0.0}), options, summary);
  CHECK(summary.status == MinimizeStatus::converged);
  CHECK(std::isinf(summary.errors[1]));
  CHECK(std::isinf(summary.condition));
}

namespace {

/// The largest of quadratic functions of a common Hessian.
Function largest_of(const std::vector<Vector>& minima, const Vector& values,
                    const Vector& curvatures) {
  return [=](const double* x, double* g, double* h) {
    double largest = -infinity;
    for (std::size_t k = 0; k < minima.size(); ++k) {
      Vector slopes(curvatures.size()), bends(curvatures.size() * curvatures.size());
      const double value =
          values[k] + quadratic(curvatures, minima[k], 0.4)(x, slopes.data(), bends.data());
      if (value <= largest) continue;
      largest = value;
      std::copy(slopes.begin(), slopes.end(), g);
      std::copy(bends.begin(), bends.end(), h);
    }
    return largest;
  };
}

/// Where the solver ends, which goes on between pieces where no step leads down.
MinimizeSummary descend(const Function& function, BoxProblem problem) {
  problem.has_floors = true;
  return run(function, problem);
}

}  // namespace

TEST_CASE("minima between two and three smooth pieces") {
  const Vector curvatures{1.0, 2.0};
  // On the line between the two minima both pieces are equal half-way, by symmetry.
  const Function two = largest_of({{-1.0, 0.5}, {1.0, -0.5}}, {0.0, 0.0}, curvatures);
  for (const Vector& start : {Vector{2.0, 1.0}, Vector{-0.3, -3.0}, Vector{1.5, 0.1}}) {
    const MinimizeSummary end = descend(two, box(start));
    REQUIRE(end.status == MinimizeStatus::converged_at_kink);
    CHECK(std::abs(end.x[0]) < 1e-6);
    CHECK(std::abs(end.x[1]) < 1e-6);
    CHECK(std::abs(end.gradient[0]) < 1e-6);
    CHECK(end.edm < 1e-6);
  }
  // Three pieces meet in a point: a corner, which no two of them have.
  const Function three =
      largest_of({{-2.0, 0.0}, {2.0, 0.0}, {0.0, -2.0}}, {0.0, 0.0, -1.0}, curvatures);
  const MinimizeSummary corner = descend(three, box({1.5, 2.5}));
  REQUIRE(corner.status == MinimizeStatus::converged_at_kink);
  double best = infinity;
  double gradient[2], hessian[4];
  for (int i = -400; i <= 400; ++i) {
    for (int j = -400; j <= 400; ++j) {
      const double x[2] = {0.005 * i, 0.005 * j};
      best = std::min(best, three(x, gradient, hessian));
    }
  }
  CHECK(corner.value <= best + 1e-9);
}

TEST_CASE("between pieces the value never rises, and bounds hold") {
  const Function pieces = largest_of({{-1.0, 0.5}, {1.0, -0.5}}, {0.0, 0.0}, {1.0, 2.0});
  BoxProblem problem = box({1.5, 2.0});
  problem.lower[0] = 0.5;
  double gradient[2], hessian[4];
  const double initial = pieces(problem.start.data(), gradient, hessian);
  const MinimizeSummary end = descend(pieces, problem);
  CHECK(end.value < initial);
  CHECK(end.x[0] == 0.5);
  // Along the bound: the minimum of the larger piece, or where both are equal.
  double best = infinity;
  for (int j = -40'000; j <= 40'000; ++j) {
    const double x[2] = {0.5, 1e-4 * j};
    best = std::min(best, pieces(x, gradient, hessian));
  }
  CHECK(end.value <= best + 1e-9);
}

TEST_CASE("the solver goes on between pieces only where there are floors") {
  const Function pieces = largest_of({{-1.0, 0.5}, {1.0, -0.5}}, {0.0, 0.0}, {1.0, 2.0});
  BoxProblem problem = box({1.5, 2.0});
  problem.has_floors = true;
  const MinimizeSummary summary = run(pieces, problem);
  CHECK(summary.status == MinimizeStatus::converged_at_kink);
  CHECK(std::abs(summary.x[0]) < 1e-6);
  problem.has_floors = false;
  CHECK(run(pieces, problem).status == MinimizeStatus::stalled);
}
