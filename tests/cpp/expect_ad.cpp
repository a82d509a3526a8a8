#include "expect_ad.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <string>

#include "ad/backends.hpp"
#include "one_sided_derivative.hpp"

namespace nablafit::testing {

namespace {

using Vector = std::vector<double>;

/// Everything an evaluator says about one point.
struct Answers {
  Evaluation evaluation{};
  Vector gradient, hessian, product;
};

/// Derivatives on both sides of a point.
struct Sides {
  SideDerivatives left, right;
};

double largest(const Vector& values) {
  double result = 1.0;
  for (const double value : values) {
    if (std::isfinite(value)) result = std::max(result, std::abs(value));
  }
  return result;
}

/// Largest absolute value, or 1, of each row of a square matrix.
Vector largest_of_rows(const Vector& matrix, std::size_t n) {
  Vector rows;
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = matrix.begin() + static_cast<std::ptrdiff_t>(i * n);
    rows.push_back(largest(Vector(row, row + static_cast<std::ptrdiff_t>(n))));
  }
  return rows;
}

std::string element(const char* what, std::size_t i) {
  return std::string(what) + "[" + std::to_string(i) + "]";
}

/// Equal to within `tolerance`, or the same infinity or both NaN.
bool is_close(double found, double expected, double tolerance) {
  if (std::isnan(expected)) return std::isnan(found);
  if (std::isinf(expected)) return found == expected;
  return std::abs(found - expected) <= tolerance;
}

/// Checks `found[i]` to `relative` times `scale(i)`; reports the worst element only.
template <typename Scale>
void check_close(const char* what, const Vector& found, const Vector& expected, double relative,
                 const Scale& scale) {
  double worst_excess = 0.0;
  std::size_t worst = found.size();
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (is_close(found[i], expected[i], relative * scale(i))) continue;
    const double excess = std::abs(found[i] - expected[i]) / scale(i);
    if (worst < found.size() && !(excess > worst_excess)) continue;
    worst_excess = excess;
    worst = i;
  }
  if (worst == found.size()) return;
  INFO(element(what, worst));
  CAPTURE(expected[worst]);
  CAPTURE(found[worst] - expected[worst]);
  CAPTURE(relative * scale(worst));
  CHECK(found[worst] == expected[worst]);
}

void check_same(const Evaluation& found, const Evaluation& expected, double relative) {
  CHECK(to_string(found.status) == to_string(expected.status));
  if (found.status != EvaluationStatus::ok) CHECK(found.index == expected.index);
  const double tolerance = relative * std::max(1.0, std::abs(expected.value));
  CAPTURE(found.value - expected.value);
  CHECK(is_close(found.value, expected.value, tolerance));
}

/// A direction without structure: all components differ, none is zero.
Vector some_direction(std::size_t n) {
  Vector direction(n);
  for (std::size_t i = 0; i < n; ++i) {
    direction[i] = std::cos(1.0 + 2.0 * static_cast<double>(i)) + 0.1;
  }
  return direction;
}

Answers ask(Evaluator& evaluator, const Vector& x) {
  const std::size_t n = x.size();
  // NaN shows what an evaluator forgot to write.
  const double unset = std::numeric_limits<double>::quiet_NaN();
  Answers answers{{}, Vector(n, unset), Vector(n * n, unset), Vector(n, unset)};
  answers.evaluation = evaluator.value_and_gradient(x.data(), answers.gradient.data());
  const Vector direction = some_direction(n);
  for (const Evaluation& other :
       {evaluator.value(x.data()), evaluator.hessian(x.data(), answers.hessian.data()),
        evaluator.hessian_vector_product(x.data(), direction.data(), answers.product.data())}) {
    check_same(other, answers.evaluation, 1e-14);
  }
  return answers;
}

/// `found` must lie between the one-sided derivatives, each given its error.
void check_between(const std::string& what, double found, const Sides& sides, std::size_t component,
                   double margin) {
  double lower = std::numeric_limits<double>::infinity();
  double upper = -lower;
  for (const SideDerivatives* side : {&sides.left, &sides.right}) {
    if (std::isinf(side->errors[component])) return;
    const double error = margin + 4.0 * side->errors[component];
    lower = std::min(lower, side->values[component] - error);
    upper = std::max(upper, side->values[component] + error);
  }
  if (found >= lower && found <= upper) return;
  INFO(what);
  INFO("is not between finite differences of both sides");
  CAPTURE(lower);
  CAPTURE(upper);
  CHECK(found >= lower);
  CHECK(found <= upper);
}

/// Value as a vector of one, empty without likelihood.
Vector value_at(Evaluator& evaluator, const Vector& x) {
  const Evaluation evaluation = evaluator.value(x.data());
  if (evaluation.status != EvaluationStatus::ok) return {};
  return {evaluation.value};
}

Vector gradient_at(Evaluator& evaluator, const Vector& x) {
  Vector gradient(x.size());
  const Evaluation evaluation = evaluator.value_and_gradient(x.data(), gradient.data());
  if (evaluation.status != EvaluationStatus::ok) return {};
  return gradient;
}

/// First step to differentiate `f` with: well inside the interval on both sides where it exists, so
/// that a singularity close to the point is resolved.
template <typename Function>
double initial_step(const Function& f) {
  constexpr double largest_step = 0.125;
  if (!f(largest_step).empty() && !f(-largest_step).empty()) return largest_step;
  double step = largest_step;
  for (int halvings = 0; halvings < 40; ++halvings) {
    step /= 2.0;
    if (!f(step).empty() && !f(-step).empty()) return step / 4.0;
  }
  return largest_step;  // the point itself is the end of one side
}

/// Both one-sided derivatives of `f`, which has n components, with respect to parameter `index`.
template <typename Function>
Sides both_sides(const Function& f, const Vector& x, std::size_t index, std::size_t n) {
  const auto along = [&](double t) {
    Vector point = x;
    point[index] += t;
    return f(point);
  };
  const double step = initial_step(along);
  return {one_sided_derivatives(along, -step, n), one_sided_derivatives(along, step, n)};
}

void check_gradient(Evaluator& evaluator, const Vector& x, const Vector& gradient,
                    double tolerance) {
  const auto value = [&](const Vector& point) { return value_at(evaluator, point); };
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Sides sides = both_sides(value, x, i, 1);
    check_between(element("gradient", i), gradient[i], sides, 0, tolerance * largest(gradient));
  }
}

void check_column(Evaluator& evaluator, const Vector& x, const Vector& hessian, std::size_t column,
                  double tolerance) {
  const std::size_t n = x.size();
  const auto gradient = [&](const Vector& point) { return gradient_at(evaluator, point); };
  const Sides sides = both_sides(gradient, x, column, n);
  for (std::size_t i = 0; i < n; ++i) {
    check_between(element("hessian", i) + element("", column), hessian[i * n + column], sides, i,
                  tolerance * largest(hessian));
  }
}

}  // namespace

void expect_forward(Evaluator& evaluator, const Vector& x, const AdTolerances& tolerances) {
  const Answers found = ask(evaluator, x);
  const auto oracle = detail::make_forward_evaluator(evaluator.likelihood());
  const Answers expected = ask(*oracle, x);
  check_same(found.evaluation, expected.evaluation, tolerances.value);
  const Vector& gradient = expected.gradient;
  check_close("gradient", found.gradient, gradient, tolerances.gradient,
              [&](std::size_t i) { return std::max(1.0, std::abs(gradient[i])); });
  const std::size_t n = x.size();
  const Vector rows = largest_of_rows(expected.hessian, n);
  check_close("hessian", found.hessian, expected.hessian, tolerances.hessian,
              [&](std::size_t i) { return std::sqrt(rows[i / n] * rows[i % n]); });
  check_close("product", found.product, expected.product, tolerances.hessian,
              [&](std::size_t i) { return std::sqrt(rows[i] * largest(rows)); });
}

void expect_differences(Evaluator& evaluator, const Vector& x, std::size_t n_columns,
                        const AdTolerances& tolerances) {
  const Answers answers = ask(evaluator, x);
  if (answers.evaluation.status != EvaluationStatus::ok) return;
  check_gradient(evaluator, x, answers.gradient, tolerances.differences);
  const std::size_t stride =
      std::max<std::size_t>(1, x.size() / std::max<std::size_t>(1, n_columns));
  for (std::size_t column = 0; column < x.size(); column += stride) {
    check_column(evaluator, x, answers.hessian, column, tolerances.differences);
  }
}

void expect_ad(Evaluator& evaluator, const Vector& x, const AdTolerances& tolerances) {
  expect_forward(evaluator, x, tolerances);
  expect_differences(evaluator, x, 8, tolerances);
}

void expect_ad(const Likelihood& likelihood, const Vector& x, const AdTolerances& tolerances) {
  const std::unique_ptr<Evaluator> evaluator = make_evaluator(likelihood);
  expect_ad(*evaluator, x, tolerances);
}

}  // namespace nablafit::testing
