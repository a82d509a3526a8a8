// Random numbers: samplers against their distributions.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "kernels/terms.hpp"
#include "util/random_stream.hpp"

using nablafit::detail::RandomStream;
using nablafit::detail::StreamPurpose;

namespace {

RandomStream stream(std::uint64_t seed, std::uint64_t index = 0) {
  return RandomStream(seed, StreamPurpose::toys, index);
}

double poisson_probability(double n, double mean) {
  return std::exp(-nablafit::kernels::poisson_deviance(n, mean) -
                  nablafit::kernels::poisson_constant(n));
}

/// (chi-square - degrees of freedom) / sqrt(2 degrees of freedom) of draws against expectations;
/// bins with less than 20 expected draws are joined.
double chi_square_excess(const std::vector<double>& observed, const std::vector<double>& expected) {
  double chi_square = 0.0, o = 0.0, e = 0.0;
  int n_groups = 0;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    o += observed[i];
    e += expected[i];
    if (e < 20.0 && i + 1 < observed.size()) continue;
    if (e > 5.0) {
      chi_square += (o - e) * (o - e) / e;
      ++n_groups;
    }
    o = e = 0.0;
  }
  const double n = n_groups - 1;
  return n < 1 ? 0.0 : (chi_square - n) / std::sqrt(2.0 * n);
}

/// Compares n draws of Poisson(mean) with the exact probabilities in cells of one or more counts.
double poisson_excess(double mean, std::size_t n, std::uint64_t seed) {
  const double width = std::max(1.0, std::floor(std::sqrt(mean) / 8.0));
  const double low = std::max(0.0, std::floor(mean - 8.0 * std::sqrt(mean)));
  const auto n_cells =
      static_cast<std::size_t>((mean + 8.0 * std::sqrt(mean) + 10.0 - low) / width);
  std::vector<double> observed(n_cells), expected(n_cells);
  RandomStream random = stream(seed);
  for (std::size_t i = 0; i < n; ++i) {
    const double cell = std::floor((random.poisson(mean) - low) / width);
    ++observed[static_cast<std::size_t>(std::clamp(cell, 0.0, static_cast<double>(n_cells - 1)))];
  }
  for (std::size_t c = 0; c < n_cells; ++c) {
    const double first = low + static_cast<double>(c) * width;
    // Cells narrower than an eighth of the width of the distribution: Simpson is exact to 1e-6.
    if (width == 1.0) {
      expected[c] = static_cast<double>(n) * poisson_probability(first, mean);
    } else {
      const double middle = first + 0.5 * (width - 1.0);
      const double last = first + width - 1.0;
      const double sum = poisson_probability(first, mean) +
                         4.0 * poisson_probability(middle, mean) + poisson_probability(last, mean);
      const double ends = poisson_probability(first, mean) + poisson_probability(last, mean);
      expected[c] = static_cast<double>(n) * (sum / 6.0 * (width - 1.0) + 0.5 * ends);
    }
  }
  return chi_square_excess(observed, expected);
}

}  // namespace

TEST_CASE("streams are functions of seed, purpose and index") {
  RandomStream a = stream(7, 3);
  RandomStream b = stream(7, 3);
  for (int i = 0; i < 100; ++i) REQUIRE(a.uniform() == b.uniform());
  const double first = stream(7, 3).uniform();
  CHECK(first != stream(8, 3).uniform());
  CHECK(first != stream(7, 4).uniform());
  CHECK(first != stream(7 + (std::uint64_t{1} << 32U), 3).uniform());
  CHECK(first != stream(7, 3 + (std::uint64_t{1} << 32U)).uniform());
  CHECK(first != RandomStream(7, StreamPurpose::starts, 3).uniform());
}

TEST_CASE("uniform numbers fill the open unit interval evenly") {
  RandomStream random = stream(1);
  std::vector<double> observed(100);
  constexpr int n = 200000;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform();
    REQUIRE(u > 0.0);
    REQUIRE(u < 1.0);
    ++observed[static_cast<std::size_t>(100.0 * u)];
  }
  CHECK(std::abs(chi_square_excess(observed, std::vector<double>(100, n / 100.0))) < 4.5);
}

TEST_CASE("Poisson numbers follow their distribution at any mean") {
  for (const double mean : {0.01, 0.3, 1.0, 3.7, 9.999, 10.0, 10.5, 17.0, 60.0, 333.3, 4e3, 1e6}) {
    CAPTURE(mean);
    CHECK(std::abs(poisson_excess(mean, 200000, 42)) < 4.5);
  }
}

TEST_CASE("Poisson numbers are right where they are almost always zero, and where huge") {
  RandomStream random = stream(5);
  for (int i = 0; i < 1000; ++i) REQUIRE(random.poisson(1e-10) == 0.0);
  CHECK(random.poisson(0.0) == 0.0);
  for (const double mean : {1e9, 1e12, 1e15}) {
    CAPTURE(mean);
    constexpr int n = 100000;
    double sum = 0.0, squares = 0.0;
    for (int i = 0; i < n; ++i) {
      const double count = random.poisson(mean);
      REQUIRE(count == std::floor(count));
      const double z = (count - mean) / std::sqrt(mean);
      sum += z;
      squares += z * z;
    }
    CHECK(std::abs(sum / n) < 4.5 / std::sqrt(n));
    CHECK(std::abs(squares / n - 1.0) < 4.5 * std::sqrt(2.0 / n));
  }
}

TEST_CASE("truncated normal numbers follow their distribution") {
  struct Case {
    double lower, upper;
  };
  for (const Case& c : {Case{-1.0, 2.0}, Case{-0.5, 0.5}, Case{1.5, 9.0}, Case{6.0, 6.2},
                        Case{-9.0, -3.0}, Case{-50.0, 50.0}, Case{30.0, 1e30}}) {
    CAPTURE(c.lower);
    CAPTURE(c.upper);
    const auto tail = [](double z) { return 0.5 * std::erfc(z * std::sqrt(0.5)); };
    const bool mirrored = c.upper < 0.0;
    const double low = mirrored ? -c.upper : c.lower;
    const double high = mirrored ? -c.lower : c.upper;
    RandomStream random = stream(11);
    constexpr int n = 50000;
    std::vector<double> observed(20);
    for (int i = 0; i < n; ++i) {
      const double z = (mirrored ? -1.0 : 1.0) * random.truncated_normal(c.lower, c.upper);
      REQUIRE(z >= low);
      REQUIRE(z <= high);
      const double p = (tail(low) - tail(z)) / (tail(low) - tail(high));
      ++observed[static_cast<std::size_t>(std::clamp(20.0 * p, 0.0, 19.0))];
    }
    CHECK(std::abs(chi_square_excess(observed, std::vector<double>(20, n / 20.0))) < 4.5);
  }
}
