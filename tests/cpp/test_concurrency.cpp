/// Threads of a program that embeds the library: same and different models, evaluations and fits.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "batch_models.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/minimize.hpp"
#include "nablafit/model.hpp"
#include "random_spec.hpp"

using namespace nablafit;

namespace {

constexpr std::size_t n_threads = 8;

/// What one thread computes from `likelihood`, in an order of calls that depends on the thread.
std::vector<double> work(const Likelihood& likelihood, std::size_t thread) {
  const Model& model = likelihood.model();
  const std::size_t n = model.n_parameters();
  const auto evaluator = make_evaluator(likelihood);
  std::vector<double> results(1 + n);
  std::vector<double> matrix(n * n), yields(model.n_bins());
  for (std::size_t i = 0; i < 20; ++i) {
    if ((i + thread) % 3 == 0) evaluator->hessian(model.initial().data(), matrix.data());
    if ((i + thread) % 3 == 1) model.expected(model.initial().data(), yields.data());
    results[0] = evaluator->value_and_gradient(model.initial().data(), results.data() + 1).value;
  }
  const MinimizeSummary fit = minimize(likelihood);
  results.insert(results.end(), fit.x.begin(), fit.x.end());
  return results;
}

}  // namespace

TEST_CASE("threads share models and likelihoods, and get what one thread gets") {
  std::vector<Likelihood> likelihoods;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const Model model(testing::random_spec(seed));
    likelihoods.emplace_back(model, testing::random_measurement(model, seed));
  }
  const Model model(tests::batch_spec());
  likelihoods.emplace_back(model, testing::random_measurement(model, 7));

  std::vector<std::vector<double>> expected;
  expected.reserve(likelihoods.size());
  for (const Likelihood& likelihood : likelihoods) expected.push_back(work(likelihood, 0));

  std::vector<std::vector<std::vector<double>>> found(n_threads);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < n_threads; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < likelihoods.size(); ++i) {
        // Copies of the same likelihood, and each thread a different one at a time.
        const Likelihood copy = likelihoods[(i + t) % likelihoods.size()];
        found[t].push_back(work(copy, t));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t t = 0; t < n_threads; ++t) {
    for (std::size_t i = 0; i < likelihoods.size(); ++i) {
      CHECK(found[t][i] == expected[(i + t) % likelihoods.size()]);
    }
  }
}
