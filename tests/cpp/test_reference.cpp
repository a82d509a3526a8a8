#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "ad/backends.hpp"
#include "expect_ad.hpp"
#include "nablafit/error.hpp"
#include "nablafit/likelihood.hpp"
#include "random_spec.hpp"
#include "reference/nll.hpp"

using namespace nablafit;
using namespace nablafit::testing;
using detail::find_offence;
using detail::reference_expected;
using detail::reference_nll;
using detail::ReferenceModel;

namespace {

/// Number of parameters of `one_sample`, all at 0 but a third one at 1.
const std::vector<std::string> parameter_names{"a", "b", "g"};

/// One channel with one sample and parameters a, b (from -10 to 10) and g (from 0 to 10).
ModelSpec one_sample(const std::vector<double>& nominal, const std::vector<Modifier>& modifiers) {
  ModelSpec spec;
  for (const std::string& name : parameter_names) {
    Parameter parameter;
    parameter.name = name;
    parameter.lower = name == "g" ? 0.0 : -10.0;
    parameter.upper = 10.0;
    spec.parameters.push_back(parameter);
  }
  Sample sample;
  sample.name = "sample";
  sample.nominal = nominal;
  sample.modifiers = modifiers;
  Channel channel;
  channel.name = "channel";
  channel.samples = {sample};
  spec.channels = {channel};
  return spec;
}

std::vector<double> yields(const ModelSpec& spec, const std::vector<double>& x) {
  const ReferenceModel model(spec);
  std::vector<double> result(model.n_bins());
  reference_expected(model, x.data(), result.data());
  return result;
}

double yield(const ModelSpec& spec, const std::vector<double>& x) { return yields(spec, x)[0]; }

/// Yield of a bin of 10 with one HistoSys from 8 to 13.
double histo_sys(Interpolation code, double alpha) {
  return yield(one_sample({10.0}, {HistoSys{"h", "a", {8.0}, {13.0}, code}}), {alpha, 0.0, 1.0});
}

/// Yield of a bin of 10 with one NormSys from 0.8 to 1.3.
double norm_sys(Interpolation code, double alpha) {
  return yield(one_sample({10.0}, {NormSys{"n", "a", 0.8, 1.3, code}}), {alpha, 0.0, 1.0});
}

/// Constraint term of a parameter at `x`, in a model without anything else to say.
double term(const Constraint& constraint, double observed, double x) {
  ModelSpec spec = one_sample({7.0}, {});
  spec.parameters[2].constraint = constraint;
  const std::vector<double> point{0.0, 0.0, x};
  return reference_nll(ReferenceModel(spec), Data{{7.0}, {observed}}, point.data());
}

doctest::Approx approx(double value) { return doctest::Approx(value).epsilon(1e-13); }

}  // namespace

TEST_CASE("reference: Poisson terms in deviance form") {
  const ModelSpec spec = one_sample({10.0, 4.0, 0.0}, {NormFactor{"mu", "a"}});
  const ReferenceModel model(spec);
  const std::vector<double> x{2.0, 0.0, 1.0};
  const double expected = (20.0 - 15.5 + 15.5 * std::log(15.5 / 20.0)) + 8.0;
  CHECK(reference_nll(model, Data{{15.5, 0.0, 0.0}, {}}, x.data()) == approx(expected));
}

TEST_CASE("reference: additive HistoSys") {
  using Code = Interpolation;
  // S = 2.5, A = (13 + 8 - 20) / 16 = 1/16; g(1/2) = (1/4) (15 + (1/4) (3/4 - 10)) = 3.171875.
  CHECK(histo_sys(Code::polynomial_linear, 0.5) == approx(10.0 + 1.25 + 3.171875 / 16.0));
  CHECK(histo_sys(Code::polynomial_linear, 2.0) == approx(16.0));
  CHECK(histo_sys(Code::polynomial_linear, -2.0) == approx(6.0));
  CHECK(histo_sys(Code::piecewise_linear, 0.5) == approx(11.5));
  CHECK(histo_sys(Code::piecewise_linear, -0.5) == approx(9.0));
  CHECK(histo_sys(Code::piecewise_linear, -3.0) == approx(4.0));
  // a = (13 + 8) / 2 - 10 = 1/2, b = 5/2: a x^2 + b x inside, slope b + 2 a beyond +1.
  CHECK(histo_sys(Code::quadratic_linear, 0.5) == approx(10.0 + 0.125 + 1.25));
  CHECK(histo_sys(Code::quadratic_linear, 2.0) == approx(13.0 + 3.5));
  CHECK(histo_sys(Code::quadratic_linear, -2.0) == approx(8.0 - 1.5));
}

TEST_CASE("reference: all codes pass through low, nominal and high") {
  for (const int number : {0, 1, 2, 4, 5, 6}) {
    CAPTURE(number);
    const auto code = static_cast<Interpolation>(number);
    CHECK(histo_sys(code, -1.0) == approx(8.0));
    CHECK(histo_sys(code, 0.0) == approx(10.0));
    CHECK(histo_sys(code, 1.0) == approx(13.0));
    CHECK(norm_sys(code, -1.0) == approx(8.0));
    CHECK(norm_sys(code, 0.0) == approx(10.0));
    CHECK(norm_sys(code, 1.0) == approx(13.0));
  }
}

TEST_CASE("reference: multiplicative codes continue as powers or lines") {
  using Code = Interpolation;
  for (const Code code : {Code::piecewise_exponential, Code::polynomial_exponential}) {
    CHECK(norm_sys(code, 2.0) == approx(10.0 * 1.3 * 1.3));
    CHECK(norm_sys(code, -3.0) == approx(10.0 * 0.8 * 0.8 * 0.8));
    CHECK(histo_sys(code, 2.0) == approx(16.9));
  }
  CHECK(norm_sys(Code::piecewise_exponential, 0.5) == approx(10.0 * std::sqrt(1.3)));
  CHECK(norm_sys(Code::polynomial_linear_multiplicative, 2.0) == approx(16.0));
  CHECK(norm_sys(Code::polynomial_linear_multiplicative, 0.5) ==
        approx(10.0 + 1.25 + 3.171875 / 16.0));
}

TEST_CASE("reference: multiplicative NormSys multiply, additive ones add up first") {
  const auto code_0 = Interpolation::piecewise_linear;
  const auto code_1 = Interpolation::piecewise_exponential;
  const std::vector<double> x{2.0, -1.0, 1.0};
  const ModelSpec product = one_sample(
      {10.0}, {NormSys{"n", "a", 0.9, 1.2, code_1}, NormSys{"m", "b", 0.7, 1.1, code_1}});
  CHECK(yield(product, x) == approx(10.0 * 1.44 * 0.7));
  const ModelSpec sum = one_sample(
      {10.0}, {NormSys{"n", "a", 0.9, 1.2, code_0}, NormSys{"m", "b", 0.7, 1.1, code_0}});
  CHECK(yield(sum, x) == approx(10.0 * (1.0 + 0.4 - 0.3)));
  const ModelSpec both = one_sample(
      {10.0}, {NormSys{"n", "a", 0.9, 1.2, code_0}, NormSys{"m", "b", 0.7, 1.1, code_1}});
  CHECK(yield(both, x) == approx(10.0 * 1.4 * 0.7));
}

TEST_CASE("reference: HistoSys add to the nominal yield before factors, or multiply each bin") {
  const auto code_0 = Interpolation::piecewise_linear;
  const auto code_1 = Interpolation::piecewise_exponential;
  const ModelSpec spec = one_sample(
      {10.0, 0.0}, {HistoSys{"h", "a", {9.0, 0.0}, {12.0, 1.0}, code_0},
                    HistoSys{"k", "b", {8.0, 5.0}, {11.0, 6.0}, code_1}, NormFactor{"mu", "g"}});
  // The multiplicative one leaves the bin without nominal yield alone.
  const auto result = yields(spec, {2.0, -1.0, 3.0});
  CHECK(result[0] == approx((10.0 + 4.0) * 0.8 * 3.0));
  CHECK(result[1] == approx(2.0 * 3.0));
}

TEST_CASE("reference: per-bin factors, luminosity and formulas") {
  const ModelSpec spec =
      one_sample({10.0, 20.0}, {StatError{"s", {"a", "b"}, {}}, ShapeSys{"t", {"b", "b"}, {}},
                                ShapeFactor{"f", {"g", "a"}}, Lumi{"lumi", "g"},
                                FormulaFactor{"e", "1 + @1/2", {"a", "b"}}});
  const auto result = yields(spec, {2.0, 3.0, 0.5});
  CHECK(result[0] == approx(10.0 * 2.0 * 3.0 * 0.5 * 0.5 * 2.5));
  CHECK(result[1] == approx(20.0 * 3.0 * 3.0 * 2.0 * 0.5 * 2.5));
}

TEST_CASE("reference: floors") {
  const auto code_0 = Interpolation::piecewise_linear;
  ModelSpec spec = one_sample({10.0}, {HistoSys{"h", "a", {8.0}, {12.0}, code_0},
                                       NormSys{"n", "b", 0.9, 1.1, code_0}, NormFactor{"m", "g"}});
  Sample& sample = spec.channels[0].samples[0];
  CHECK(yield(spec, {-7.0, 0.0, 0.5}) == approx(-2.0));
  sample.yield_floor = 1.0;
  CHECK(yield(spec, {-7.0, 0.0, 0.5}) == approx(0.5));
  CHECK(yield(spec, {-1.0, -5.0, 1.0}) == approx(4.0));
  sample.factor_floor = 0.75;
  CHECK(yield(spec, {-1.0, -5.0, 1.0}) == approx(6.0));
  CHECK(yield(spec, {-1.0, -5.0, 0.5}) == approx(3.0));
  spec.channels[0].yield_floor = 5.0;
  CHECK(yield(spec, {-1.0, -5.0, 0.5}) == approx(5.0));
}

TEST_CASE("reference: channels follow each other and samples add up") {
  ModelSpec spec = one_sample({1.0, 2.0}, {NormFactor{"m", "a"}});
  spec.channels.push_back(spec.channels[0]);
  spec.channels[1].name = "second";
  spec.channels[1].samples[0].nominal = {5.0};
  spec.channels[1].samples[0].modifiers.clear();
  spec.channels[0].samples.push_back(spec.channels[0].samples[0]);
  spec.channels[0].samples[1].name = "background";
  spec.channels[0].samples[1].modifiers.clear();
  const std::vector<double> x{3.0, 0.0, 1.0};
  CHECK(yields(spec, x) == std::vector<double>{4.0, 8.0, 5.0});
  std::vector<double> rows(5);
  detail::reference_expected_by_sample(ReferenceModel(spec), x.data(), rows.data());
  CHECK(rows == std::vector<double>{3.0, 6.0, 1.0, 2.0, 5.0});
}

TEST_CASE("reference: constraint terms") {
  CHECK(term(GaussianConstraint{0.0, 0.5, {}}, 1.0, 2.0) == approx(0.5 * 4.0));
  CHECK(term(PoissonConstraint{0.0, 16.0}, 20.0, 1.1) ==
        approx(17.6 - 20.0 + 20.0 * std::log(20.0 / 17.6)));
  CHECK(term(PoissonConstraint{0.0, 16.0}, 0.0, 1.1) == approx(17.6));
  const double pull = std::log(1.2 / 1.5) / std::log(1.1);
  CHECK(term(LogNormalConstraint{1.0, 1.1}, 1.2, 1.5) == approx(0.5 * pull * pull));
  CHECK(term(GammaConstraint{0.0, 0.25}, 5.0, 1.5) ==
        approx(6.0 - 5.0 + 5.0 * std::log(5.0 / 6.0)));
  CHECK(term(UniformConstraint{}, 0.0, 1.5) == 0.0);
  CHECK(term(Unconstrained{}, 0.0, 1.5) == 0.0);
  // Truncated: the mass of N(0.8, 0.4) in [0, 1.5].
  const auto phi = [](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); };
  const double mass = phi((1.5 - 0.8) / 0.4) - phi(-0.8 / 0.4);
  CHECK(term(GaussianConstraint{1.0, 0.4, Range{0.0, 1.5}}, 1.0, 0.8) ==
        approx(0.5 * 0.25 + std::log(mass)));
}

TEST_CASE("reference: pulls are what interpolations see") {
  ModelSpec spec = one_sample({10.0}, {NormSys{"n", "a", 0.8, 1.3}});
  spec.parameters[0].transformation = GammaTransformation{0.1};
  CHECK(yield(spec, {1.2, 0.0, 1.0}) == approx(16.9));
  CHECK(yield(spec, {1.0, 0.0, 1.0}) == approx(10.0));
  spec.parameters[0].transformation = LogNormalTransformation{0.5};
  CHECK(yield(spec, {2.0, 0.0, 1.0}) == approx(10.0 * std::pow(1.3, 2.5)));
  CHECK(yield(spec, {0.0, 0.0, 1.0}) == approx(10.0));
}

TEST_CASE("reference: says why there is no likelihood") {
  ModelSpec spec = one_sample({10.0, 10.0, 0.0}, {ShapeFactor{"f", {"a", "b", "b"}}});
  spec.parameters[2].constraint = PoissonConstraint{4.0, 4.0};
  const ReferenceModel model(spec);
  Data data{{5.0, 0.0, 0.0}, {4.0}};
  const auto offence = [&](const std::vector<double>& x) {
    return find_offence(model, data, x.data());
  };
  using Indices = std::vector<std::size_t>;
  CHECK(offence({1.0, 0.0, 1.0}).status == EvaluationStatus::ok);
  CHECK(offence({0.0, 0.0, 1.0}).status == EvaluationStatus::negative_yield);
  CHECK(offence({0.0, 0.0, 1.0}).indices == Indices{0});
  CHECK(offence({-1.0, -1.0, 1.0}).indices == Indices{0, 1});
  CHECK(offence({-1.0, 1.0, 0.0}).status == EvaluationStatus::outside_support);
  CHECK(offence({1.0, 1.0, -0.5}).indices == Indices{2});
  CHECK(offence({std::nan(""), 1.0, -0.5}).status == EvaluationStatus::invalid_parameter);
  CHECK(offence({std::nan(""), 1.0, INFINITY}).indices == Indices{0, 2});
  CHECK(offence({1.0, 1e308, 1.0}).status == EvaluationStatus::not_finite);
  CHECK(offence({-1.0, 1e308, 1.0}).indices == Indices{0, 1});
  data.counts[2] = 1.0;
  CHECK(offence({1.0, 1.0, 1.0}).indices == Indices{2});
  data.counts[2] = 0.0;
  data.global_observables[0] = 0.0;
  CHECK(offence({1.0, 1.0, 0.0}).status == EvaluationStatus::ok);
}

TEST_CASE("the forward backend agrees with extrapolated differences on random models") {
  for (std::uint64_t seed = 1000; seed < 1020; ++seed) {
    CAPTURE(seed);
    const Model model(random_spec(seed));
    const Likelihood likelihood(model, random_measurement(model, seed));
    const auto evaluator = detail::make_forward_evaluator(likelihood);
    for (const NamedPoint& point : random_points(model, seed)) {
      if (point.name == "far" || point.name == "wide") continue;
      CAPTURE(point.name);
      expect_differences(*evaluator, point.x, 3);
    }
  }
}

TEST_CASE("the finite-difference backend is as good as it says") {
  for (std::uint64_t seed = 2000; seed < 2020; ++seed) {
    CAPTURE(seed);
    const Model model(random_spec(seed));
    const Likelihood likelihood(model, random_measurement(model, seed));
    const auto evaluator = detail::make_finite_difference_evaluator(likelihood);
    AdTolerances tolerances;
    tolerances.gradient = 1e-7;
    tolerances.hessian = 1e-4;
    const std::vector<NamedPoint> points = random_points(model, seed);
    expect_forward(*evaluator, points[1].x, tolerances);
  }
}
