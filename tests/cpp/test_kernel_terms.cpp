#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <initializer_list>

#include "ad/derivatives.hpp"
#include "kernel_checks.hpp"
#include "kernels/constants.hpp"
#include "kernels/terms.hpp"

namespace {

namespace kernels = nablafit::kernels;
namespace derivatives = nablafit::kernels::derivatives;
using nablafit::test::close;
using nablafit::test::expect_derivatives;
using nablafit::test::Tolerance;

struct Poisson {
  template <typename T>
  T operator()(const T& lambda) const {
    return kernels::poisson_deviance(n, lambda);
  }
  double first(double lambda) const { return derivatives::poisson_deviance_first(n, lambda); }
  double second(double lambda) const { return derivatives::poisson_deviance_second(n, lambda); }
  double n;
};

struct Gaussian {
  template <typename T>
  T operator()(const T& mean) const {
    return kernels::gaussian_deviance(observed, mean, sigma);
  }
  double first(double mean) const {
    return derivatives::gaussian_deviance_first(observed, mean, sigma);
  }
  double second(double mean) const {
    return derivatives::gaussian_deviance_second(observed, mean, sigma);
  }
  double observed;
  double sigma;
};

struct Lognormal {
  template <typename T>
  T operator()(const T& median) const {
    return kernels::lognormal_deviance(observed, median, log_kappa);
  }
  double first(double median) const {
    return derivatives::lognormal_deviance_first(observed, median, log_kappa);
  }
  double second(double median) const {
    return derivatives::lognormal_deviance_second(observed, median, log_kappa);
  }
  double observed;
  double log_kappa;
};

struct Gamma {
  template <typename T>
  T operator()(const T& beta) const {
    return kernels::gamma_deviance(observed, beta, scale);
  }
  double first(double beta) const {
    return derivatives::gamma_deviance_first(observed, beta, scale);
  }
  double second(double beta) const {
    return derivatives::gamma_deviance_second(observed, beta, scale);
  }
  double observed;
  double scale;
};

struct TruncatedGaussian {
  template <typename T>
  T operator()(const T& mean) const {
    return kernels::truncated_gaussian_deviance(observed, mean, sigma, lower, upper);
  }
  double first(double mean) const {
    return derivatives::truncated_gaussian_deviance_first(observed, mean, sigma, lower, upper);
  }
  double second(double mean) const {
    return derivatives::truncated_gaussian_deviance_second(observed, mean, sigma, lower, upper);
  }
  double observed;
  double sigma;
  double lower;
  double upper;
};

/// lambda - n + n log(n / lambda) in extended precision, by its series where it is a small
/// difference.
double poisson_reference(double n, double lambda) {
  const long double ratio = (static_cast<long double>(lambda) - n) / n;
  if (std::fabs(ratio) > 0.1L) {
    return static_cast<double>(n * (ratio - std::log(static_cast<long double>(lambda) / n)));
  }
  long double sum = 0.0L;
  for (int k = 25; k >= 2; --k) sum = (k % 2 == 0 ? 1.0L : -1.0L) / k + ratio * sum;
  return static_cast<double>(n * ratio * ratio * sum);
}

/// The truncated term in extended precision, whose erfc reaches 100 sigma without underflow.
double truncated_reference(const TruncatedGaussian& term, double mean) {
  const long double scale = term.sigma * std::sqrt(2.0L);
  const long double pull = (term.observed - static_cast<long double>(mean)) / term.sigma;
  const long double low = (term.lower - static_cast<long double>(mean)) / scale;
  const long double high = (term.upper - static_cast<long double>(mean)) / scale;
  long double mass = (std::erf(high) - std::erf(low)) / 2.0L;
  if (low > 0.0L) mass = (std::erfc(low) - std::erfc(high)) / 2.0L;
  if (high < 0.0L) mass = (std::erfc(-high) - std::erfc(-low)) / 2.0L;
  return static_cast<double>(pull * pull / 2.0L + std::log(mass));
}

}  // namespace

TEST_CASE("deviance plus constant is minus the log of the density") {
  // Expected: SciPy 1.17.1, poisson (xlogy and gammaln), norm, lognorm, gamma and truncnorm.
  const auto poisson = [](double n, double lambda) {
    return kernels::poisson_deviance(n, lambda) + kernels::poisson_constant(n);
  };
  CHECK(close(poisson(0.0, 0.3), 0.3, 1e-15));
  CHECK(close(poisson(7.0, 4.2), 2.679569684040156, 1e-13));
  CHECK(close(poisson(3.5, 3.5), 1.5690661811086541, 1e-13));
  CHECK(close(poisson(250.0, 301.5), 8.35272774904297, 1e-12));
  CHECK(close(poisson(1e6, 1.0005e6), 7.951652243733406, 1e-8));
  CHECK(close(kernels::gaussian_deviance(0.3, 1.1, 0.25) + kernels::gaussian_constant(0.25),
              4.652644172084782, 1e-14));
  CHECK(close(kernels::lognormal_deviance(1.3, 0.9, 0.2) + kernels::lognormal_constant(1.3, 0.2),
              1.2621338092157255, 1e-14));
  CHECK(kernels::lognormal_constant(1.3, -0.2) == kernels::lognormal_constant(1.3, 0.2));
  CHECK(close(kernels::gamma_deviance(25.0, 1.3, 0.04) + kernels::gamma_constant(25.0, 0.04),
              0.2537271647200172, 1e-13));
  const auto truncated = [](double mean) {
    return TruncatedGaussian{1.0, 0.5, 0.0, 3.0}(mean) + kernels::gaussian_constant(0.5);
  };
  CHECK(close(truncated(1.2), 0.2973995956242139, 1e-13));
  CHECK(close(truncated(-0.4), 2.5939400334322587, 1e-13));
  CHECK(close(truncated(4.0), 14.44260701896267, 1e-13));
  CHECK(close(truncated(20.0), 139.77962910577293, 1e-13));
  CHECK(close(truncated(-20.0), 77.61734933889085, 1e-13));
}

TEST_CASE("constant of the Poisson term") {
  CHECK(kernels::poisson_constant(0.0) == 0.0);
  for (const double n : {1e-300, 1e-9, 0.25, 1.0, 2.5, 9.0, 9.999, 10.0, 10.001, 47.0, 1e3, 1e5}) {
    INFO("n = " << n);
    const long double x = n;
    const auto expected = static_cast<double>(x - x * std::log(x) + std::lgamma(x + 1.0L));
    CHECK(close(kernels::poisson_constant(n), expected, 5e-15, 5e-15));
  }
  for (const double n : {1e8, 1e12, 1e15, 1e300}) {
    INFO("n = " << n);
    const double leading = 0.5 * (std::log(2.0 * std::acos(-1.0)) + std::log(n));
    CHECK(close(kernels::poisson_constant(n), leading + 1.0 / (12.0 * n), 1e-15));
  }
}

TEST_CASE("Poisson term equals its definition") {
  for (const double n : {1e-3, 0.5, 1.0, 3.7, 100.0, 1e6, 1e15}) {
    for (const double ratio : {1e-6, 0.1, 0.499, 0.5, 0.501, 0.97, 1.0 - 1e-7, 1.0, 1.0 + 1e-7,
                               1.03, 1.499, 1.5, 1.501, 10.0, 1e6}) {
      const double lambda = n * ratio;
      INFO("n = " << n << ", lambda = " << lambda);
      const double rounding = 4e-16 * std::fabs(lambda - n);
      CHECK(close(kernels::poisson_deviance(n, lambda), poisson_reference(n, lambda), 1e-15,
                  rounding + (std::fabs(ratio - 1.0) < 0.5 ? 0.0 : 4e-16 * n * std::log(n + 2.0))));
      CHECK(close(Poisson{n}.first(lambda), (lambda - n) / lambda, 1e-15, 4e-16));
      CHECK(close(Poisson{n}.second(lambda), n / lambda / lambda, 2e-15));
    }
  }
}

TEST_CASE("derivatives of the Poisson term") {
  for (const double n : {0.0, 0.5, 1.0, 3.7, 100.0}) {
    INFO("n = " << n);
    for (const double lambda : {0.04, 0.9, 2.0, 3.7, 5.3, 60.0, 99.0, 149.0, 700.0})
      expect_derivatives(Poisson{n}, lambda, {1e-12, 1e-14, 1e-5 * lambda});
    // The two forms meet here.
    for (const double lambda : {0.5 * n, 1.5 * n})
      if (n > 0.0) expect_derivatives(Poisson{n}, lambda, {1e-12, 1e-14, 1e-5 * lambda});
  }
}

TEST_CASE("Poisson term at no events, huge counts and extreme expectations") {
  for (const double lambda : {0.0, 1e-300, 1.0, 1e300}) {
    CHECK(Poisson{0.0}(lambda) == lambda);
    CHECK(Poisson{0.0}.first(lambda) == 1.0);
    CHECK(Poisson{0.0}.second(lambda) == 0.0);
  }
  // One standard deviation off, d = sqrt(n): d^2 / (2 n) - d^3 / (3 n^2).
  const double n = 1e15, shift = 31622776.0;
  const double expected = shift * shift / (2.0 * n) * (1.0 - 2.0 * shift / (3.0 * n));
  CHECK(close(Poisson{n}(n + shift), expected, 0.0, 4e-16 * shift));
  CHECK(close(Poisson{n}.first(n + shift), shift / (n + shift), 0.0, 4e-16));
  CHECK(close(Poisson{n}.second(n), 1.0 / n, 1e-15));
  CHECK(Poisson{n}(n) == 0.0);
  CHECK(Poisson{n}.first(n) == 0.0);

  CHECK(close(Poisson{5.0}(1e-300), -5.0 + 5.0 * (std::log(5.0) + 300.0 * std::log(10.0)), 1e-15));
  CHECK(close(Poisson{5.0}.first(1e-300), -5e300, 1e-15));
  CHECK(Poisson{5.0}.second(1e-300) > 1e300);
  CHECK(close(Poisson{5.0}.second(1e-100), 5e200, 1e-15));
  CHECK(close(Poisson{5.0}(1e300), 1e300, 1e-15));
  CHECK(Poisson{5.0}.first(1e300) == 1.0);
  CHECK(Poisson{5.0}.second(1e300) == 0.0);
  expect_derivatives(Poisson{1e15}, 1.1e15, {1e-12, 1e-16, 1e10});
}

TEST_CASE("Gaussian and log-normal terms") {
  for (const double x : {0.2, 0.9, 1.0, 1.7, 12.0}) {
    INFO("x = " << x);
    const Gaussian gaussian{1.0, 0.3};
    CHECK(close(gaussian(x), std::pow((1.0 - x) / 0.3, 2) / 2.0, 1e-14));
    CHECK(close(gaussian.first(x), (x - 1.0) / 0.09, 1e-14));
    CHECK(close(gaussian.second(x), 1.0 / 0.09, 1e-14));
    expect_derivatives(gaussian, x);
    const Lognormal lognormal{1.0, -0.4};
    CHECK(close(lognormal(x), std::pow(std::log(x) / 0.4, 2) / 2.0, 1e-14));
    CHECK(close(lognormal.first(x), std::log(x) / x / 0.16, 1e-14));
    CHECK(close(lognormal.second(x), (1.0 - std::log(x)) / x / x / 0.16, 1e-14));
    expect_derivatives(lognormal, x);
  }
  CHECK(std::isfinite(Lognormal{1e300, 0.1}(1e-300)));
  CHECK(std::isfinite(Gaussian{1.0, 1e-12}.second(0.5)));
}

TEST_CASE("Gamma term is a Poisson term of its scaled parameter") {
  for (const double relative : {0.03, 0.2, 1.0}) {
    const double scale = relative * relative;
    for (const double observed : {0.0, 0.3, 1.0 / scale}) {
      for (const double beta : {0.01, 0.4, 0.5, 0.99, 1.0, 1.3, 1.5, 1.6, 8.0}) {
        INFO("observed = " << observed << ", beta = " << beta << ", scale = " << scale);
        const Gamma gamma{observed, scale};
        const Poisson poisson{observed};
        const double rounding = 1e-15 * (observed + beta / scale);
        CHECK(close(gamma(beta), poisson(beta / scale), 1e-14, rounding));
        CHECK(close(gamma.first(beta), poisson.first(beta / scale) / scale, 1e-13, 1e-15 / scale));
        CHECK(close(gamma.second(beta), poisson.second(beta / scale) / scale / scale, 1e-13));
        expect_derivatives(gamma, beta, {1e-12, 1e-15 / scale, 1e-5 * beta});
      }
    }
  }
}

TEST_CASE("truncated Gaussian term equals its definition") {
  for (const TruncatedGaussian& term :
       {TruncatedGaussian{1.0, 0.5, 0.0, 3.0}, TruncatedGaussian{0.2, 0.1, 0.0, 0.4},
        TruncatedGaussian{1.0, 20.0, 0.0, 101.0}}) {
    for (const double z :
         {-100.0, -20.0, -8.6, -8.4, -3.0, -1e-9, 0.0, 1e-9, 0.4, 2.0, 8.4, 8.6, 30.0, 100.0}) {
      const double edge = z < 0.0 ? term.lower : term.upper;
      for (const double mean : {edge + z * term.sigma, edge - 0.3 * z * term.sigma}) {
        INFO("mean = " << mean << ", sigma = " << term.sigma);
        CHECK(close(term(mean), truncated_reference(term, mean), 2e-14, 2e-14));
        expect_derivatives(term, mean, {1e-10, 1e-10 / term.sigma / term.sigma, 1e-4 * term.sigma});
      }
    }
  }
}

TEST_CASE("truncated Gaussian term far outside its range") {
  const TruncatedGaussian term{1.0, 0.5, 0.0, 3.0};
  const TruncatedGaussian mirrored{-1.0, 0.5, -3.0, 0.0};
  for (const double mean : {100.0, 1e4, 1e6, 1e12, 1e30}) {
    INFO("mean = " << mean);
    // With d = mean - upper, it is inset (d + inset / 2) / sigma^2 - log(d / sigma) - log(2 pi)
    // / 2.
    const double distance = mean - term.upper;
    const double inset = term.upper - term.observed;
    CHECK(close(term.first(mean), inset / 0.25 - 1.0 / distance, 1e-4 / distance, 1e-15));
    CHECK(close(term.second(mean), 1.0 / distance / distance, 1e-3));
    CHECK(std::isfinite(term(mean)));
    CHECK(mirrored(-mean) == term(mean));
    CHECK(mirrored.first(-mean) == -term.first(mean));
    CHECK(mirrored.second(-mean) == term.second(mean));
  }
}

TEST_CASE("truncated Gaussian term is smooth where its forms meet") {
  const TruncatedGaussian term{1.0, 0.5, 0.0, 3.0};
  const double far = 6.0 * std::sqrt(2.0) * term.sigma;
  for (const double mean : {-far, 0.0, 3.0, 3.0 + far}) {
    INFO("mean = " << mean);
    const double left = mean - 1e-13, right = mean + 1e-13;
    CHECK(close(term(left), term(right), 1e-12, 1e-12));
    CHECK(close(term.first(left), term.first(right), 1e-11));
    CHECK(close(term.second(left), term.second(right), 1e-9));
  }
}

TEST_CASE("truncated Gaussian term without edges is the Gaussian term") {
  const TruncatedGaussian open{0.4, 0.7, -1e30, 1e30};
  const Gaussian gaussian{0.4, 0.7};
  for (const double mean : {-50.0, -1.0, 0.4, 3.0, 1e8}) {
    INFO("mean = " << mean);
    CHECK(close(open(mean), gaussian(mean), 1e-15));
    CHECK(close(open.first(mean), gaussian.first(mean), 1e-15));
    CHECK(close(open.second(mean), gaussian.second(mean), 1e-15));
  }
}
