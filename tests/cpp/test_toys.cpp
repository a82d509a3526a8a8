// Toys: distributions of every kind of observable, independence of threads and shards, errors.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "batch_models.hpp"
#include "nablafit/error.hpp"
#include "nablafit/toys.hpp"

using namespace nablafit;

namespace {

struct Moments {
  double mean = 0.0;
  double variance = 0.0;
};

Moments moments(const std::vector<double>& values, std::size_t column, std::size_t n_columns) {
  Moments result;
  const std::size_t n = values.size() / n_columns;
  for (std::size_t i = 0; i < n; ++i) result.mean += values[i * n_columns + column];
  result.mean /= static_cast<double>(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double d = values[i * n_columns + column] - result.mean;
    result.variance += d * d;
  }
  result.variance /= static_cast<double>(n - 1);
  return result;
}

std::vector<double> shifted_point(const Model& model) {
  std::vector<double> x = model.initial();
  x[model.parameter_index("mu")] = 1.7;
  x[model.parameter_index("scale")] = 0.4;
  x[model.parameter_index("gamma1")] = 1.05;
  x[model.parameter_index("k")] = 1.1;
  x[model.parameter_index("beta")] = 0.9;
  return x;
}

}  // namespace

TEST_CASE("toys have the moments of their terms") {
  const Model model(tests::batch_spec());
  const std::vector<double> x = shifted_point(model);
  constexpr std::size_t n = 40000;
  const Toys toys = generate_toys(model, x.data(), n, 3);
  REQUIRE(toys.n == n);
  std::vector<double> yields(model.n_bins());
  model.expected(x.data(), yields.data());
  for (std::size_t b = 0; b < yields.size(); ++b) {
    CAPTURE(b);
    const Moments m = moments(toys.counts, b, yields.size());
    CHECK(std::abs(m.mean - yields[b]) < 4.5 * std::sqrt(yields[b] / n));
    CHECK(std::abs(m.variance / yields[b] - 1.0) < 4.5 * std::sqrt(2.1 / n));
  }
  const std::size_t n_observables = model.constrained_parameters().size();
  std::vector<double> means(n_observables);
  model.expected_global_observables(x.data(), means.data());
  // scale, shape (cut at 3 sigma: 0.97334 of the variance), gammas, luminosity, k, beta
  const double log_kappa = std::log(1.1);
  const double k_variance = means[6] * means[6] * std::expm1(log_kappa * log_kappa);
  const std::vector<double> variances = {1.0,      0.973337,    means[2],   means[3],
                                         means[4], 0.02 * 0.02, k_variance, means[7]};
  for (std::size_t i = 0; i < n_observables; ++i) {
    CAPTURE(i);
    const Moments m = moments(toys.global_observables, i, n_observables);
    CHECK(std::abs(m.mean - means[i]) < 4.5 * std::sqrt(variances[i] / n));
    CHECK(std::abs(m.variance / variances[i] - 1.0) < 4.5 * std::sqrt(2.5 / n));
  }
}

TEST_CASE("toys do not depend on threads or shards") {
  const Model model(tests::batch_spec());
  const std::vector<double> x = shifted_point(model);
  RunOptions run;
  run.n_threads = 1;
  const Toys all = generate_toys(model, x.data(), 1000, 9, 0, {}, run);
  run.n_threads = 5;
  const Toys threads = generate_toys(model, x.data(), 1000, 9, 0, {}, run);
  CHECK(all.counts == threads.counts);
  CHECK(all.global_observables == threads.global_observables);
  std::vector<double> counts, observables;
  for (const std::size_t start : {0U, 137U, 500U}) {
    const std::size_t end = start == 0 ? 137 : start == 137 ? 500 : 1000;
    const Toys shard = generate_toys(model, x.data(), end - start, 9, start, {}, run);
    counts.insert(counts.end(), shard.counts.begin(), shard.counts.end());
    observables.insert(observables.end(), shard.global_observables.begin(),
                       shard.global_observables.end());
  }
  CHECK(all.counts == counts);
  CHECK(all.global_observables == observables);
  CHECK(all.counts != generate_toys(model, x.data(), 1000, 10, 0, {}, run).counts);
}

TEST_CASE("global observables of toys can stay where they are") {
  const Model model(tests::batch_spec());
  ToyOptions options;
  options.randomize_global_observables = false;
  const std::vector<double>& x = model.initial();
  const Toys nominal = generate_toys(model, x.data(), 2, 1, 0, options);
  CHECK(nominal.global_observables[0] == 0.0);
  CHECK(nominal.global_observables[2] == 400.0);
  options.global_observables = {0.5, 0.1, 390.0, 324.0, 225.0, 1.01, 1.0, 100.0};
  const Toys given = generate_toys(model, x.data(), 2, 1, 0, options);
  CHECK(given.global_observables[8] == 0.5);
  CHECK(given.global_observables[10] == 390.0);
  options.global_observables = {0.5};
  CHECK_THROWS_AS(generate_toys(model, x.data(), 2, 1, 0, options), ArgumentError);
}

TEST_CASE("impossible toys say where") {
  const Model model(tests::batch_spec());
  const auto location = [&](const char* name, double value) -> std::string {
    std::vector<double> x = model.initial();
    x[model.parameter_index(name)] = value;
    try {
      generate_toys(model, x.data(), 1, 1);
    } catch (const ArgumentError& error) {
      return error.location();
    }
    return "none";
  };
  CHECK(location("mu", -4.0) == "signal_region[1]");
  CHECK(location("k", -1.0) == "control[0]");
  CHECK(location("mu", std::nan("")) == "mu");
  ModelSpec spec = tests::batch_spec();
  spec.channels.pop_back();
  const Model without_control(spec);
  std::vector<double> x = without_control.initial();
  x[without_control.parameter_index("k")] = -1.0;
  CHECK_THROWS_WITH_AS(generate_toys(without_control, x.data(), 1, 1),
                       doctest::Contains("k: the parameter is -1"), ArgumentError);
}

TEST_CASE("an interrupted call keeps the first toys") {
  const Model model(tests::batch_spec());
  RunOptions run;
  run.n_threads = 2;
  run.poll = [](std::size_t) { return false; };
  const std::size_t n = 2000000;
  const Toys toys = generate_toys(model, model.initial().data(), n, 4, 0, {}, run);
  CHECK(toys.n < n);
  CHECK(toys.counts.size() == toys.n * model.n_bins());
  REQUIRE(toys.n > 10);
  const Toys first = generate_toys(model, model.initial().data(), 10, 4);
  CHECK(std::equal(first.counts.begin(), first.counts.end(), toys.counts.begin()));
}
