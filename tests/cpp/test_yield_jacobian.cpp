#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "ad/eigen_scalar.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/model.hpp"
#include "random_spec.hpp"
#include "reference/nll.hpp"

using namespace nablafit;
using namespace nablafit::testing;

namespace {

constexpr std::uint64_t n_seeds = 60;
constexpr int n_columns = 8;
using Forward = detail::ForwardScalar<n_columns>;

bool is_finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

/// Derivatives of the plain reference by forward mode, [row][parameter].
std::vector<double> forward_jacobian(const Model& model, const std::vector<double>& x) {
  const detail::ReferenceModel reference(model.spec());
  const std::size_t n = model.n_parameters();
  std::vector<double> matrix(model.n_rows() * n);
  for (std::size_t first = 0; first < n; first += n_columns) {
    const std::size_t end = std::min(n, first + n_columns);
    std::vector<Forward> point(x.begin(), x.end());
    for (std::size_t p = first; p < end; ++p) {
      point[p].derivatives()[static_cast<Eigen::Index>(p - first)] = 1.0;
    }
    std::vector<Forward> yields(model.n_rows(), Forward(0.0));
    detail::reference_expected_by_sample(reference, point.data(), yields.data());
    for (std::size_t row = 0; row < model.n_rows(); ++row) {
      for (std::size_t p = first; p < end; ++p) {
        matrix[row * n + p] = yields[row].derivatives()[static_cast<Eigen::Index>(p - first)];
      }
    }
  }
  return matrix;
}

std::vector<double> dense(const YieldJacobian& jacobian, std::size_t n_rows, std::size_t n) {
  std::vector<double> matrix(n_rows * n, 0.0);
  for (std::size_t row = 0; row < n_rows; ++row) {
    for (auto k = jacobian.offsets[row]; k < jacobian.offsets[row + 1]; ++k) {
      const auto entry = static_cast<std::size_t>(k);
      matrix[row * n + static_cast<std::size_t>(jacobian.parameters[entry])] =
          jacobian.derivatives[entry];
    }
  }
  return matrix;
}

void check_structure(const YieldJacobian& jacobian, std::size_t n_rows) {
  REQUIRE(jacobian.offsets.size() == n_rows + 1);
  CHECK(jacobian.offsets.front() == 0);
  REQUIRE(static_cast<std::size_t>(jacobian.offsets.back()) == jacobian.parameters.size());
  REQUIRE(jacobian.parameters.size() == jacobian.derivatives.size());
  for (std::size_t row = 0; row < n_rows; ++row) {
    const auto begin = jacobian.parameters.begin() + jacobian.offsets[row];
    const auto end = jacobian.parameters.begin() + jacobian.offsets[row + 1];
    CHECK(std::adjacent_find(begin, end, [](auto a, auto b) { return a >= b; }) == end);
  }
}

}  // namespace

TEST_CASE("derivatives of yields are those of forward mode") {
  for (std::uint64_t seed = 0; seed < n_seeds; ++seed) {
    const Model model(random_spec(seed));
    for (const NamedPoint& point : random_points(model, seed)) {
      if (!is_finite(point.x)) continue;
      CAPTURE(seed);
      CAPTURE(point.name);
      const std::size_t n = model.n_parameters();
      const YieldJacobian jacobian = model.jacobian_by_sample(point.x.data());
      check_structure(jacobian, model.n_rows());
      const std::vector<double> found = dense(jacobian, model.n_rows(), n);
      const std::vector<double> expected = forward_jacobian(model, point.x);
      for (std::size_t i = 0; i < found.size(); ++i) {
        const std::size_t row = i / n;
        const double* begin = expected.data() + row * n;
        const double scale = std::accumulate(
            begin, begin + n, 1.0, [](double a, double b) { return std::max(a, std::abs(b)); });
        CAPTURE(row);
        CAPTURE(i % n);
        CHECK(std::abs(found[i] - expected[i]) <= 1e-11 * scale);
      }
    }
  }
}

TEST_CASE("the terms of a likelihood add up to its value") {
  std::size_t n_undefined = 0;
  for (std::uint64_t seed = 0; seed < n_seeds; ++seed) {
    const Model model(random_spec(seed));
    const Likelihood likelihood(model, random_measurement(model, seed));
    const auto evaluator = make_evaluator(likelihood);
    for (const NamedPoint& point : random_points(model, seed)) {
      if (!is_finite(point.x)) continue;
      CAPTURE(seed);
      CAPTURE(point.name);
      std::vector<double> bins(model.n_bins());
      std::vector<double> constraints(model.constrained_parameters().size());
      likelihood.deviances(point.x.data(), bins.data(), constraints.data());
      const double sum = std::accumulate(bins.begin(), bins.end(), 0.0) +
                         std::accumulate(constraints.begin(), constraints.end(), 0.0);
      const Evaluation evaluation = evaluator->value(point.x.data());
      if (evaluation.status == EvaluationStatus::ok) {
        CHECK(sum == doctest::Approx(evaluation.value).epsilon(1e-12));
      } else {
        CHECK(std::isinf(sum));
        ++n_undefined;
      }
    }
  }
  CHECK(n_undefined > 0);
}
