#include <doctest/doctest.h>

#include <Eigen/Core>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <vector>

#include "ad/eigen_scalar.hpp"
#include "kernel_checks.hpp"
#include "kernels/smoothing.hpp"
#include "nablafit/error.hpp"
#include "nablafit/relax.hpp"

namespace {

namespace kernels = nablafit::kernels;
using nablafit::HistogramGradients;
using nablafit::HistogramInputs;
using nablafit::HistogramOptions;
using nablafit::OutsideBins;
using nablafit::SmoothingKernel;
using nablafit::test::by_autodiff;
using nablafit::test::close;

using Dual = Eigen::AutoDiffScalar<Eigen::VectorXd>;
using Numbers = std::vector<double>;

struct Events {
  Numbers values, weights, edges, bandwidths;
  std::size_t n_histograms;

  HistogramInputs inputs() const { return {values, weights, edges, bandwidths, n_histograms}; }
};

Events some_events() {
  Events events;
  events.values = {-2.3, -0.4, 0.1, 0.75, 1.9, 3.2};
  events.weights = {1.0, 0.5, 2.0, 1.5, -0.3, 0.7, 0.2, 1.0, 1.0, 0.4, 0.9, 3.0};
  events.edges = {-1.0, 0.2, 0.9, 2.0};
  events.bandwidths = {0.35};
  events.n_histograms = 2;
  return events;
}

template <typename T>
T normal_tail(const T& z) {
  using std::erfc;
  return 0.5 * erfc(T(z / std::sqrt(2.0)));
}

template <typename T>
T cumulative(SmoothingKernel kernel, const T& z) {
  if (kernel == SmoothingKernel::gaussian) return normal_tail<T>(-z);
  return kernels::logistic_tail<T>(-z);
}

/// sum(cotangents * histograms) with all numbers of `events` as variables, as the definition reads.
template <typename T>
T weighted_sum(const Events& events, const std::vector<T>& x, SmoothingKernel kernel,
               const Numbers& cotangents) {
  const std::size_t n = events.values.size();
  const std::size_t n_edges = events.edges.size();
  const T* weights = x.data() + n;
  const T* edges = weights + events.weights.size();
  const T& bandwidth = edges[n_edges];
  T sum = x[0] * 0.0;
  for (std::size_t h = 0; h < events.n_histograms; ++h) {
    for (std::size_t i = 0; i < n; ++i) {
      T below = x[0] * 0.0;
      for (std::size_t bin = 0; bin <= n_edges; ++bin) {
        T above = x[0] * 0.0 + 1.0;
        if (bin < n_edges) above = cumulative<T>(kernel, (edges[bin] - x[i]) / bandwidth);
        sum += weights[h * n + i] * (above - below) * cotangents[h * (n_edges + 1) + bin];
        below = above;
      }
    }
  }
  return sum;
}

Numbers joined(const Numbers& values, const Numbers& weights, const Numbers& edges,
               const Numbers& bandwidths) {
  Numbers all = values;
  for (const Numbers* part : {&weights, &edges, &bandwidths}) {
    all.insert(all.end(), part->begin(), part->end());
  }
  return all;
}

std::vector<Dual> variables(const Events& events) {
  const Numbers x = joined(events.values, events.weights, events.edges, events.bandwidths);
  std::vector<Dual> duals;
  const auto n = static_cast<Eigen::Index>(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    duals.emplace_back(x[i], n, static_cast<Eigen::Index>(i));
  }
  return duals;
}

}  // namespace

TEST_CASE("tails of the smoothing kernels have minus their density as derivative") {
  for (double z = 0.0; z <= 8.5; z += 0.0625) {
    const auto normal = by_autodiff([](const auto& x) { return normal_tail(x); }, z);
    const double density = kernels::gaussian_density(z);
    CHECK(close(density * kernels::mills_ratio(z), normal.value, 2e-15 * (1 + z * z)));
    CHECK(close(density, -normal.first, 1e-14));
    const auto logistic = by_autodiff([](const auto& x) { return kernels::logistic_tail(x); }, z);
    CHECK(close(kernels::logistic_density(logistic.value), -logistic.first, 1e-14));
  }
}

TEST_CASE("relaxed histograms have the derivatives of their definition") {
  const Events events = some_events();
  const Numbers cotangents = {0.3, -1.0, 2.0, 0.5, 1.1, 0.7, 0.1, -0.4, 1.3, -2.0};
  for (const auto kernel : {SmoothingKernel::gaussian, SmoothingKernel::logistic}) {
    HistogramOptions options;
    options.kernel = kernel;
    const Numbers bins = soft_histogram(events.inputs(), options);
    const Dual expected = weighted_sum<Dual>(events, variables(events), kernel, cotangents);
    const double sum = std::inner_product(bins.begin(), bins.end(), cotangents.begin(), 0.0);
    CHECK(close(sum, expected.value(), 1e-13));

    const HistogramGradients by = soft_histogram_vjp(events.inputs(), cotangents, options);
    const Numbers found = joined(by.values, by.weights, by.edges, by.bandwidths);
    REQUIRE(found.size() == static_cast<std::size_t>(expected.derivatives().size()));
    for (std::size_t i = 0; i < found.size(); ++i) {
      CHECK(close(found[i], expected.derivatives()[static_cast<Eigen::Index>(i)], 1e-12, 1e-14));
    }
    nablafit::HistogramDirections along;
    along.values = by.values;
    along.weights = by.weights;
    along.edges = by.edges;
    along.bandwidths = by.bandwidths;
    const Numbers change = soft_histogram_jvp(events.inputs(), along, options);
    const double slope = std::inner_product(change.begin(), change.end(), cotangents.begin(), 0.0);
    CHECK(close(slope, std::inner_product(found.begin(), found.end(), found.begin(), 0.0), 1e-12));
  }
}

TEST_CASE("no bandwidth is the ordinary histogram, and the bits do not depend on threads") {
  Events events;
  for (int i = 0; i < 10000; ++i) {
    events.values.push_back(3.0 * std::sin(0.7 * i));
    events.weights.push_back(1.0 + std::cos(1.3 * i));
  }
  events.edges = {-2.0, -1.0, 0.0, 2.5};
  events.n_histograms = 1;
  events.bandwidths = {0.0};
  const Numbers hard = soft_histogram(events.inputs());
  Numbers expected(5);
  for (std::size_t i = 0; i < events.values.size(); ++i) {
    std::size_t bin = 0;
    while (bin < 4 && events.values[i] >= events.edges[bin]) ++bin;
    expected[bin] += events.weights[i];
  }
  for (std::size_t bin = 0; bin < 5; ++bin) CHECK(close(hard[bin], expected[bin], 1e-12));

  events.bandwidths = {0.3};
  HistogramOptions options;
  options.n_threads = 1;
  const Numbers one = soft_histogram(events.inputs(), options);
  const HistogramGradients by_one = soft_histogram_vjp(events.inputs(), one, options);
  options.n_threads = 5;
  CHECK(soft_histogram(events.inputs(), options) == one);
  CHECK(soft_histogram_vjp(events.inputs(), one, options).edges == by_one.edges);
  CHECK(soft_histogram_vjp(events.inputs(), one, options).bandwidths == by_one.bandwidths);
}

TEST_CASE("relaxed histograms refuse what has no meaning") {
  Events events = some_events();
  events.values[2] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(soft_histogram(events.inputs()), nablafit::ArgumentError);
  events = some_events();
  events.edges[2] = events.edges[1];
  CHECK_THROWS_AS(soft_histogram(events.inputs()), nablafit::ArgumentError);
  events = some_events();
  events.bandwidths[0] = -1.0;
  CHECK_THROWS_AS(soft_histogram(events.inputs()), nablafit::ArgumentError);
  events = some_events();
  CHECK_THROWS_AS(soft_histogram_vjp(events.inputs(), Numbers(3)), nablafit::ArgumentError);
  events.weights.pop_back();
  CHECK_THROWS_AS(soft_histogram(events.inputs()), nablafit::ArgumentError);
}
