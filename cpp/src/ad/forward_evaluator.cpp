#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "ad/backends.hpp"
#include "ad/eigen_scalar.hpp"
#include "ad/reference_evaluator.hpp"

namespace nablafit::detail {

namespace {

constexpr int n_columns = 8;  ///< derivatives taken at once
constexpr int n_rows = 4;     ///< rows of the Hessian taken at once

using Gradient = ForwardScalar<n_columns>;

/// `x` as independent variables of the derivatives number `first` and following.
std::vector<Gradient> seeded(const double* x, std::size_t n, std::size_t first) {
  std::vector<Gradient> point;
  point.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    point.emplace_back(x[i]);
    if (i >= first && i < first + n_columns) {
      point.back().derivatives()[static_cast<Eigen::Index>(i - first)] = 1.0;
    }
  }
  return point;
}

/// The same with `Rows` further directions on top, none of them set.
template <int Rows>
std::vector<NestedScalar<Rows, n_columns>> nested(const std::vector<Gradient>& seeds) {
  std::vector<NestedScalar<Rows, n_columns>> point;
  point.reserve(seeds.size());
  for (const Gradient& seed : seeds) point.emplace_back(seed);
  return point;
}

class ForwardEvaluator final : public ReferenceEvaluator {
 public:
  using ReferenceEvaluator::ReferenceEvaluator;

  Evaluation value_and_gradient(const double* x, double* gradient) override {
    const Offence offence = find_offence(model(), data(), x);
    for (std::size_t first = 0; first < n(); first += n_columns) {
      const std::vector<Gradient> point = seeded(x, n(), first);
      const Gradient result = objective(offence, point.data());
      store(result, first, gradient + first);
    }
    return evaluate(x, offence, gradient, n());
  }

  Evaluation hessian(const double* x, double* matrix) override {
    std::fill(matrix, matrix + n() * n(), 0.0);
    const Offence offence = find_offence(model(), data(), x);
    if (offence.status == EvaluationStatus::ok) {
      for (std::size_t column = 0; column < n(); column += n_columns) {
        const std::vector<Gradient> seeds = seeded(x, n(), column);
        for (std::size_t row = 0; row < n(); row += n_rows) fill_tile(seeds, row, column, matrix);
      }
    }
    return evaluate(x, offence, matrix, n() * n());
  }

  Evaluation hessian_vector_product(const double* x, const double* v, double* product) override {
    std::fill(product, product + n(), 0.0);
    const Offence offence = find_offence(model(), data(), x);
    if (offence.status == EvaluationStatus::ok) {
      for (std::size_t first = 0; first < n(); first += n_columns) {
        auto point = nested<1>(seeded(x, n(), first));
        for (std::size_t i = 0; i < n(); ++i) point[i].derivatives()[0] = Gradient(v[i]);
        const auto result = reference_nll(model(), data(), point.data());
        store(result.derivatives()[0], first, product + first);
      }
    }
    return evaluate(x, offence, product, n());
  }

 private:
  std::size_t n() const noexcept { return model().n_parameters(); }

  /// Derivatives number `first` and following, up to the last parameter.
  void store(const Gradient& result, std::size_t first, double* target) const {
    const auto count = static_cast<Eigen::Index>(std::min<std::size_t>(n_columns, n() - first));
    std::copy_n(result.derivatives().data(), count, target);
  }

  void fill_tile(const std::vector<Gradient>& seeds, std::size_t row, std::size_t column,
                 double* matrix) const {
    auto point = nested<n_rows>(seeds);
    const std::size_t end = std::min(row + n_rows, n());
    for (std::size_t i = row; i < end; ++i) {
      point[i].derivatives()[static_cast<Eigen::Index>(i - row)] = Gradient(1.0);
    }
    const auto result = reference_nll(model(), data(), point.data());
    for (std::size_t i = row; i < end; ++i) {
      store(result.derivatives()[static_cast<Eigen::Index>(i - row)], column,
            matrix + i * n() + column);
    }
  }
};

}  // namespace

std::unique_ptr<Evaluator> make_forward_evaluator(const Likelihood& likelihood) {
  return std::make_unique<ForwardEvaluator>(likelihood);
}

}  // namespace nablafit::detail
