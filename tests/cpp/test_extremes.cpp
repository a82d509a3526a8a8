/// Extreme numbers: every evaluation has a defined result, by the fused evaluator and by the plain
/// reference.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "differentiate/input_derivatives.hpp"
#include "nablafit/error.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/model.hpp"
#include "random_spec.hpp"

using namespace nablafit;
using namespace nablafit::testing;

namespace {

using Vector = std::vector<double>;

constexpr double infinity = std::numeric_limits<double>::infinity();

Parameter parameter(const std::string& name, double initial,
                    const Constraint& constraint = Unconstrained{}) {
  Parameter result;
  result.name = name;
  result.initial = initial;
  result.lower = -infinity;
  result.upper = infinity;
  result.constraint = constraint;
  return result;
}

/// One bin with the given nominal yield, times "mu", and one more modifier.
ModelSpec one_bin(double nominal, const Parameter& second, const std::vector<Modifier>& modifiers) {
  ModelSpec spec;
  Sample sample;
  sample.name = "sample";
  sample.nominal = {nominal};
  sample.modifiers = modifiers;
  sample.modifiers.emplace_back(NormFactor{"mu", "mu"});
  Channel channel;
  channel.name = "channel";
  channel.samples = {sample};
  spec.channels = {channel};
  spec.parameters = {parameter("mu", 1.0), second};
  return spec;
}

Parameter nuisance() { return parameter("alpha", 0.0, GaussianConstraint{}); }

struct Answers {
  Evaluation value, first, second, along;
  Vector gradient, hessian, product;
};

Answers ask(const Likelihood& likelihood, const Vector& x, Backend backend) {
  const double unset = std::nan("");
  const std::size_t n = x.size();
  Answers a{{}, {}, {}, {}, Vector(n, unset), Vector(n * n, unset), Vector(n, unset)};
  const auto evaluator = make_evaluator(likelihood, backend);
  const Vector direction(n, 1.0);
  a.value = evaluator->value(x.data());
  a.first = evaluator->value_and_gradient(x.data(), a.gradient.data());
  a.second = evaluator->hessian(x.data(), a.hessian.data());
  a.along = evaluator->hessian_vector_product(x.data(), direction.data(), a.product.data());
  return a;
}

/// `ok` and finite, or +infinity and a reason; the numbers that go with it are finite.
void check_defined(const char* what, const Evaluation& evaluation, const Vector& numbers) {
  INFO(what);
  CAPTURE(std::string(to_string(evaluation.status)));
  if (evaluation.status == EvaluationStatus::ok) {
    CHECK(std::isfinite(evaluation.value));
  } else {
    CHECK(evaluation.value == infinity);
  }
  for (const double number : numbers) CHECK(std::isfinite(number));
}

void check_defined(const Answers& answers) {
  check_defined("value", answers.value, {});
  check_defined("gradient", answers.first, answers.gradient);
  check_defined("Hessian", answers.second, answers.hessian);
  check_defined("Hessian-vector product", answers.along, answers.product);
}

/// Defined by the fused evaluator and the plain reference alike. Where terms of 1e300 cancel they
/// round differently, so their agreement is tested at ordinary numbers, on random models.
void check_point(const Likelihood& likelihood, const Vector& x) {
  CAPTURE(x);
  check_defined(ask(likelihood, x, default_backend()));
  check_defined(ask(likelihood, x, Backend::forward));
}

const Vector coordinates{0.0,  1.0, -1.0, 0.999, 1e-10, -1e-300, 5.0,    -5.0,  40.0,
                         -40., 1e3, -1e3, 1e10,  -1e10, 1e150,   -1e150, 1e300, -1e300};

/// All pairs of coordinates, with each of the counts and the stored global observables.
void check_everywhere(const ModelSpec& spec, const Vector& counts) {
  const Model model(spec);
  Vector observables;
  for (const std::size_t i : model.constrained_parameters()) {
    observables.push_back(*observed_value(model.spec().parameters[i]));
  }
  for (const double count : counts) {
    CAPTURE(count);
    const Likelihood likelihood(model, {{count}, observables});
    CHECK(std::isfinite(likelihood.constant()));
    for (const double mu : coordinates) {
      for (const double other : coordinates) check_point(likelihood, {mu, other});
    }
  }
}

}  // namespace

TEST_CASE("extremes: yields from 1e-300 to 1e300, negative and none, counts up to 1e15") {
  for (const double nominal :
       {0.0, 5e-324, 1e-300, 1e-100, 1.0, 1e15, 1e100, 1e300, -1.0, -1e300}) {
    CAPTURE(nominal);
    check_everywhere(one_bin(nominal, nuisance(), {NormSys{"a", "alpha", 0.9, 1.1}}),
                     {0.0, 1e-300, 0.5, 1.0, 1e15});
  }
}

TEST_CASE("extremes: factors of 0, 1e-10 and 1e10 in every interpolation") {
  for (const int code : {0, 1, 2, 4, 5, 6}) {
    for (const auto& factors :
         {std::pair(0.0, 2.0), std::pair(0.0, 0.0), std::pair(1.0, 0.0), std::pair(1e-10, 1e10),
          std::pair(1e10, 1e10), std::pair(1e-300, 1e300), std::pair(0.01, 40.0)}) {
      const double low = factors.first, high = factors.second;
      CAPTURE(code);
      CAPTURE(low);
      CAPTURE(high);
      const NormSys modifier{"a", "alpha", low, high, static_cast<Interpolation>(code)};
      check_everywhere(one_bin(10.0, nuisance(), {modifier}), {0.0, 12.0});
      const HistoSys histogram{"a", "alpha", {10.0 * low}, {10.0 * high}, modifier.interpolation};
      check_everywhere(one_bin(10.0, nuisance(), {histogram}), {0.0, 12.0});
    }
  }
}

TEST_CASE("extremes: histograms that change sign") {
  for (const int code : {0, 1, 2, 4, 5, 6}) {
    for (const auto& factors : {std::pair(-10.0, 30.0), std::pair(-10.0, -5.0),
                                std::pair(0.0, -1e10), std::pair(-1e300, 1e300)}) {
      const double low = factors.first, high = factors.second;
      CAPTURE(code);
      CAPTURE(low);
      CAPTURE(high);
      const HistoSys histogram{"a", "alpha", {low}, {high}, static_cast<Interpolation>(code)};
      check_everywhere(one_bin(10.0, nuisance(), {histogram}), {0.0, 12.0});
      check_everywhere(one_bin(-10.0, nuisance(), {histogram}), {0.0});
    }
  }
}

TEST_CASE("extremes: constraints from very narrow to very wide") {
  const std::vector<Constraint> constraints{GaussianConstraint{1.0, 1e-12, std::nullopt},
                                            GaussianConstraint{1.0, 1e-300, std::nullopt},
                                            GaussianConstraint{1.0, 1e300, std::nullopt},
                                            GaussianConstraint{1e300, 1e-12, std::nullopt},
                                            GaussianConstraint{1.0, 1e-12, Range{0.0, 1.0}},
                                            GaussianConstraint{1.0, 0.1, Range{0.9, 1.1}},
                                            GaussianConstraint{1.0, 1e300, Range{-1.0, 1e300}},
                                            PoissonConstraint{1e15, 1e15},
                                            PoissonConstraint{1e24, 1e24},
                                            PoissonConstraint{1e-12, 1e-12},
                                            PoissonConstraint{0.0, 1e300},
                                            PoissonConstraint{1.0, 1e-300},
                                            PoissonConstraint{1e60, 1e60},
                                            GammaConstraint{1e12, 1e-12},
                                            GammaConstraint{0.0, 1e-300},
                                            GammaConstraint{1e-10, 1e10},
                                            LogNormalConstraint{1.0, 1.0 + 1e-12},
                                            LogNormalConstraint{1e300, 1e300},
                                            LogNormalConstraint{1e-300, 1.1}};
  for (const Constraint& constraint : constraints) {
    CAPTURE(constraint.index());
    check_everywhere(
        one_bin(10.0, parameter("gamma", 1.0, constraint), {StatError{"gamma", {"gamma"}, {}}}),
        {10.0});
  }
}

TEST_CASE("extremes: arguments of interpolations that overflow") {
  for (const Transformation& transformation : std::vector<Transformation>{
           GammaTransformation{1e-12}, GammaTransformation{1e12}, LogNormalTransformation{1e-12},
           LogNormalTransformation{1e12}, LogNormalTransformation{1e300}}) {
    CAPTURE(transformation.index());
    Parameter alpha = nuisance();
    alpha.transformation = transformation;
    check_everywhere(one_bin(10.0, alpha, {NormSys{"a", "alpha", 0.9, 1.1}}), {10.0});
    check_everywhere(one_bin(10.0, alpha, {HistoSys{"a", "alpha", {9.0}, {12.0}}}), {10.0});
  }
}

TEST_CASE("extremes: the floor of a channel does not hide an overflow") {
  ModelSpec spec = one_bin(1e300, nuisance(), {});
  spec.channels[0].yield_floor = 1.0;
  const Model model(spec);
  const Likelihood likelihood(model, model.data({"observed", {{"channel", {0.0}}}, {}}));
  for (const Backend backend : {Backend::clad, Backend::finite_difference}) {
    const auto evaluator = make_evaluator(likelihood, backend);
    CHECK(evaluator->value(Vector{-1e300, 0.0}.data()).status == EvaluationStatus::not_finite);
    CHECK(evaluator->value(Vector{-1e3, 0.0}.data()).value == 1.0);
  }
  Vector yields(1);
  model.expected(Vector{-1e300, 0.0}.data(), yields.data());
  CHECK(yields[0] == -infinity);
  detail::InputDerivatives derivatives(likelihood);
  const double weight = 1.0;
  CHECK(derivatives.yields(Vector{-1e300, 0.0}.data(), &weight).parameters[0] == 1e300);
  CHECK(derivatives.yields(Vector{-1e3, 0.0}.data(), &weight).parameters[0] == 0.0);
}

TEST_CASE("extremes: formulas outside their domain") {
  for (const char* text : {"1 / alpha", "log(alpha)", "sqrt(alpha)", "alpha^-0.5", "alpha^alpha",
                           "exp(alpha)", "exp(exp(alpha))", "0 * alpha / alpha", "tan(alpha)"}) {
    CAPTURE(text);
    check_everywhere(one_bin(10.0, nuisance(), {FormulaFactor{"f", text, {"alpha"}}}), {10.0, 0.0});
  }
}

TEST_CASE("extremes: random models far outside their bounds") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    const Model model(random_spec(seed));
    const Likelihood likelihood(model, random_measurement(model, seed));
    Random random(seed);
    for (int i = 0; i < 6; ++i) {
      Vector x = model.initial();
      for (double& coordinate : x) {
        if (random.chance(0.5)) coordinate = random.pick(coordinates);
      }
      check_defined(ask(likelihood, x, default_backend()));
    }
  }
}

TEST_CASE("extremes: what has no meaning is refused") {
  const std::vector<Modifier> negative{NormSys{"a", "alpha", -0.1, 1.1}};
  CHECK_THROWS_AS(Model(one_bin(1.0, nuisance(), negative)), SpecError);
  const auto refused = [](const Constraint& constraint) {
    CHECK_THROWS_AS(Model(one_bin(1.0, parameter("gamma", 1.0, constraint), {})), SpecError);
  };
  refused(GaussianConstraint{1.0, 0.0, std::nullopt});
  refused(GaussianConstraint{infinity, 1.0, std::nullopt});
  refused(PoissonConstraint{1.0, 0.0});
  refused(LogNormalConstraint{1.0, 1.0});
}

TEST_CASE("an overflow has a status of its own, and says of which parameter") {
  const Parameter narrow = parameter("gamma", 1.0, GaussianConstraint{1.0, 1e-12, std::nullopt});
  const Model model(one_bin(10.0, narrow, {}));
  const Likelihood likelihood(model, {{10.0}, {1.0}});
  const auto evaluator = make_evaluator(likelihood);
  Vector gradient(2);
  const Vector far{1.0, 1e160};
  CHECK(evaluator->value(far.data()).status == EvaluationStatus::overflow);
  CHECK(evaluator->value_and_gradient(far.data(), gradient.data()).status ==
        EvaluationStatus::overflow);
  CHECK(gradient == Vector{0.0, 0.0});
  // 5 sigma away, all is as usual.
  const Vector near{1.0, 1.0 + 5e-12};
  CHECK(evaluator->value(near.data()).value == doctest::Approx(12.5).epsilon(1e-3));
  // The value 1e300 is fine; the second derivative with respect to mu is, that to gamma is not.
  const Parameter tiny = parameter("gamma", 1.0, GaussianConstraint{1.0, 1e-160, std::nullopt});
  const Model sharp(one_bin(10.0, tiny, {}));
  const Likelihood other(sharp, {{10.0}, {1.0}});
  Vector matrix(4);
  const Evaluation second = make_evaluator(other)->hessian(sharp.initial().data(), matrix.data());
  CHECK(second.status == EvaluationStatus::overflow);
  CHECK(second.index == 1);
  CHECK(matrix == Vector(4, 0.0));
}
