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

class FiniteDifferenceEvaluator : public ReferenceEvaluator {
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

 protected:
  std::size_t n() const noexcept { return model().n_parameters(); }

  /// The objective at point_: infinite where a likelihood is asked for and there is none.
  double objective_here(const Offence& offence) const {
    if (offence.status == EvaluationStatus::ok) {
      return evaluate(point_.data(), find_offence(model(), data(), point_.data())).value;
    }
    return objective(offence, point_.data());
  }

  std::vector<double> point_;  ///< scratch: where the objective is evaluated

 private:
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
};

/// First derivatives by Minuit2's Numerical2PGradientCalculator (math/minuit2), on its defaults for
/// strategy 1 and without transforms of bounded parameters.
class MinuitDifferenceEvaluator final : public FiniteDifferenceEvaluator {
 public:
  using FiniteDifferenceEvaluator::FiniteDifferenceEvaluator;

  Evaluation value_and_gradient(const double* x, double* gradient) override {
    const Offence offence = find_offence(model(), data(), x);
    std::fill(gradient, gradient + n(), 0.0);
    if (offence.status != EvaluationStatus::invalid_parameter) {
      point_.assign(x, x + n());
      const double value = objective_here(offence);
      for (std::size_t i = 0; i < n(); ++i) gradient[i] = adaptive(offence, i, value);
    }
    return evaluate(x, offence, gradient, n());
  }

 private:
  static constexpr double up = 0.5;  ///< MINUIT's errordef of a log-likelihood
  static constexpr double relative_precision = 4.0 * std::numeric_limits<double>::epsilon();
  static constexpr int n_cycles = 3;
  static constexpr double step_tolerance = 0.3;
  static constexpr double gradient_tolerance = 0.05;

  /// Derivative at point_ with respect to parameter `i`, where the objective is `value`.
  double adaptive(const Offence& offence, std::size_t i, double value) {
    const double precision = 2.0 * std::sqrt(relative_precision);
    const double noise = 8.0 * relative_precision * (std::abs(value) + up);
    const double smallest = 8.0 * relative_precision * relative_precision;
    const double centre = point_[i];
    const double width = 0.1 * std::max(1.0, std::abs(centre));
    double curvature = 2.0 * up / (width * width);
    double derivative = curvature * width;
    double scale = std::max(8.0 * precision * (std::abs(centre) + precision), 0.1 * width);
    double before = 0.0;
    for (int cycle = 0; cycle < n_cycles; ++cycle) {
      const double floor = precision * (1.0 + std::abs(derivative));
      double step = std::max(std::sqrt(noise / (std::abs(curvature) + floor)), 0.1 * scale);
      step = std::min(step, 10.0 * scale);
      step = std::max({step, smallest, 8.0 * std::abs(precision * centre)});
      if (std::abs((step - before) / step) < step_tolerance) break;
      scale = before = step;
      point_[i] = centre + step;
      const double right = objective_here(offence);
      point_[i] = centre - step;
      const double left = objective_here(offence);
      point_[i] = centre;
      const double last = derivative;
      derivative = 0.5 * (right - left) / step;
      curvature = (right + left - 2.0 * value) / step / step;
      if (std::abs(last - derivative) / (std::abs(derivative) + noise / step) <
          gradient_tolerance) {
        break;
      }
    }
    return derivative;
  }
};

}  // namespace

std::unique_ptr<Evaluator> make_finite_difference_evaluator(const Likelihood& likelihood) {
  return std::make_unique<FiniteDifferenceEvaluator>(likelihood);
}

std::unique_ptr<Evaluator> make_minuit_difference_evaluator(const Likelihood& likelihood) {
  return std::make_unique<MinuitDifferenceEvaluator>(likelihood);
}

}  // namespace nablafit::detail
