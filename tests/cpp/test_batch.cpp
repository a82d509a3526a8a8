// Many fits: equal to single fits, whatever the number of threads; failures stay where they are.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "batch_models.hpp"
#include "nablafit/batch.hpp"
#include "nablafit/error.hpp"
#include "nablafit/toys.hpp"

using namespace nablafit;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && !(std::isnan(a[i]) && std::isnan(b[i]))) return false;
  }
  return true;
}

bool same(const FitManyResult& a, const FitManyResult& b) {
  return same_bits(a.x, b.x) && same_bits(a.errors, b.errors) && same_bits(a.value, b.value) &&
         same_bits(a.edm, b.edm) && a.status == b.status && a.iterations == b.iterations &&
         a.n_gradients == b.n_gradients;
}

FitManyArguments toy_arguments(const Toys& toys) {
  FitManyArguments arguments;
  arguments.n_fits = toys.n;
  arguments.counts = {toys.counts.data(), toys.n};
  arguments.global_observables = {toys.global_observables.data(), toys.n};
  return arguments;
}

RunOptions threads(std::size_t n) {
  RunOptions run;
  run.n_threads = n;
  return run;
}

}  // namespace

TEST_CASE("many fits equal single fits, bit for bit, for any number of threads") {
  const Model model(tests::batch_spec());
  const Toys toys = generate_toys(model, model.initial().data(), 60, 5);
  const FitManyArguments arguments = toy_arguments(toys);
  const FitManyResult one = fit_many(model, arguments, {}, threads(1));
  CHECK(one.complete);
  for (const std::size_t n : {2U, 3U, 7U}) {
    CHECK(same(one, fit_many(model, arguments, {}, threads(n))));
  }
  const std::size_t n_bins = model.n_bins();
  const std::size_t n_observables = model.constrained_parameters().size();
  for (std::size_t i = 0; i < toys.n; ++i) {
    const double* counts = toys.counts.data() + i * n_bins;
    const double* observables = toys.global_observables.data() + i * n_observables;
    const Likelihood likelihood(
        model, {{counts, counts + n_bins}, {observables, observables + n_observables}});
    const MinimizeSummary single = minimize(likelihood, {}, FitManyOptions{}.minimize);
    REQUIRE(static_cast<int>(one.status[i]) == static_cast<int>(single.status));
    REQUIRE(is_minimum(one.status[i]));
    CHECK(one.value[i] == single.value);
    CHECK(one.constant[i] == likelihood.constant());
    for (std::size_t p = 0; p < model.n_parameters(); ++p) {
      CHECK(one.x[i * model.n_parameters() + p] == single.x[p]);
      CHECK(one.errors[i * model.n_parameters() + p] == single.errors[p]);
    }
  }
}

TEST_CASE("one bad toy has a status and disturbs no other") {
  const Model model(tests::batch_spec());
  Toys toys = generate_toys(model, model.initial().data(), 12, 5);
  const FitManyResult good = fit_many(model, toy_arguments(toys), {}, threads(1));
  const std::size_t n_observables = model.constrained_parameters().size();
  toys.counts[2 * model.n_bins()] = not_a_number;
  toys.counts[5 * model.n_bins() + 1] = -1.0;
  toys.global_observables[7 * n_observables] = std::numeric_limits<double>::infinity();
  toys.global_observables[8 * n_observables + 1] = 4.0;  // outside its range
  const FitManyResult mixed = fit_many(model, toy_arguments(toys), {}, threads(1));
  for (std::size_t i = 0; i < toys.n; ++i) {
    CAPTURE(i);
    const bool bad = i == 2 || i == 5 || i == 7 || i == 8;
    CHECK((mixed.status[i] == FitStatus::invalid_input) == bad);
    CHECK(std::isnan(mixed.value[i]) == bad);
    if (!bad) CHECK(mixed.value[i] == good.value[i]);
  }
}

TEST_CASE("starts, fixed values and bounds may differ from fit to fit") {
  const Model model(tests::batch_spec());
  const std::size_t n = model.n_parameters();
  const std::size_t mu = model.parameter_index("mu");
  std::vector<double> counts(model.n_bins());
  model.expected(model.initial().data(), counts.data());
  std::vector<double> starts;
  for (int i = 0; i < 5; ++i) {
    starts.insert(starts.end(), model.initial().begin(), model.initial().end());
    starts[starts.size() - n + mu] = 0.5 * i;
  }
  starts[3 * n + 1] = not_a_number;
  std::vector<char> fixed(n, 0);
  fixed[mu] = 1;
  FitManyArguments arguments;
  arguments.n_fits = 5;
  arguments.counts = {counts.data(), 1};
  arguments.starts = {starts.data(), 5};
  arguments.fixed = {fixed.data(), 1};
  FitManyOptions options;
  options.kept_parameters = {mu};
  options.minimize.covariance = CovarianceKind::none;
  const FitManyResult scan = fit_many(model, arguments, options);
  CHECK(scan.errors.empty());
  CHECK(scan.n_kept == 1);
  CHECK(scan.x[0] == 0.0);
  CHECK(scan.x[4] == 2.0);
  CHECK(scan.status[3] == FitStatus::invalid_input);
  // The Asimov data are those of mu = 1.
  CHECK(scan.value[0] > scan.value[2] + 0.1);
  CHECK(scan.value[1] > scan.value[2]);
  CHECK(scan.value[4] > scan.value[2]);
  const std::vector<double> lower(n, 0.2), upper(n, 0.1);
  arguments.lower = {lower.data(), 1};
  arguments.upper = {upper.data(), 1};
  CHECK(fit_many(model, arguments, options).status[0] == FitStatus::invalid_input);
}

TEST_CASE("arguments that do not fit are refused") {
  const Model model(tests::batch_spec());
  const Toys toys = generate_toys(model, model.initial().data(), 4, 5);
  FitManyArguments arguments = toy_arguments(toys);
  arguments.counts.n_rows = 3;
  CHECK_THROWS_WITH_AS(fit_many(model, arguments), doctest::Contains("counts: has 3 rows"),
                       ArgumentError);
  CHECK_THROWS_AS(fit_many(model, FitManyArguments{2, {}, {}, {}, {}, {}, {}}), ArgumentError);
  FitManyOptions options;
  options.kept_parameters = {99};
  CHECK_THROWS_AS(fit_many(model, toy_arguments(toys), options), ArgumentError);
  CHECK(fit_many(model, {}).status.empty());
}

TEST_CASE("a call that is stopped keeps what is done") {
  const Model model(tests::batch_spec());
  const Toys toys = generate_toys(model, model.initial().data(), 20000, 5);
  RunOptions run = threads(2);
  const auto caller = std::this_thread::get_id();
  bool called_elsewhere = false;
  std::size_t last = 0;
  run.poll = [&](std::size_t n_done) {
    called_elsewhere = called_elsewhere || std::this_thread::get_id() != caller;
    last = n_done;
    return false;
  };
  const auto begin = std::chrono::steady_clock::now();
  const FitManyResult result = fit_many(model, toy_arguments(toys), {}, run);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
  CHECK_FALSE(called_elsewhere);
  CHECK_FALSE(result.complete);
  std::size_t n_done = 0;
  for (const FitStatus status : result.status) n_done += status != FitStatus::not_fitted ? 1U : 0U;
  CHECK(n_done > 0);
  CHECK(n_done < toys.n);
  CHECK(last == n_done);
  run.poll = [](std::size_t) -> bool { throw std::runtime_error("from the caller"); };
  CHECK_THROWS_WITH(fit_many(model, toy_arguments(toys), {}, run), "from the caller");
}

TEST_CASE("random starts stay in the box and are functions of seed and index") {
  ModelSpec spec = tests::batch_spec();
  spec.parameters[6].fixed = true;
  const Model model(spec);
  const std::size_t n = model.n_parameters();
  std::vector<double> counts(model.n_bins());
  model.expected(model.initial().data(), counts.data());
  Data data{counts, std::vector<double>(model.constrained_parameters().size())};
  model.expected_global_observables(model.initial().data(), data.global_observables.data());
  data.global_observables[0] = 4.5;  // scale, in [-5, 5]
  const std::vector<double> starts = draw_starts(model, data, 200, 1);
  REQUIRE(starts.size() == 200 * n);
  double sum = 0.0;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    CHECK(starts[i] >= model.lower()[i % n]);
    CHECK(starts[i] <= model.upper()[i % n]);
    if (i % n == 6) CHECK(starts[i] == 1.0);
    if (i % n == 1) sum += starts[i];
  }
  CHECK(sum / 200 > 3.5);
  const std::vector<double> fewer = draw_starts(model, data, 50, 1);
  CHECK(std::equal(fewer.begin(), fewer.end(), starts.begin()));
  CHECK(draw_starts(model, data, 50, 2) != fewer);
}
