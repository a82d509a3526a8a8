// Minima of small likelihoods, most of them known in closed form.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "nablafit/error.hpp"
#include "nablafit/find_minima.hpp"
#include "nablafit/minimize.hpp"

using namespace nablafit;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Parameter norm(const std::string& name, double lower = 0.0, double upper = 10.0,
               double initial = 1.0) {
  return {name, initial, lower, upper, false, Unconstrained{}, IdentityTransformation{}, {}};
}

Parameter pull(const std::string& name) {
  return {name, 0.0, -5.0, 5.0, false, GaussianConstraint{0.0, 1.0, {}}, IdentityTransformation{},
          {}};
}

Parameter gamma(const std::string& name, double relative) {
  return {name,
          1.0,
          1e-10,
          10.0,
          false,
          PoissonConstraint{1.0 / (relative * relative), 1.0 / (relative * relative)},
          IdentityTransformation{},
          {}};
}

/// One channel; a signal scaled by "mu" and a background with any modifiers.
struct Builder {
  ModelSpec spec;

  Builder(std::vector<double> signal, std::vector<double> background,
          std::vector<Modifier> modifiers = {}) {
    Sample s{"signal", std::move(signal), {NormFactor{"mu", "mu"}}, {}, {}, {}};
    Sample b{"background", std::move(background), std::move(modifiers), {}, {}, {}};
    spec.channels.push_back({"region", {std::move(b), std::move(s)}, {}, {}});
    spec.parameters.push_back(norm("mu"));
  }
  Builder& with(Parameter parameter) {
    spec.parameters.push_back(std::move(parameter));
    return *this;
  }
  Builder& poi_range(double lower, double upper) {
    spec.parameters[0].lower = lower;
    spec.parameters[0].upper = upper;
    return *this;
  }
  Likelihood measure(const std::vector<double>& counts) const {
    const Model model(spec);
    return Likelihood(model, model.data({"observed", {{"region", counts}}, {}}));
  }
};

/// Checks stationarity with an evaluator of its own: gradients vanish or point out of active
/// bounds.
void check_stationary(const Likelihood& likelihood, const MinimizeSummary& summary,
                      double tolerance = 1e-4) {
  const auto evaluator = make_evaluator(likelihood, Backend::forward);
  const Model& model = likelihood.model();
  std::vector<double> gradient(model.n_parameters());
  const Evaluation at = evaluator->value_and_gradient(summary.x.data(), gradient.data());
  CHECK(at.value == doctest::Approx(summary.value).epsilon(1e-10));
  for (std::size_t j = 0; j < gradient.size(); ++j) {
    CAPTURE(model.parameter_names()[j]);
    if (model.fixed()[j] != 0) continue;
    if (summary.x[j] > model.lower()[j]) CHECK(gradient[j] < tolerance);
    if (summary.x[j] < model.upper()[j]) CHECK(gradient[j] > -tolerance);
  }
}

}  // namespace

TEST_CASE("a signal on top of a background") {
  const Likelihood likelihood = Builder({10.0}, {50.0}).measure({75.0});
  const MinimizeSummary summary = minimize(likelihood);
  CHECK(summary.status == MinimizeStatus::converged);
  CHECK(summary.x[0] == doctest::Approx(2.5));
  CHECK(summary.value == doctest::Approx(0.0).epsilon(1e-10));
  CHECK(summary.errors[0] == doctest::Approx(std::sqrt(75.0) / 10.0));
  CHECK(summary.iterations <= 4);
  CHECK(summary.message.find("Minimum found") == 0);
  CHECK(summary.message.find("EDM") != std::string::npos);
}

TEST_CASE("a parameter of interest at its bound, strictly and just so") {
  const MinimizeSummary deficit = minimize(Builder({10.0}, {50.0}).measure({40.0}));
  CHECK(deficit.status == MinimizeStatus::converged);
  CHECK(deficit.x[0] == 0.0);
  REQUIRE(deficit.active_bounds.size() == 1);
  CHECK(deficit.active_bounds[0].side == BoundSide::lower);
  CHECK(deficit.active_bounds[0].multiplier == doctest::Approx(10.0 * (1.0 - 40.0 / 50.0)));
  CHECK(deficit.errors[0] == 0.0);
  CHECK(deficit.message.find("At a bound: mu") != std::string::npos);
  // The minimum on the bound itself: without multiplier.
  const MinimizeSummary exact = minimize(Builder({10.0}, {50.0}).measure({50.0}));
  CHECK(exact.status == MinimizeStatus::converged);
  CHECK(std::abs(exact.x[0]) < 1e-5);
  const MinimizeSummary above =
      minimize(Builder({10.0}, {50.0}).poi_range(0.0, 2.0).measure({90.0}));
  CHECK(above.x[0] == 2.0);
  CHECK(above.active_bounds[0].side == BoundSide::upper);
}

TEST_CASE("empty bins: without events, without expectation") {
  const Likelihood likelihood = Builder({2.0, 3.0, 0.0}, {1.0, 4.0, 0.0}).measure({0.0, 9.0, 0.0});
  const MinimizeSummary summary = minimize(likelihood);
  CHECK(summary.status == MinimizeStatus::converged);
  // d/dmu: 2 + 3 (1 - 9 / (4 + 3 mu)) = 0
  CHECK(summary.x[0] == doctest::Approx((27.0 / 5.0 - 4.0) / 3.0));
  const MinimizeSummary nothing = minimize(Builder({2.0}, {1.0}).measure({0.0}));
  CHECK(nothing.status == MinimizeStatus::converged);
  CHECK(nothing.x[0] == 0.0);
}

TEST_CASE("the likelihood ends where an empty bin would get a negative yield") {
  // Without events everywhere, the value falls until 1 + 2 mu = 0, inside the range of mu.
  const Likelihood likelihood =
      Builder({2.0, 1.0}, {1.0, 30.0}).poi_range(-10.0, 10.0).measure({0.0, 25.0});
  const MinimizeSummary summary = minimize(likelihood);
  CHECK(summary.status == MinimizeStatus::converged_at_zero_yield);
  CHECK(summary.x[0] == doctest::Approx(-0.5).epsilon(1e-6));
  CHECK(summary.zero_yield_bins == std::vector<std::size_t>{0});
  CHECK(summary.message.find("bin 0 of channel region") != std::string::npos);
  CHECK(summary.iterations <= 100);
  // With events in that bin there is a barrier, and an ordinary minimum.
  const Likelihood barrier =
      Builder({2.0, 1.0}, {1.0, 30.0}).poi_range(-10.0, 10.0).measure({1e-3, 25.0});
  const MinimizeSummary inside = minimize(barrier);
  CHECK(inside.status == MinimizeStatus::converged);
  CHECK(inside.x[0] > -0.5);
  check_stationary(barrier, inside, 1e-2);
}

TEST_CASE("starts without likelihood are repaired, or the culprit is named") {
  const Builder builder = Builder({-5.0, 10.0}, {20.0, 50.0}).poi_range(-20.0, 20.0);
  const Likelihood likelihood = builder.measure({12.0, 66.0});
  for (const double start : {15.0, -10.0, 4.0}) {
    CAPTURE(start);
    MinimizeArguments arguments;
    arguments.start = {start};
    const MinimizeSummary summary = minimize(likelihood, arguments);
    CHECK(summary.status == MinimizeStatus::converged);
    CHECK(summary.x[0] == doctest::Approx(1.6));
  }
  MinimizeArguments fixed;
  fixed.start = {15.0};
  fixed.fixed = {1};
  const MinimizeSummary hopeless = minimize(likelihood, fixed);
  CHECK(hopeless.status == MinimizeStatus::infeasible_start);
  CHECK(hopeless.zero_yield_bins == std::vector<std::size_t>{0});
  CHECK(hopeless.message.find("bin 0 of channel region") != std::string::npos);
}

TEST_CASE("huge counts and tiny ones") {
  for (const double scale : {1e-6, 1.0, 1e6, 1e12}) {
    CAPTURE(scale);
    const Likelihood likelihood = Builder({10.0 * scale, scale}, {50.0 * scale, 9.0 * scale},
                                          {NormSys{"shape", "alpha", 0.9, 1.2}})
                                      .with(pull("alpha"))
                                      .measure({75.0 * scale, 11.5 * scale});
    const MinimizeSummary summary = minimize(likelihood);
    CHECK(summary.status == MinimizeStatus::converged);
    CHECK(summary.iterations <= 15);
    check_stationary(likelihood, summary, 1e-4 * std::max(1.0, scale * 1e-3));
  }
}

TEST_CASE("gammas with Poisson constraints: the profiled minimum in closed form") {
  // n = 30 observed, 20 expected, tau = 25: (n + tau) = gamma (20 + tau)
  const Likelihood likelihood = Builder({1.0}, {20.0}, {ShapeSys{"mc", {"gamma"}, {4.0}}})
                                    .with(gamma("gamma", 0.2))
                                    .measure({30.0});
  MinimizeArguments arguments;
  arguments.fixed = {1, 0};
  for (const double start : {1e-10, 1.0, 10.0}) {
    CAPTURE(start);
    arguments.start = {0.0, start};
    const MinimizeSummary summary = minimize(likelihood, arguments);
    CHECK(summary.status == MinimizeStatus::converged);
    CHECK(summary.x[1] == doctest::Approx(55.0 / 45.0));
    CHECK(summary.iterations <= 100);
    CHECK(summary.errors[1] == doctest::Approx(std::sqrt(55.0) / 45.0));
  }
}

TEST_CASE("degenerate norm factors are named, the rest is fitted") {
  Builder builder({10.0, 20.0}, {10.0, 20.0}, {NormFactor{"nu", "nu"}});
  builder.with(norm("nu")).with(norm("unused"));
  const MinimizeSummary summary = minimize(builder.measure({30.0, 60.0}));
  CHECK(summary.status == MinimizeStatus::converged);
  CHECK(summary.value < 1e-9);
  CHECK(summary.x[0] + summary.x[1] == doctest::Approx(3.0));
  CHECK(summary.without_effect == std::vector<std::size_t>{2});
  CHECK(summary.x[2] == 1.0);
  REQUIRE(summary.weak_directions.size() == 1);
  CHECK(summary.weak_directions[0].parameters.size() == 2);
  CHECK(summary.errors[0] == infinity);
  CHECK(summary.errors[2] == infinity);
  CHECK(summary.message.find("Without effect on the likelihood, left at their start: unused") !=
        std::string::npos);
  CHECK(summary.message.find("Weakly determined combination") != std::string::npos);
}

TEST_CASE("the corner where two factors of a product are zero is left, or known to be a minimum") {
  Builder builder({10.0, 20.0}, {5.0, 5.0});
  builder.spec.channels[0].samples[1].modifiers.emplace_back(NormFactor{"k", "k"});
  builder.with(norm("k"));
  MinimizeArguments arguments;
  arguments.start = {0.0, 0.0};

  const Likelihood excess = builder.measure({15.0, 25.0});
  const MinimizeSummary left = minimize(excess, arguments);
  CHECK(is_minimum(left.status));
  CHECK(left.value == doctest::Approx(0.0).epsilon(1e-9));
  REQUIRE(left.weak_directions.size() == 1);
  CHECK(std::abs(left.weak_directions[0].curvature) < 1e-6);

  const Likelihood deficit = builder.measure({3.0, 3.0});
  const MinimizeSummary kept = minimize(deficit, arguments);
  CHECK(is_minimum(kept.status));
  CHECK(kept.x[0] * kept.x[1] == 0.0);
  for (const WeakDirection& direction : kept.weak_directions) {
    CHECK(std::abs(direction.curvature) < 1e6);
  }
}

TEST_CASE("kinks of the piecewise codes") {
  for (const auto code : {Interpolation::piecewise_linear, Interpolation::piecewise_exponential}) {
    const Builder builder =
        Builder({0.0}, {100.0}, {NormSys{"kinked", "alpha", 0.7, 0.8, code}}).with(pull("alpha"));
    // Both directions lower the yield: with more events the minimum is the kink itself.
    for (const double start : {-2.0, 0.0, 2.0}) {
      CAPTURE(start);
      MinimizeArguments arguments;
      arguments.start = {1.0, start};
      arguments.fixed = {1, 0};
      const MinimizeSummary pinned = minimize(builder.measure({120.0}), arguments);
      CHECK(pinned.status == MinimizeStatus::converged_at_kink);
      CHECK(pinned.x[1] == 0.0);
      CHECK(pinned.at_kink == std::vector<std::size_t>{1});
      CHECK(std::isfinite(pinned.errors[1]));
      CHECK(pinned.message.find("alpha") != std::string::npos);
      const Likelihood deficit = builder.measure({85.0});
      const MinimizeSummary side = minimize(deficit, arguments);
      CHECK(side.status == MinimizeStatus::converged);
      CHECK(side.x[1] != 0.0);
      CHECK(side.iterations <= 10);
      if (start != 0.0) CHECK(side.x[1] * start > 0.0);
    }
  }
  // At the Asimov point the kink is the minimum with zero slope on both sides.
  const Builder asymmetric =
      Builder({0.0}, {100.0},
              {NormSys{"kinked", "alpha", 0.9, 1.3, Interpolation::piecewise_linear}})
          .with(pull("alpha"));
  const MinimizeSummary asimov = minimize(asymmetric.measure({100.0}));
  CHECK(asimov.status == MinimizeStatus::converged);
  CHECK(asimov.x[1] == 0.0);
  const double mean_curvature = 1.0 + 0.5 * (100.0 * 0.3 * 0.3 + 100.0 * 0.1 * 0.1);
  CHECK(asimov.errors[1] == doctest::Approx(1.0 / std::sqrt(mean_curvature)));
}

TEST_CASE("an interpolation that turns the yield negative on the way") {
  // The polynomial of code 5 is negative near alpha = -0.29 for these (a published model has them).
  const Builder builder =
      Builder({5.0}, {10.0}, {NormSys{"wild", "alpha", 0.01, 40.0}}).with(pull("alpha"));
  for (const double start : {-4.0, -0.29, 0.0, 1.0, 4.0}) {
    CAPTURE(start);
    const Likelihood likelihood = builder.measure({12.0});
    MinimizeArguments arguments;
    arguments.start = {1.0, start};
    const MinimizeSummary summary = minimize(likelihood, arguments);
    CHECK(summary.status == MinimizeStatus::converged);
    CHECK(summary.iterations <= 30);
    check_stationary(likelihood, summary);
  }
}

TEST_CASE("two minima are told apart") {
  // Yield 10 (1 + alpha^2) far from zero: symmetric minima on both sides.
  const Likelihood likelihood =
      Builder({0.0}, {100.0}, {NormSys{"both", "alpha", 1.2, 1.2, Interpolation::quadratic_linear}})
          .with(pull("alpha"))
          .measure({150.0});
  MinimaOptions options;
  options.seed = 1;
  const MinimaSummary found = find_minima(likelihood, {}, options);
  REQUIRE(found.minima.size() == 2);
  CHECK(found.n_failed == 0);
  CHECK(found.minima[0].height == 0.0);
  CHECK(found.minima[1].height < 1e-8);
  CHECK(found.minima[0].summary.x[1] == doctest::Approx(-found.minima[1].summary.x[1]));
  CHECK(found.minima[1].differing_parameters == std::vector<std::size_t>{1});
  CHECK(found.minima[0].starts.size() + found.minima[1].starts.size() == options.n_starts + 1);
  REQUIRE(found.from_given_start < 2);
  CHECK(found.minima[found.from_given_start].starts.front() == 0);
}

TEST_CASE("a Minimizer is used again, for other data of its model only") {
  const Builder builder({10.0}, {50.0});
  const Model model(builder.spec);
  const auto measured = [&](double count) { return Likelihood(model, Data{{count}, {}}); };
  Minimizer minimizer(measured(75.0));
  CHECK(minimizer.minimize().x[0] == doctest::Approx(2.5));
  minimizer.set_likelihood(measured(65.0));
  CHECK(minimizer.minimize().x[0] == doctest::Approx(1.5));
  CHECK(minimizer.minimize().message.empty());
  CHECK_THROWS_AS(minimizer.set_likelihood(builder.measure({75.0})), ArgumentError);
}

TEST_CASE("misuse is an exception") {
  const Likelihood likelihood = Builder({10.0}, {50.0}).measure({75.0});
  MinimizeArguments arguments;
  arguments.start = {1.0, 2.0};
  CHECK_THROWS_AS(minimize(likelihood, arguments), ArgumentError);
  arguments.start = {std::numeric_limits<double>::quiet_NaN()};
  CHECK_THROWS_AS(minimize(likelihood, arguments), ArgumentError);
  arguments.start = {};
  arguments.lower = {3.0};
  arguments.upper = {2.0};
  CHECK_THROWS_AS(minimize(likelihood, arguments), ArgumentError);
}

TEST_CASE("infinite bounds, and a full covariance") {
  const Likelihood likelihood = Builder({10.0, 0.0}, {50.0, 30.0}, {NormFactor{"nu", "nu"}})
                                    .poi_range(-infinity, infinity)
                                    .with(norm("nu", 0.0, infinity))
                                    .measure({45.0, 33.0});
  MinimizeOptions options;
  options.covariance = CovarianceKind::full;
  const MinimizeSummary summary = minimize(likelihood, {}, options);
  CHECK(summary.status == MinimizeStatus::converged);
  CHECK(summary.x[1] == doctest::Approx(1.1));
  CHECK(summary.x[0] == doctest::Approx(-1.0));
  const double variance_nu = 33.0 / 900.0;
  CHECK(summary.covariance[3] == doctest::Approx(variance_nu));
  CHECK(summary.covariance[1] == doctest::Approx(-5.0 * variance_nu));
  CHECK(summary.covariance[0] == doctest::Approx(0.45 + 25.0 * variance_nu));
  CHECK(summary.errors[0] == doctest::Approx(std::sqrt(summary.covariance[0])));
}
