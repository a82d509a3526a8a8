#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <vector>

#include "ad/backends.hpp"
#include "ad/reference_evaluator.hpp"

namespace nablafit::detail {

namespace {

const double first_step = std::cbrt(std::numeric_limits<double>::epsilon());
const double second_step = std::sqrt(std::sqrt(std::numeric_limits<double>::epsilon()));

/// Derivative at 0 of `f`, which is not finite where it does not exist.
template <typename Function>
double slope(Function f, double step) {
  const double right = f(step);
  const double left = f(-step);
  if (std::isfinite(left) && std::isfinite(right)) return (right - left) / (2.0 * step);
  const double side = std::isfinite(right) ? step : -step;
  const double near = std::isfinite(right) ? right : left;
  const double derivative = (4.0 * near - 3.0 * f(0.0) - f(2.0 * side)) / (2.0 * side);
  return std::isfinite(derivative) ? derivative : std::numeric_limits<double>::quiet_NaN();
}

class FiniteDifferenceEvaluator final : public ReferenceEvaluator {
 public:
  using ReferenceEvaluator::ReferenceEvaluator;

  Evaluation value_and_gradient(const double* x, double* gradient) override {
    const Offence offence = find_offence(model(), data(), x);
    std::fill(gradient, gradient + n(), 0.0);
    if (offence.status != EvaluationStatus::invalid_parameter) {
      point_.assign(x, x + n());
      for (std::size_t i = 0; i < n(); ++i) gradient[i] = derivative(offence, i, first_step);
    }
    return evaluate(x, offence, gradient, n());
  }

  Evaluation hessian(const double* x, double* matrix) override {
    const Offence offence = find_offence(model(), data(), x);
    std::fill(matrix, matrix + n() * n(), 0.0);
    if (offence.status == EvaluationStatus::ok) {
      for (std::size_t i = 0; i < n(); ++i) {
        std::vector<double> direction(n(), 0.0);
        direction[i] = 1.0;
        for (std::size_t j = 0; j <= i; ++j) {
          matrix[i * n() + j] = matrix[j * n() + i] = mixed_derivative(x, direction, j);
        }
      }
    }
    return evaluate(x, offence, matrix, n() * n());
  }

  Evaluation hessian_vector_product(const double* x, const double* v, double* product) override {
    const Offence offence = find_offence(model(), data(), x);
    std::fill(product, product + n(), 0.0);
    const std::vector<double> direction(v, v + n());
    const bool is_zero = std::all_of(v, v + n(), [](double component) { return component == 0.0; });
    if (offence.status == EvaluationStatus::ok && !is_zero) {
      for (std::size_t j = 0; j < n(); ++j) product[j] = mixed_derivative(x, direction, j);
    }
    return evaluate(x, offence, product, n());
  }

 private:
  std::size_t n() const noexcept { return model().n_parameters(); }

  /// The objective at point_: infinite where a likelihood is asked for and there is none.
  double objective_here(const Offence& offence) const {
    if (offence.status == EvaluationStatus::ok) {
      return evaluate(point_.data(), find_offence(model(), data(), point_.data())).value;
    }
    return objective(offence, point_.data());
  }

  /// Derivative of the objective at point_ with respect to parameter `i`.
  double derivative(const Offence& offence, std::size_t i, double relative_step) {
    const double centre = point_[i];
    const double result = slope(
        [&](double shift) {
          point_[i] = centre + shift;
          return objective_here(offence);
        },
        relative_step * std::max(1.0, std::abs(centre)));
    point_[i] = centre;
    return result;
  }

  /// Derivative along `direction` of the derivative with respect to parameter `j`.
  double mixed_derivative(const double* x, const std::vector<double>& direction, std::size_t j) {
    double largest = 0.0;  // of the relative shifts for a unit step
    for (std::size_t i = 0; i < n(); ++i) {
      largest = std::max(largest, std::abs(direction[i]) / std::max(1.0, std::abs(x[i])));
    }
    return slope(
        [&](double shift) {
          point_.resize(n());
          for (std::size_t i = 0; i < n(); ++i) point_[i] = x[i] + shift * direction[i];
          return derivative(Offence{}, j, second_step);
        },
        second_step / largest);
  }

  std::vector<double> point_;  ///< scratch: where the objective is evaluated
};

}  // namespace

std::unique_ptr<Evaluator> make_finite_difference_evaluator(const Likelihood& likelihood) {
  return std::make_unique<FiniteDifferenceEvaluator>(likelihood);
}

}  // namespace nablafit::detail
