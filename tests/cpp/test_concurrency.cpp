/// Threads of a program that embeds the library: same and different models, evaluations and fits.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <thread>
#include <vector>

#include "batch_models.hpp"
#include "nablafit/batch.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/minimize.hpp"
#include "nablafit/model.hpp"
#include "nablafit/toys.hpp"
#include "random_spec.hpp"

using namespace nablafit;

namespace {

constexpr std::size_t n_threads = 8;

/// How long the threads work: one round unless NABLAFIT_TEST_SECONDS asks for more.
std::chrono::duration<double> duration() {
  const char* seconds = std::getenv("NABLAFIT_TEST_SECONDS");
  return std::chrono::duration<double>(seconds == nullptr ? 0.0 : std::atof(seconds));
}

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

  const auto end = std::chrono::steady_clock::now() + duration();
  std::atomic<std::size_t> n_rounds{0}, n_different{0};
  std::vector<std::thread> threads;
  threads.reserve(n_threads);
  for (std::size_t t = 0; t < n_threads; ++t) {
    threads.emplace_back([&, t] {
      do {
        for (std::size_t i = 0; i < likelihoods.size(); ++i) {
          // Copies of the same likelihood, and each thread a different one at a time.
          const std::size_t chosen = (i + t) % likelihoods.size();
          const Likelihood copy = likelihoods[chosen];
          if (work(copy, t) != expected[chosen]) ++n_different;
        }
        ++n_rounds;
      } while (std::chrono::steady_clock::now() < end);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(n_rounds >= n_threads);
  CHECK(n_different == 0);
  MESSAGE(n_rounds.load() << " rounds of " << likelihoods.size() << " fits");
}

TEST_CASE("threads that start threads: batches at the same time give what one gives") {
  const Model model(tests::batch_spec());
  const auto fit_toys = [&](std::size_t n) {
    RunOptions run;
    run.n_threads = n;
    const Toys toys = generate_toys(model, model.initial(), 12, 3, 0, {}, run);
    FitManyArguments arguments;
    arguments.n_fits = toys.n;
    arguments.counts = {toys.counts.data(), toys.n};
    arguments.global_observables = {toys.global_observables.data(), toys.n};
    return fit_many(model, arguments, {}, run).x;
  };
  const std::vector<double> expected = fit_toys(1);
  const auto end = std::chrono::steady_clock::now() + duration();
  std::atomic<std::size_t> n_different{0};
  std::vector<std::thread> threads;
  threads.reserve(n_threads);
  for (std::size_t t = 0; t < n_threads; ++t) {
    threads.emplace_back([&, t] {
      do {
        if (fit_toys(1 + t % 3) != expected) ++n_different;
      } while (std::chrono::steady_clock::now() < end);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(n_different == 0);
}
