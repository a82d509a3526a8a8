// Functions that take spans: they check lengths and call those that take pointers.
#include <string>
#include <string_view>

#include "nablafit/batch.hpp"
#include "nablafit/error.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/model.hpp"
#include "nablafit/toys.hpp"

namespace nablafit {
namespace {

void expect_size(std::size_t found, std::size_t expected, std::string_view what,
                 const char* argument) {
  if (found == expected) return;
  throw ArgumentError("found " + std::to_string(found) + " values, expected " +
                          std::to_string(expected) + ", one per " + std::string(what),
                      argument);
}

void expect_parameters(const Model& model, std::size_t found, const char* argument) {
  expect_size(found, model.n_parameters(), "parameter", argument);
}

}  // namespace

void Model::expected(Span<const double> x, Span<double> yields) const {
  expect_parameters(*this, x.size(), "x");
  expect_size(yields.size(), n_bins(), "bin", "yields");
  expected(x.data(), yields.data());
}

void Model::expected_by_sample(Span<const double> x, Span<double> yields) const {
  expect_parameters(*this, x.size(), "x");
  expect_size(yields.size(), n_rows(), "row", "yields");
  expected_by_sample(x.data(), yields.data());
}

void Model::expected_global_observables(Span<const double> x, Span<double> values) const {
  expect_parameters(*this, x.size(), "x");
  expect_size(values.size(), constrained_parameters().size(), "constrained parameter", "values");
  expected_global_observables(x.data(), values.data());
}

YieldJacobian Model::jacobian_by_sample(Span<const double> x) const {
  expect_parameters(*this, x.size(), "x");
  return jacobian_by_sample(x.data());
}

void Likelihood::deviances(Span<const double> x, Span<double> bins,
                           Span<double> constraints) const {
  expect_parameters(model(), x.size(), "x");
  expect_size(bins.size(), model().n_bins(), "bin", "bins");
  expect_size(constraints.size(), model().constrained_parameters().size(), "constrained parameter",
              "constraints");
  deviances(x.data(), bins.data(), constraints.data());
}

Evaluation Evaluator::value(Span<const double> x) {
  expect_parameters(likelihood().model(), x.size(), "x");
  return value(x.data());
}

Evaluation Evaluator::value_and_gradient(Span<const double> x, Span<double> gradient) {
  expect_parameters(likelihood().model(), x.size(), "x");
  expect_parameters(likelihood().model(), gradient.size(), "gradient");
  return value_and_gradient(x.data(), gradient.data());
}

Evaluation Evaluator::hessian(Span<const double> x, Span<double> matrix) {
  expect_parameters(likelihood().model(), x.size(), "x");
  const std::size_t n = likelihood().model().n_parameters();
  expect_size(matrix.size(), n * n, "pair of parameters", "matrix");
  return hessian(x.data(), matrix.data());
}

Evaluation Evaluator::hessian_vector_product(Span<const double> x, Span<const double> v,
                                             Span<double> product) {
  expect_parameters(likelihood().model(), x.size(), "x");
  expect_parameters(likelihood().model(), v.size(), "v");
  expect_parameters(likelihood().model(), product.size(), "product");
  return hessian_vector_product(x.data(), v.data(), product.data());
}

Rows<double> make_rows(Span<const double> values, std::size_t row_length) {
  if (row_length == 0 || values.size() % row_length != 0) {
    throw ArgumentError("found " + std::to_string(values.size()) +
                            " values, expected a multiple of the row length " +
                            std::to_string(row_length),
                        "values");
  }
  return {values.data(), values.size() / row_length};
}

Toys generate_toys(const Model& model, Span<const double> x, std::size_t n, std::uint64_t seed,
                   std::uint64_t start, const ToyOptions& options, const RunOptions& run) {
  expect_parameters(model, x.size(), "x");
  return generate_toys(model, x.data(), n, seed, start, options, run);
}

}  // namespace nablafit
