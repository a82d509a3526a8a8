#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#ifdef NABLAFIT_HAS_CODIPACK
#include <codi.hpp>
#endif

#include "expect_ad.hpp"
#include "nablafit/differentiate.hpp"
#include "nablafit/digest.hpp"
#include "nablafit/error.hpp"
#include "nablafit/function.hpp"
#include "nablafit/io/hs3.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/minimize.hpp"
#include "nablafit/model.hpp"

using namespace nablafit;
using namespace nablafit::testing;

namespace {

using FunctionPointer = std::shared_ptr<const Function>;

/// norm exp(-slope x) (1 + slope norm), with a branch that no argument here reaches.
struct Falling {
  template <typename T>
  T operator()(const T* a) const {
    using std::exp;
    if (a[0] < -100.0) return T(0.0);
    return a[1] * exp(-a[0] * a[2]) * (1.0 + a[0] * a[1]);
  }
};
const std::string falling_text = "norm * exp(-slope*x) * (1 + slope*norm)";

/// The same for numbers alone, with the pullback that Clad would write.
double falling(const double* a) { return Falling()(a); }
void falling_pullback(const double* a, double seed, double* adjoints) {
  const double decay = std::exp(-a[0] * a[2]), slope = a[0], norm = a[1], x = a[2];
  const double bracket = 1.0 + slope * norm;
  adjoints[0] += seed * norm * decay * (norm - x * bracket);
  adjoints[1] += seed * decay * (bracket + norm * slope);
  adjoints[2] += seed * -slope * norm * decay * bracket;
}

/// A way to give a function and its derivatives.
struct Kind {
  std::string name;
  FunctionPointer function;
};

std::vector<Kind> all_kinds() {
  std::vector<Kind> kinds{
      {"forward", make_function(3, Falling())},
      {"pullback", make_function(3, Falling(), &falling_pullback)},
      {"pullback, numbers alone", make_function(3, &falling, &falling_pullback)}};
#ifdef NABLAFIT_HAS_CODIPACK
  kinds.push_back({"CoDiPack", make_taped_function<codi::RealReverse>(3, Falling())});
#endif
  return kinds;
}

/// Two samples in three bins. The factor of the first differs from bin to bin and sums over
/// `n_nodes` nodes of each; it shares its parameters with other modifiers.
ModelSpec spec_with(const FunctionPointer& function, std::size_t n_nodes = 1) {
  ModelSpec spec;
  spec.name = "functions";
  const GaussianConstraint unit{0.4, 0.3, {}};
  spec.parameters = {{"slope", 0.4, -3.0, 3.0, false, unit, {}, ""},
                     {"norm", 1.2, 0.0, 10.0, false, {}, {}, ""}};
  FormulaFactor factor{"falling", function == nullptr ? falling_text : "", {"slope", "norm"}};
  factor.variables = {{"x", {}}};
  for (std::size_t i = 0; i < 3 * n_nodes; ++i) {
    factor.variables[0].values.push_back(0.5 * static_cast<double>(i));
    if (n_nodes > 1) factor.weights.push_back(0.3 + 0.1 * static_cast<double>(i));
  }
  factor.function = function;
  const NormSys norm_sys{"slope", "slope", 0.9, 1.2};
  Sample signal{"signal", {10.0, 8.0, 5.0}, {factor, norm_sys, NormFactor{"norm", "norm"}}, {}, {},
                {}};
  Sample background{"background", {20.0, 15.0, 9.0}, {norm_sys}, {}, {}, {}};
  spec.channels.push_back({"channel", {signal, background}, {}, {}});
  return spec;
}

Likelihood likelihood_of(const ModelSpec& spec) {
  return Likelihood(Model(spec), Data{{29.0, 25.0, 11.0}, {0.4}});
}

FormulaFactor& factor_of(ModelSpec& spec) {
  return std::get<FormulaFactor>(spec.channels[0].samples[0].modifiers[0]);
}

const std::vector<std::vector<double>> points{{0.4, 1.2}, {0.0, 0.7}, {-1.0, 0.0}, {1.7, 2.5}};

}  // namespace

TEST_CASE("functions in C++ have the derivatives of the same expression") {
  for (const std::size_t n_nodes : {1U, 3U}) {
    const Likelihood expected = likelihood_of(spec_with(nullptr, n_nodes));
    for (const Kind& kind : all_kinds()) {
      CAPTURE(kind.name);
      const Likelihood likelihood = likelihood_of(spec_with(kind.function, n_nodes));
      const double precision = kind.name == "pullback, numbers alone" ? 1e-8 : 1e-12;
      for (const std::vector<double>& x : points) {
        expect_ad(likelihood, x);
        std::vector<double> gradient(2), hessian(4), same_gradient(2), same_hessian(4);
        const auto evaluator = make_evaluator(likelihood), other = make_evaluator(expected);
        const double value = evaluator->value_and_gradient(x.data(), gradient.data()).value;
        CHECK(value == doctest::Approx(other->value(x.data()).value).epsilon(1e-14));
        other->value_and_gradient(x.data(), same_gradient.data());
        evaluator->hessian(x.data(), hessian.data());
        other->hessian(x.data(), same_hessian.data());
        for (std::size_t i = 0; i < 4; ++i) {
          const double scale = 1.0 + std::abs(same_hessian[i]);
          CHECK(std::abs(hessian[i] - same_hessian[i]) < precision * scale);
          if (i > 1) continue;
          CHECK(std::abs(gradient[i] - same_gradient[i]) < 1e-12 * (1.0 + std::abs(gradient[i])));
        }
      }
    }
  }
}

TEST_CASE("every backend takes functions in C++") {
  for (const Kind& kind : all_kinds()) {
    CAPTURE(kind.name);
    const Likelihood likelihood = likelihood_of(spec_with(kind.function, 2));
    for (const Backend backend : available_backends()) {
      CAPTURE(to_string(backend));
      const bool is_exact = to_string(backend).find("difference") == std::string_view::npos;
      AdTolerances tolerances;
      if (!is_exact) tolerances.gradient = 0.05;
      if (!is_exact) tolerances.hessian = 1e-4;
      expect_forward(*make_evaluator(likelihood, backend), points[3], tolerances);
    }
  }
}

TEST_CASE("fits of functions in C++ are those of the same expression") {
  const MinimizeSummary expected = minimize(likelihood_of(spec_with(nullptr)));
  REQUIRE(is_minimum(expected.status));
  for (const Kind& kind : all_kinds()) {
    CAPTURE(kind.name);
    const MinimizeSummary found = minimize(likelihood_of(spec_with(kind.function)));
    CHECK(is_minimum(found.status));
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(found.x[i] == doctest::Approx(expected.x[i]).epsilon(1e-7));
      CHECK(found.errors[i] == doctest::Approx(expected.errors[i]).epsilon(1e-6));
    }
  }
}

TEST_CASE("what takes two derivatives of a function is exact, what takes three is refused") {
  DifferentiableFit of_expression(likelihood_of(spec_with(nullptr)));
  DifferentiableFit of_function(likelihood_of(spec_with(make_function(3, Falling()))));
  FitCotangent cotangent;
  const double weights[] = {0.7, -0.3}, covariance[] = {1.0, 0.2, 0.2, 0.5};
  cotangent.parameters = weights;
  cotangent.value = 1.3;
  const FullGradient expected = of_expression.pull_back(cotangent);
  const FullGradient found = of_function.pull_back(cotangent);
  REQUIRE(found.inputs.size() == expected.inputs.size());
  for (std::size_t i = 0; i < found.inputs.size(); ++i) {
    CHECK(found.inputs[i] == doctest::Approx(expected.inputs[i]).epsilon(1e-9));
  }
  for (std::size_t b = 0; b < found.counts.size(); ++b) {
    CHECK(found.counts[b] == doctest::Approx(expected.counts[b]).epsilon(1e-9));
  }

  const char* message = "'falling' is a function in C++, which has no third derivative";
  cotangent.covariance = covariance;
  CHECK_NOTHROW(of_expression.pull_back(cotangent));
  CHECK_THROWS_WITH_AS(of_function.pull_back(cotangent), doctest::Contains(message), Error);
  CHECK_NOTHROW(of_function.push_forward({}, false));
  CHECK_THROWS_WITH_AS(of_function.push_forward({}, true), doctest::Contains(message), Error);
  const Model& model = of_function.likelihood().model();
  ObjectiveArguments arguments;
  arguments.n = 1;
  arguments.point = model.initial();
  arguments.lower = model.lower();
  arguments.upper = model.upper();
  arguments.fixed = model.fixed();
  arguments.direction = {1.0, 0.0};
  CHECK(expected_variances(model, arguments).messages[0].find(message) != std::string::npos);
  CHECK(expected_informations(model, arguments).messages[0].find(message) != std::string::npos);
  CHECK(likelihood_ratios(model, arguments).messages[0].empty());
}

TEST_CASE("a function without variables is one factor of all bins") {
  ModelSpec spec = spec_with(make_function(2, [](const auto* a) { return a[0] * a[0] + a[1]; }));
  factor_of(spec).variables.clear();
  ModelSpec same = spec_with(nullptr);
  factor_of(same).variables.clear();
  factor_of(same).expression = "slope^2 + norm";
  const auto evaluator = make_evaluator(likelihood_of(spec));
  const auto other = make_evaluator(likelihood_of(same));
  CHECK(evaluator->value(points[0].data()).value ==
        doctest::Approx(other->value(points[0].data()).value).epsilon(1e-14));
  expect_ad(likelihood_of(spec), points[3]);
}

TEST_CASE("a function that gives no number makes no likelihood") {
  const ModelSpec spec = spec_with(make_function(3, [](const auto* a) {
    using std::log;
    return log(a[0]) + a[1] * a[2];
  }));
  const auto evaluator = make_evaluator(likelihood_of(spec));
  const std::vector<double> x{-1.0, 1.0};
  std::vector<double> gradient(2);
  const Evaluation evaluation = evaluator->value_and_gradient(x.data(), gradient.data());
  CHECK(evaluation.status == EvaluationStatus::not_finite);
  CHECK(evaluation.value == INFINITY);
}

TEST_CASE("functions in C++ stay in the program") {
  const FunctionPointer function = make_function(3, Falling());
  ModelSpec spec = spec_with(function);
  CHECK(spec == spec_with(function));
  CHECK(spec != spec_with(make_function(3, Falling())));
  CHECK(spec != spec_with(nullptr));
  CHECK_THROWS_WITH_AS(digest(spec), doctest::Contains("functions in C++ has no digest"),
                       ArgumentError);
  CHECK_THROWS_WITH_AS(io::write_hs3(spec, {}),
                       doctest::Contains("the factor 'falling', which is a function in C++"),
                       WorkspaceError);
  CHECK(io::write_hs3(spec, {}, {true}).text.find("falling") == std::string::npos);

  factor_of(spec).parameters.pop_back();
  CHECK_THROWS_WITH_AS(validate(spec), doctest::Contains("found 3 arguments, expected 2"),
                       SpecError);
  spec = spec_with(function);
  factor_of(spec).expression = "slope";
  CHECK_THROWS_WITH_AS(validate(spec), doctest::Contains("leave the expression empty"), SpecError);
}

TEST_CASE("formulas that differ from bin to bin have no place in HS3") {
  const ModelSpec spec = spec_with(nullptr);
  CHECK_THROWS_WITH_AS(io::write_hs3(spec, {}),
                       doctest::Contains("the formula 'falling', which differs from bin to bin"),
                       WorkspaceError);
  CHECK(io::write_hs3(spec, {}, {true}).text.find("falling") == std::string::npos);
}

TEST_CASE("equality and digest follow numbers of the bin and weights") {
  const ModelSpec spec = spec_with(nullptr, 2);
  const auto check_changed = [&](auto change) {
    ModelSpec other = spec;
    change(factor_of(other));
    CHECK(other != spec);
    CHECK(digest(other) != digest(spec));
  };
  check_changed([](FormulaFactor& f) { f.variables[0].values[1] += 1e-12; });
  check_changed([](FormulaFactor& f) { f.variables[0].name = "y"; });
  check_changed([](FormulaFactor& f) { f.variables.push_back(f.variables[0]); });
  check_changed([](FormulaFactor& f) { f.weights[3] += 1e-12; });
  check_changed([](FormulaFactor& f) { f.weights.clear(); });
}

TEST_CASE("hyper-dual numbers have the derivatives of their functions") {
  const auto check = [](const auto& f) {
    const std::vector<double> x{0.7, 1.3};
    std::vector<double> gradient(2), hessian(4);
    const double value = differentiate(f, 2, x.data(), gradient.data(), hessian.data());
    CHECK(value == f(x.data()));
    for (std::size_t i = 0; i < 2; ++i) {
      const auto slope_at = [&](std::vector<double> point, std::size_t j, double step) {
        point[j] += step;
        const double right = f(point.data());
        point[j] -= 2.0 * step;
        return (right - f(point.data())) / (2.0 * step);
      };
      CHECK(gradient[i] == doctest::Approx(slope_at(x, i, 1e-5)).epsilon(1e-8));
      for (std::size_t j = 0; j < 2; ++j) {
        std::vector<double> right = x, left = x;
        right[j] += 1e-4;
        left[j] -= 1e-4;
        const double curvature = (slope_at(right, i, 1e-4) - slope_at(left, i, 1e-4)) / 2e-4;
        CHECK(hessian[2 * i + j] == doctest::Approx(curvature).epsilon(1e-5).scale(1.0));
      }
    }
  };
  check([](const auto* a) { return a[0] / a[1] - 2.0 / a[0] + +a[1] * 3.0 - 1.0; });
  check([](const auto* a) { return exp(a[0]) * log(a[1]) + sqrt(a[0] + a[1]); });
  check([](const auto* a) { return sin(a[0]) * cos(a[1]) + tan(a[0] * a[1]); });
  check([](const auto* a) {
    using std::abs;
    return tanh(a[0]) * erf(a[1]) + abs(a[0] - a[1]);
  });
  check([](const auto* a) { return pow(a[0], 2.5) + pow(a[0], a[1]) + pow(a[1], 3.0); });
  check([](const auto* a) {
    auto sum = a[0];
    sum += a[1];
    sum *= a[0];
    sum -= 2.0 * a[1];
    sum /= 1.0 + a[0];
    if (sum >= 100.0 || sum == a[0] || sum != sum) return a[0];
    return sum <= -100.0 || sum > 100.0 ? a[1] : sum;
  });
}
