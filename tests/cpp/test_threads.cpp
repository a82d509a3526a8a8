/// Several models, and one model several times, in threads of the caller's own.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "nablafit/builder.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/minimize.hpp"

using nablafit::Likelihood;

namespace {

Likelihood make_likelihood(double scale) {
  nablafit::ModelBuilder builder;
  auto channel = builder.channel("c");
  channel.sample("signal", {3.0 * scale, 8.0 * scale}).norm_factor("mu");
  channel.sample("background", {40.0, 25.0}).norm_sys("scale", 0.9, 1.15).stat_error({2.0, 1.5});
  channel.observed({46.0, 35.0});
  const nablafit::Model model(builder.build());
  return {model, model.data(builder.observations())};
}

/// All that an evaluation and a fit give.
std::vector<double> numbers(const Likelihood& likelihood) {
  const std::vector<double>& x = likelihood.model().initial();
  std::vector<double> result(x.size());
  const auto evaluator = nablafit::make_evaluator(likelihood);
  result.push_back(evaluator->value_and_gradient(x, nablafit::Span<double>(result)).value);
  const nablafit::MinimizeSummary fit = nablafit::minimize(likelihood);
  result.insert(result.end(), fit.x.begin(), fit.x.end());
  result.insert(result.end(), fit.errors.begin(), fit.errors.end());
  return result;
}

}  // namespace

TEST_CASE("threads that share models and threads that have their own get the same numbers") {
  std::vector<Likelihood> likelihoods;
  std::vector<std::vector<double>> expected;
  for (const double scale : {1.0, 2.0, 3.0}) {
    likelihoods.push_back(make_likelihood(scale));
    expected.push_back(numbers(likelihoods.back()));
  }
  std::atomic<int> n_wrong{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 30; ++i) {
        const std::size_t which = (t + i) % likelihoods.size();
        if (numbers(likelihoods[which]) != expected[which]) ++n_wrong;
        const double scale = 1.0 + static_cast<double>(which);
        if (numbers(make_likelihood(scale)) != expected[which]) ++n_wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(n_wrong == 0);
}
