#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "expect_ad.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/model.hpp"
#include "random_spec.hpp"
#include "reference/nll.hpp"

using namespace nablafit;
using namespace nablafit::testing;

namespace {

/// Fewer under sanitizers, where the derivatives of the reference take fifty times as long.
#ifdef NABLAFIT_SANITIZED
constexpr std::uint64_t n_random_models = 24;
#else
constexpr std::uint64_t n_random_models = 160;
#endif

void check_yields(const std::vector<double>& found, const std::vector<double>& expected) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CHECK(std::isfinite(found[i]) == std::isfinite(expected[i]));
    if (std::isfinite(expected[i])) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-12));
  }
}

void check_yields(const Model& model, const std::vector<double>& x) {
  const detail::ReferenceModel reference(model.spec());
  std::vector<double> expected(model.n_bins());
  std::vector<double> found(model.n_bins());
  detail::reference_expected(reference, x.data(), expected.data());
  model.expected(x.data(), found.data());
  check_yields(found, expected);
  expected.resize(model.n_rows());
  found.resize(model.n_rows());
  detail::reference_expected_by_sample(reference, x.data(), expected.data());
  model.expected_by_sample(x.data(), found.data());
  check_yields(found, expected);
}

}  // namespace

TEST_CASE("a factor below its floor in a model of nothing else") {
  const Sample sample{"s", {3.0}, {NormFactor{"mu", "mu"}}, {}, {}, 100.0};
  const Parameter fixed{"mu", 1.0, 0.0, 10.0, true, Unconstrained{}, IdentityTransformation{}, {}};
  const Parameter gamma{
      "g", 1.0, 0.0, 10.0, false, PoissonConstraint{10.0, 10.0}, IdentityTransformation{}, {}};
  for (const Parameter& parameter : {fixed, gamma}) {
    Sample with = sample;
    with.modifiers = {NormFactor{"n", parameter.name}};
    ModelSpec spec;
    spec.channels = {{"c", {with}, {}, {}}};
    spec.parameters = {parameter};
    const Model model(spec);
    const Likelihood likelihood(model, model.data({"observed", {{"c", {4.0}}}, {}}));
    expect_ad(*make_evaluator(likelihood), {1.0});
    std::vector<double> yields(1);
    model.expected(std::vector<double>{1.0}.data(), yields.data());
    CHECK(yields[0] == 300.0);
  }
}

TEST_CASE("the default evaluator is the reference on random models") {
  std::map<std::string, std::uint64_t> statuses;
  for (std::uint64_t seed = 0; seed < n_random_models; ++seed) {
    CAPTURE(seed);
    const Model model(random_spec(seed));
    const Likelihood likelihood(model, random_measurement(model, seed));
    for (const NamedPoint& point : random_points(model, seed)) {
      CAPTURE(point.name);
      const auto evaluator = make_evaluator(likelihood);
      ++statuses[std::string(to_string(evaluator->value(point.x.data()).status))];
      if (point.name != "nan") check_yields(model, point.x);
      expect_ad(*evaluator, point.x);
    }
  }
  // The sample is worth its time only if most points have a likelihood and all kinds of others
  // occur.
  CHECK(statuses["ok"] > 3 * n_random_models);
  CHECK(statuses["negative yield"] > n_random_models / 16);
  CHECK(statuses["outside the support of a constraint"] > n_random_models / 16);
  CHECK(statuses["invalid parameter"] > n_random_models / 16);
}

TEST_CASE("an evaluator gives the same answer again after other points") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    const Model model(random_spec(seed));
    const Likelihood likelihood(model, random_measurement(model, seed));
    const auto evaluator = make_evaluator(likelihood);
    const std::size_t n = model.n_parameters();
    std::vector<double> first(n);
    std::vector<double> again(n);
    std::vector<double> matrix(n * n);
    const Evaluation before = evaluator->value_and_gradient(model.initial().data(), first.data());
    for (const NamedPoint& point : random_points(model, seed)) {
      evaluator->hessian(point.x.data(), matrix.data());
    }
    const Evaluation after = evaluator->value_and_gradient(model.initial().data(), again.data());
    CHECK(before.value == after.value);
    CHECK(first == again);
  }
}
