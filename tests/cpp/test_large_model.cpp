#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "compile/compiled_model.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/model.hpp"

using namespace nablafit;

namespace {

constexpr std::size_t n_systematics = 40;

/// Sets the number of threads for as long as it lives.
class ThreadLimit {
 public:
  explicit ThreadLimit(const char* number) { setenv("NABLAFIT_NUM_THREADS", number, 1); }
  ~ThreadLimit() { unsetenv("NABLAFIT_NUM_THREADS"); }
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;
};

std::string numbered(const std::string& stem, std::size_t i) { return stem + std::to_string(i); }

double wave(std::size_t a, std::size_t b, std::size_t c) {
  return std::sin(1.0 + 0.37 * static_cast<double>(a) + 1.3 * static_cast<double>(b) +
                  0.71 * static_cast<double>(c));
}

Sample sample(std::size_t s, std::size_t n_bins) {
  Sample result;
  result.name = numbered("sample", s);
  for (std::size_t b = 0; b < n_bins; ++b) result.nominal.push_back(50.0 + 10.0 * wave(s, b, 0));
  for (std::size_t k = 0; k < n_systematics; ++k) {
    HistoSys shape{numbered("shape", k), numbered("alpha", k), {}, {}};
    for (std::size_t b = 0; b < n_bins; ++b) {
      shape.low.push_back(result.nominal[b] * (1.0 + 0.02 * wave(s, b, k)));
      shape.high.push_back(result.nominal[b] * (1.0 + 0.02 * wave(s, b, k + 100)));
    }
    result.modifiers.emplace_back(shape);
  }
  result.modifiers.emplace_back(NormSys{"norm", numbered("alpha", s), 0.9, 1.2});
  if (s == 0) result.modifiers.emplace_back(NormFactor{"mu", "mu"});
  return result;
}

/// `n_channels` equal channels that share all parameters. Without statistical errors: a channel's
/// local parameters would be its own.
ModelSpec repeated_channels(std::size_t n_channels, std::size_t n_bins) {
  ModelSpec spec;
  for (std::size_t k = 0; k < n_systematics; ++k) {
    Parameter alpha;
    alpha.name = numbered("alpha", k);
    alpha.lower = -5.0;
    alpha.upper = 5.0;
    alpha.constraint = GaussianConstraint{};
    spec.parameters.push_back(alpha);
  }
  Parameter mu;
  mu.name = "mu";
  mu.initial = 1.0;
  mu.upper = 10.0;
  spec.parameters.push_back(mu);
  for (std::size_t c = 0; c < n_channels; ++c) {
    Channel channel;
    channel.name = numbered("channel", c);
    for (std::size_t s = 0; s < 4; ++s) channel.samples.push_back(sample(s, n_bins));
    spec.channels.push_back(channel);
  }
  return spec;
}

Likelihood likelihood_of(const ModelSpec& spec) {
  const Model model(spec);
  Observations observations;
  for (const Channel& channel : spec.channels) {
    std::vector<double> counts;
    for (std::size_t b = 0; b < channel.n_bins(); ++b) {
      counts.push_back(std::floor(200.0 + 20.0 * wave(7, b, 7)));
    }
    observations.channels.push_back({channel.name, counts});
  }
  return Likelihood(model, model.data(observations));
}

struct Derivatives {
  double value;
  std::vector<double> gradient, hessian, product;
};

Derivatives evaluate(const Likelihood& likelihood) {
  const std::size_t n = likelihood.model().n_parameters();
  std::vector<double> x(n), v(n);
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = likelihood.model().initial()[i] + 0.3 * wave(i, 1, 2);
    v[i] = wave(3, i, 5);
  }
  Derivatives result{0.0, std::vector<double>(n), std::vector<double>(n * n),
                     std::vector<double>(n)};
  const auto evaluator = make_evaluator(likelihood);
  result.value = evaluator->value_and_gradient(x.data(), result.gradient.data()).value;
  CHECK(evaluator->value(x.data()).value == result.value);
  evaluator->hessian(x.data(), result.hessian.data());
  evaluator->hessian_vector_product(x.data(), v.data(), result.product.data());
  return result;
}

/// What `n` copies of the channels of `one` give: n times `one`, whose constraint terms count once.
void check_multiple(const std::vector<double>& many, const std::vector<double>& one,
                    const std::vector<double>& constraint, double n) {
  for (std::size_t i = 0; i < many.size(); ++i) {
    CAPTURE(i);
    const double expected = n * (one[i] - constraint[i]) + constraint[i];
    CHECK(many[i] == doctest::Approx(expected).epsilon(1e-10).scale(n));
  }
}

}  // namespace

TEST_CASE("copies of a channel add up over chunks and partitions") {
  constexpr std::size_t n_channels = 1000;
  const Likelihood many = likelihood_of(repeated_channels(n_channels, 10));
  REQUIRE(many.model().compiled().chunks.size() > 10);
  REQUIRE(many.model().compiled().partitions.size() > 2);
  const Derivatives one = evaluate(likelihood_of(repeated_channels(1, 10)));
  const Derivatives all = evaluate(many);
  // The constraint terms are those of two copies less the change from one to two.
  const Derivatives two = evaluate(likelihood_of(repeated_channels(2, 10)));
  const auto constraint = [](const std::vector<double>& single, const std::vector<double>& twice) {
    std::vector<double> result(single.size());
    for (std::size_t i = 0; i < single.size(); ++i) result[i] = 2.0 * single[i] - twice[i];
    return result;
  };
  check_multiple({all.value}, {one.value}, constraint({one.value}, {two.value}), n_channels);
  check_multiple(all.gradient, one.gradient, constraint(one.gradient, two.gradient), n_channels);
  check_multiple(all.hessian, one.hessian, constraint(one.hessian, two.hessian), n_channels);
  check_multiple(all.product, one.product, constraint(one.product, two.product), n_channels);
}

TEST_CASE("a large model gives the same bits for any number of threads") {
  const Likelihood likelihood = likelihood_of(repeated_channels(1000, 10));
  Derivatives alone, together;
  {
    const ThreadLimit limit("1");
    alone = evaluate(likelihood);
  }
  {
    const ThreadLimit limit("5");
    together = evaluate(likelihood);
  }
  CHECK(alone.value == together.value);
  CHECK(alone.gradient == together.gradient);
  CHECK(alone.hessian == together.hessian);
  CHECK(alone.product == together.product);
}
