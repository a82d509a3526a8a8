#include <doctest/doctest.h>

#include <array>
#include <vector>

#include "nablafit/batch.hpp"
#include "nablafit/builder.hpp"
#include "nablafit/error.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/toys.hpp"

using nablafit::ArgumentError;
using nablafit::Model;
using nablafit::ModelBuilder;

namespace {

Model small_model() {
  ModelBuilder builder;
  auto channel = builder.channel("c");
  channel.sample("signal", {3.0, 8.0}).norm_factor("mu");
  channel.sample("background", {40.0, 25.0}).norm_sys("scale", 0.9, 1.15);
  return Model(builder.build());
}

}  // namespace

TEST_CASE("functions of spans do what those of pointers do") {
  const Model model = small_model();
  const nablafit::Likelihood likelihood(model, {{46.0, 35.0}, {0.0}});
  const auto evaluator = nablafit::make_evaluator(likelihood);
  const std::vector<double> x = {1.3, 0.4};
  const std::array<double, 2> v = {1.0, -2.0};
  std::vector<double> a(4);
  std::vector<double> b(4);
  const nablafit::Span<double> pair(a.data(), 2);

  CHECK(evaluator->value(x).value == evaluator->value(x.data()).value);
  CHECK(evaluator->value_and_gradient(x, pair).value == evaluator->value(x).value);
  evaluator->value_and_gradient(x.data(), b.data());
  CHECK(a == b);
  evaluator->hessian(x, a);
  evaluator->hessian(x.data(), b.data());
  CHECK(a == b);
  evaluator->hessian_vector_product(x, v, pair);
  evaluator->hessian_vector_product(x.data(), v.data(), b.data());
  CHECK(a == b);
  model.expected(x, pair);
  CHECK(a[0] == doctest::Approx(3.9 + 40.0 * 1.056).epsilon(0.01));
  model.expected_by_sample(x, a);
  model.expected_by_sample(x.data(), b.data());
  CHECK(a == b);
  model.expected_global_observables(x, nablafit::Span<double>(a.data(), 1));
  CHECK(a[0] == 0.4);
  likelihood.deviances(x, pair, nablafit::Span<double>(b.data(), 1));
  CHECK(a[0] + a[1] + b[0] == doctest::Approx(evaluator->value(x).value).epsilon(1e-12));
  CHECK(model.jacobian_by_sample(x).derivatives == model.jacobian_by_sample(x.data()).derivatives);
  const nablafit::Toys toys = nablafit::generate_toys(model, x, 3, 1);
  CHECK(toys.counts == nablafit::generate_toys(model, x.data(), 3, 1).counts);
}

TEST_CASE("spans of another length are refused") {
  const Model model = small_model();
  const nablafit::Likelihood likelihood(model, {{46.0, 35.0}, {0.0}});
  const auto evaluator = nablafit::make_evaluator(likelihood);
  const std::vector<double> x = {1.3, 0.4};
  std::vector<double> two(2);
  std::vector<double> three(3);
  CHECK_THROWS_WITH_AS(evaluator->value(three), "x: found 3 values, expected 2, one per parameter",
                       ArgumentError);
  CHECK_THROWS_AS(evaluator->value_and_gradient(x, three), ArgumentError);
  CHECK_THROWS_AS(evaluator->hessian(x, two), ArgumentError);
  CHECK_THROWS_AS(evaluator->hessian_vector_product(x, three, two), ArgumentError);
  CHECK_THROWS_AS(evaluator->hessian_vector_product(x, two, three), ArgumentError);
  CHECK_THROWS_AS(model.expected(x, three), ArgumentError);
  CHECK_THROWS_AS(model.expected_by_sample(x, three), ArgumentError);
  CHECK_THROWS_AS(model.expected_global_observables(x, two), ArgumentError);
  CHECK_THROWS_AS(likelihood.deviances(x, three, two), ArgumentError);
  CHECK_THROWS_AS(likelihood.deviances(x, two, two), ArgumentError);
  CHECK_THROWS_AS(model.jacobian_by_sample(three), ArgumentError);
  CHECK_THROWS_AS(nablafit::generate_toys(model, three, 1, 1), ArgumentError);
}

TEST_CASE("rows of a matrix") {
  const std::vector<double> values = {1.0, 2.0, 3.0, 4.0};
  const nablafit::Rows<double> rows = nablafit::make_rows(values, 2);
  CHECK(rows.n_rows == 2);
  CHECK(rows.row(1, 2) == values.data() + 2);
  CHECK_THROWS_AS(nablafit::make_rows(values, 3), ArgumentError);
  CHECK_THROWS_AS(nablafit::make_rows(values, 0), ArgumentError);
  CHECK(nablafit::make_rows({}, 3).n_rows == 0);
}
