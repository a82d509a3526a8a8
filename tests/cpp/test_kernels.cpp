#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <array>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "ad/derivatives.hpp"
#include "kernel_checks.hpp"
#include "kernels/interpolation.hpp"
#include "kernels/transforms.hpp"

namespace {

namespace kernels = nablafit::kernels;
namespace derivatives = nablafit::kernels::derivatives;
using nablafit::test::by_autodiff;
using nablafit::test::close;
using nablafit::test::expect_derivatives;
using nablafit::test::Tolerance;

constexpr std::array interior_points = {-7.0, -2.5,  -1.001, -0.999, -0.6, -1e-3, 1e-3,
                                        0.29, 0.999, 1.001,  1.7,    4.0,  30.0};
constexpr std::array kinks = {-1.0, 0.0, 1.0};

/// Factors at alpha = -1 and +1.
struct Factors {
  double low;
  double high;
};
constexpr std::array all_factors = {Factors{0.9, 1.1}, Factors{1.2, 1.05}, Factors{0.01, 40.0},
                                    Factors{1.0, 1.0}, Factors{0.0, 1.5},  Factors{1.3, 0.0}};

struct PiecewiseLinear {
  template <typename T>
  T operator()(const T& alpha) const {
    return kernels::additive_piecewise_linear(alpha);
  }
  double first(double alpha) const { return derivatives::additive_piecewise_linear_first(alpha); }
  double second(double alpha) const { return derivatives::additive_piecewise_linear_second(alpha); }
};

struct Quadratic {
  template <typename T>
  T operator()(const T& alpha) const {
    return kernels::additive_quadratic(alpha);
  }
  double first(double alpha) const { return derivatives::additive_quadratic_first(alpha); }
  double second(double alpha) const { return derivatives::additive_quadratic_second(alpha); }
};

struct Polynomial {
  template <typename T>
  T operator()(const T& alpha) const {
    return kernels::additive_polynomial(alpha);
  }
  double first(double alpha) const { return derivatives::additive_polynomial_first(alpha); }
  double second(double alpha) const { return derivatives::additive_polynomial_second(alpha); }
};

struct FactorExponential {
  explicit FactorExponential(const Factors& factors)
      : low(kernels::bounded_log(factors.low)), high(kernels::bounded_log(factors.high)) {}
  template <typename T>
  T operator()(const T& alpha) const {
    return kernels::factor_exponential(alpha, low, high);
  }
  double first(double alpha) const {
    return derivatives::factor_exponential_first(alpha, low, high);
  }
  double second(double alpha) const {
    return derivatives::factor_exponential_second(alpha, low, high);
  }
  double low;
  double high;
};

struct FactorPolynomial {
  explicit FactorPolynomial(const Factors& factors)
      : c(kernels::polynomial_exponential_coefficients(factors.low, factors.high)) {}
  template <typename T>
  T operator()(const T& alpha) const {
    return kernels::factor_polynomial(alpha, c[0], c[1], c[2], c[3], c[4], c[5]);
  }
  double first(double alpha) const {
    return derivatives::factor_polynomial_first(alpha, c[0], c[1], c[2], c[3], c[4], c[5]);
  }
  double second(double alpha) const {
    return derivatives::factor_polynomial_second(alpha, c[0], c[1], c[2], c[3], c[4], c[5]);
  }
  std::array<double, 6> c;
};

struct PolynomialExponential {
  explicit PolynomialExponential(const Factors& factors) : outside(factors), inside(factors) {}
  template <typename T>
  T operator()(const T& alpha) const {
    const auto& c = inside.c;
    return kernels::factor_polynomial_exponential(alpha, outside.low, outside.high, c[0], c[1],
                                                  c[2], c[3], c[4], c[5]);
  }
  double first(double alpha) const {
    const auto& c = inside.c;
    return derivatives::factor_polynomial_exponential_first(alpha, outside.low, outside.high, c[0],
                                                            c[1], c[2], c[3], c[4], c[5]);
  }
  double second(double alpha) const {
    const auto& c = inside.c;
    return derivatives::factor_polynomial_exponential_second(alpha, outside.low, outside.high, c[0],
                                                             c[1], c[2], c[3], c[4], c[5]);
  }
  FactorExponential outside;
  FactorPolynomial inside;
};

struct PolynomialLinear {
  explicit PolynomialLinear(const Factors& factors)
      : symmetric((factors.high - factors.low) / 2.0),
        asymmetric((factors.high + factors.low - 2.0) / 16.0) {}
  template <typename T>
  T operator()(const T& alpha) const {
    return kernels::factor_polynomial_linear(alpha, symmetric, asymmetric);
  }
  double first(double alpha) const {
    return derivatives::factor_polynomial_linear_first(alpha, symmetric, asymmetric);
  }
  double second(double alpha) const {
    return derivatives::factor_polynomial_linear_second(alpha, symmetric, asymmetric);
  }
  double symmetric;
  double asymmetric;
};

/// Smooth in the interior; at 0 and +-1 only the automatic derivative, which takes the same branch.
template <typename Function>
void expect_derivatives_everywhere(const Function& function, const Tolerance& tolerance = {}) {
  for (const double alpha : interior_points) expect_derivatives(function, alpha, tolerance);
  Tolerance at_kinks = tolerance;
  at_kinks.step = 0.0;
  for (const double alpha : kinks) expect_derivatives(function, alpha, at_kinks);
}

/// Value and first two derivatives are the same, to `tolerance`, on both sides of alpha.
template <typename Function>
void expect_twice_differentiable(const Function& function, double alpha, double tolerance) {
  INFO("alpha = " << alpha);
  const double left = std::nextafter(alpha, -10.0);
  const double right = std::nextafter(alpha, 10.0);
  CHECK(close(function(left), function(right), tolerance, tolerance));
  CHECK(close(function.first(left), function.first(right), tolerance, tolerance));
  CHECK(close(function.second(left), function.second(right), tolerance, tolerance));
}

}  // namespace

TEST_CASE("additive codes equal their definitions") {
  for (const double alpha : {-7.0, -1.5, -1.0, -0.3, 0.0, 0.2, 0.999, 1.0, 1.001, 4.0}) {
    INFO("alpha = " << alpha);
    const double size = std::fabs(alpha);
    CHECK(kernels::additive_piecewise_linear(alpha) == 8.0 * size);
    const double quadratic = size <= 1.0 ? 8.0 * std::pow(size, 2) : 8.0 * (2.0 * size - 1.0);
    CHECK(close(kernels::additive_quadratic(alpha), quadratic, 1e-15));
    const double polynomial =
        15.0 * std::pow(alpha, 2) - 10.0 * std::pow(alpha, 4) + 3.0 * std::pow(alpha, 6);
    const double expected = size < 1.0 ? polynomial : 8.0 * size;
    CHECK(close(kernels::additive_polynomial(alpha), expected, 1e-15));
  }
}

TEST_CASE("additive codes reach the templates at +-1 sigma") {
  const double low = 7.0, nominal = 10.0, high = 12.5;
  const double symmetric = (high - low) / 2.0;
  const double asymmetric = (high + low - 2.0 * nominal) / 16.0;
  for (const auto code :
       {kernels::additive_piecewise_linear<double>, kernels::additive_quadratic<double>,
        kernels::additive_polynomial<double>}) {
    CHECK(nominal + symmetric + code(1.0) * asymmetric == doctest::Approx(high).epsilon(1e-15));
    CHECK(nominal - symmetric + code(-1.0) * asymmetric == doctest::Approx(low).epsilon(1e-15));
    CHECK(code(0.0) == 0.0);
    CHECK(std::isnan(code(std::numeric_limits<double>::quiet_NaN())));
  }
}

TEST_CASE("derivatives of additive codes") {
  expect_derivatives_everywhere(PiecewiseLinear{});
  expect_derivatives_everywhere(Quadratic{});
  expect_derivatives_everywhere(Polynomial{});
  for (const double alpha : kinks) expect_twice_differentiable(Polynomial{}, alpha, 1e-13);
}

TEST_CASE("additive codes take the documented side at their kinks") {
  CHECK(derivatives::additive_piecewise_linear_first(0.0) == 8.0);
  CHECK(derivatives::additive_piecewise_linear_first(-1e-300) == -8.0);
  CHECK(derivatives::additive_piecewise_linear_second(0.0) == 0.0);
  CHECK(derivatives::additive_quadratic_second(1.0) == 16.0);
  CHECK(derivatives::additive_quadratic_second(-1.0) == 16.0);
  CHECK(derivatives::additive_quadratic_second(std::nextafter(1.0, 2.0)) == 0.0);
  CHECK(derivatives::additive_quadratic_first(1.0) == 16.0);
}

TEST_CASE("multiplicative codes equal their definitions") {
  for (const Factors& factors : {all_factors[0], all_factors[1], all_factors[2]}) {
    const FactorExponential exponential(factors);
    const PolynomialExponential smooth(factors);
    const PolynomialLinear linear(factors);
    for (const double alpha : interior_points) {
      INFO("alpha = " << alpha << ", low = " << factors.low << ", high = " << factors.high);
      const double power =
          alpha >= 0.0 ? std::pow(factors.high, alpha) : std::pow(factors.low, -alpha);
      CHECK(close(exponential(alpha), power, 1e-13));
      if (std::fabs(alpha) > 1.0) CHECK(close(smooth(alpha), power, 1e-13));
      const double g = kernels::additive_polynomial(alpha);
      CHECK(close(linear(alpha), 1.0 + alpha * linear.symmetric + g * linear.asymmetric, 1e-14,
                  1e-14));
    }
  }
}

TEST_CASE("coefficients of code 5 solve the matching conditions") {
  // Row by row: value, first and second derivative of c1 a + ... + c6 a^6 at +1, then at -1.
  Eigen::Matrix<double, 6, 6> conditions;
  for (int side = 0; side < 2; ++side) {
    for (int power = 1; power <= 6; ++power) {
      const double sign = side == 0 ? 1.0 : -1.0;
      conditions(3 * side, power - 1) = std::pow(sign, power);
      conditions(3 * side + 1, power - 1) = power * std::pow(sign, power - 1);
      conditions(3 * side + 2, power - 1) = power * (power - 1) * std::pow(sign, power - 2);
    }
  }
  for (const Factors& factors : all_factors) {
    INFO("low = " << factors.low << ", high = " << factors.high);
    const double up = factors.high > 0.0 ? std::log(factors.high) : 0.0;
    const double down = factors.low > 0.0 ? std::log(factors.low) : 0.0;
    Eigen::Vector<double, 6> values;
    values << factors.high - 1.0, factors.high * up, factors.high * up * up, factors.low - 1.0,
        -factors.low * down, factors.low * down * down;
    const Eigen::Vector<double, 6> expected = conditions.fullPivLu().solve(values);
    const auto c = kernels::polynomial_exponential_coefficients(factors.low, factors.high);
    const double scale = expected.cwiseAbs().maxCoeff();
    for (int i = 0; i < 6; ++i)
      CHECK(close(c[static_cast<std::size_t>(i)], expected[i], 1e-12, 1e-13 * scale));
  }
}

TEST_CASE("derivatives of multiplicative codes") {
  for (const Factors& factors : all_factors) {
    INFO("low = " << factors.low << ", high = " << factors.high);
    // Coefficients up to 500 for 0.01 and 40: rounding is relative to them, not to the sum.
    const Tolerance tolerance{1e-12, 1e-11, 1e-5};
    expect_derivatives_everywhere(FactorPolynomial(factors), tolerance);
    expect_derivatives_everywhere(PolynomialLinear(factors), tolerance);
    expect_derivatives_everywhere(PolynomialExponential(factors), tolerance);
    expect_derivatives_everywhere(FactorExponential(factors), tolerance);
    for (const double alpha : kinks) {
      expect_twice_differentiable(PolynomialLinear(factors), alpha, 1e-10);
      expect_twice_differentiable(PolynomialExponential(factors), alpha, 1e-10);
    }
  }
}

TEST_CASE("piecewise exponential takes the right side at alpha = 0") {
  const FactorExponential factor({0.8, 1.5});
  CHECK(factor.first(0.0) == std::log(1.5));
  CHECK(factor.second(0.0) == doctest::Approx(std::log(1.5) * std::log(1.5)).epsilon(1e-15));
  CHECK(factor.first(-1e-300) == doctest::Approx(-std::log(0.8)).epsilon(1e-15));
}

TEST_CASE("a factor of zero or below continues as zero with zero derivatives") {
  CHECK(kernels::bounded_log(1.0) == 0.0);
  for (const double high : {0.0, -0.3}) {
    const FactorExponential factor({0.5, high});
    for (const double alpha : {1e-100, 0.5, 1.0, 3.0, 1e10}) {
      INFO("alpha = " << alpha << ", high = " << high);
      CHECK(factor(alpha) == 0.0);
      CHECK(factor.first(alpha) == 0.0);
      CHECK(factor.second(alpha) == 0.0);
    }
    CHECK(factor(0.0) == 1.0);
  }
  const FactorPolynomial polynomial({0.5, -0.3});
  CHECK(polynomial(1.0) == doctest::Approx(-0.3).epsilon(1e-14));
  CHECK(std::fabs(polynomial.first(1.0)) < 1e-14);
  CHECK(std::fabs(polynomial.second(1.0)) < 1e-13);
}

TEST_CASE("code 5 turns negative between very unequal factors") {
  const PolynomialExponential factor({0.01, 40.0});
  CHECK(factor(-0.29) < 0.0);
  CHECK(factor(-1.0) == doctest::Approx(0.01).epsilon(1e-13));
  CHECK(factor(1.0) == doctest::Approx(40.0).epsilon(1e-13));
}

namespace {

struct GammaTransformation {
  template <typename T>
  T operator()(const T& beta) const {
    return kernels::gamma_transformation(beta, relative);
  }
  double first(double beta) const {
    return derivatives::gamma_transformation_first(beta, relative);
  }
  double second(double beta) const {
    return derivatives::gamma_transformation_second(beta, relative);
  }
  double relative;
};

struct LognormalTransformation {
  template <typename T>
  T operator()(const T& alpha) const {
    return kernels::lognormal_transformation(alpha, std::log1p(relative), relative);
  }
  double first(double alpha) const {
    return derivatives::lognormal_transformation_first(alpha, std::log1p(relative), relative);
  }
  double second(double alpha) const {
    return derivatives::lognormal_transformation_second(alpha, std::log1p(relative), relative);
  }
  double relative;
};

}  // namespace

TEST_CASE("pulls equal their definitions") {
  for (const double relative : {0.02, 0.3, 1.5}) {
    for (const double x : {-3.0, -1.0, 0.0, 0.4, 1.0, 5.0}) {
      INFO("x = " << x << ", relative = " << relative);
      CHECK(close(GammaTransformation{relative}(x), (x - 1.0) / relative, 1e-15));
      CHECK(GammaTransformation{relative}.first(x) ==
            doctest::Approx(1.0 / relative).epsilon(1e-15));
      CHECK(GammaTransformation{relative}.second(x) == 0.0);
      const double expected = (std::pow(1.0 + relative, x) - 1.0) / relative;
      CHECK(close(LognormalTransformation{relative}(x), expected, 1e-13, 1e-14));
      expect_derivatives(GammaTransformation{relative}, x);
      expect_derivatives(LognormalTransformation{relative}, x);
    }
  }
}
