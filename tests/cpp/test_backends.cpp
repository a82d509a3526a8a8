#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "expect_ad.hpp"
#include "nablafit/build_info.hpp"
#include "nablafit/error.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/model.hpp"
#include "random_spec.hpp"

using namespace nablafit;
using namespace nablafit::testing;

namespace {

bool is_exact(Backend backend) {
  return backend != Backend::finite_difference && backend != Backend::minuit_difference;
}

/// What each backend promises, see ad/backends.hpp. MINUIT stops refining a derivative at 5 %.
AdTolerances tolerances_of(Backend backend) {
  AdTolerances tolerances;
  if (is_exact(backend)) return tolerances;
  tolerances.gradient = backend == Backend::finite_difference ? 1e-7 : 0.05;
  tolerances.hessian = 1e-4;
  return tolerances;
}

/// A model whose second bin and whose third parameter can be forbidden.
Likelihood with_forbidden_regions() {
  ModelSpec spec;
  spec.name = "forbidden";
  for (const char* name : {"a", "b", "c"}) {
    spec.parameters.push_back({name, 1.0, 0.0, 10.0, false, {}, {}, ""});
  }
  spec.parameters[2].constraint = PoissonConstraint{4.0, 4.0};
  Sample sample{"s", {10.0, 20.0}, {ShapeFactor{"f", {"a", "b"}}}, {}, {}, {}};
  spec.channels.push_back({"ch", {sample}, {}, {}});
  return Likelihood(Model(spec), Data{{5.0, 5.0}, {4.0}});
}

}  // namespace

TEST_CASE("every backend gives the derivatives of the forward backend") {
  for (const Backend backend : available_backends()) {
    CAPTURE(to_string(backend));
    for (std::uint64_t seed = 3000; seed < 3008; ++seed) {
      CAPTURE(seed);
      const Model model(random_spec(seed));
      const Likelihood likelihood(model, random_measurement(model, seed));
      const auto evaluator = make_evaluator(likelihood, backend);
      const std::vector<NamedPoint> points = random_points(model, seed);
      for (std::size_t i = 0; i < points.size(); ++i) {
        if (!is_exact(backend) && i != 1) continue;  // differences are poor near kinks
        CAPTURE(points[i].name);
        expect_forward(*evaluator, points[i].x, tolerances_of(backend));
      }
    }
  }
}

TEST_CASE("every backend points out of forbidden regions") {
  const Likelihood likelihood = with_forbidden_regions();
  for (const Backend backend : available_backends()) {
    CAPTURE(to_string(backend));
    const auto evaluator = make_evaluator(likelihood, backend);
    const auto check = [&](const std::vector<double>& x, EvaluationStatus status,
                           const std::vector<double>& expected) {
      std::vector<double> gradient(3, -99.0);
      const Evaluation evaluation = evaluator->value_and_gradient(x.data(), gradient.data());
      CHECK(evaluation.value == INFINITY);
      CHECK(evaluation.status == status);
      for (std::size_t i = 0; i < 3; ++i) CHECK(gradient[i] == doctest::Approx(expected[i]));
    };
    check({1.0, -1.0, 1.0}, EvaluationStatus::negative_yield, {0.0, -20.0, 0.0});
    check({1.0, 1.0, -1.0}, EvaluationStatus::outside_support, {0.0, 0.0, -1.0});
    check({1.0, std::nan(""), 1.0}, EvaluationStatus::invalid_parameter, {0.0, 0.0, 0.0});
    check({1.0, 1e308, 1.0}, EvaluationStatus::not_finite, {0.0, 0.0, 0.0});
  }
}

TEST_CASE("evaluators of one backend do not disturb each other, in one thread or in several") {
  for (const Backend backend : available_backends()) {
    CAPTURE(to_string(backend));
    const Model model(random_spec(7));
    const Likelihood likelihood(model, random_measurement(model, 7));
    const std::size_t n = model.n_parameters();
    const auto gradient_by = [&](Evaluator& evaluator) {
      std::vector<double> gradient(n);
      evaluator.value_and_gradient(model.initial().data(), gradient.data());
      return gradient;
    };
    const auto first = make_evaluator(likelihood, backend);
    const std::vector<double> expected = gradient_by(*first);
    const auto second = make_evaluator(likelihood, backend);
    std::vector<std::vector<double>> found(2);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 2; ++i) {
      threads.emplace_back([&, i] {
        for (int repeat = 0; repeat < 50; ++repeat) found[i] = gradient_by(i ? *second : *first);
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(found[0] == expected);
    CHECK(found[1] == expected);
    CHECK(gradient_by(*first) == expected);
  }
}

TEST_CASE("backends have names, and those that were not built are refused") {
  for (const Backend backend : available_backends()) {
    CHECK(backend_from_name(to_string(backend)) == backend);
  }
  CHECK(available_backends().front() == default_backend());
  CHECK(build_info().backends.front() == to_string(default_backend()));
  CHECK_THROWS_WITH_AS(backend_from_name("foward"),
                       doctest::Contains("'finite-difference' or 'minuit-difference'; did you mean "
                                         "'forward'?"),
                       ArgumentError);
  const std::vector<Backend> built = available_backends();
  for (const Backend backend : {Backend::clad, Backend::codipack}) {
    if (std::find(built.begin(), built.end(), backend) != built.end()) continue;
    CHECK_THROWS_WITH_AS(backend_from_name(to_string(backend)),
                         doctest::Contains("this build does not have it"), ArgumentError);
    CHECK_THROWS_AS(make_evaluator(with_forbidden_regions(), backend), ArgumentError);
  }
}
