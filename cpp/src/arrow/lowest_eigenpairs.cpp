#include "arrow/lowest_eigenpairs.hpp"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "arrow/dense_cholesky.hpp"
#include "util/aligned.hpp"
#include "util/interruption.hpp"
#include "util/philox.hpp"

namespace nablafit::detail {
namespace {

/// The shift of a singular matrix: far above the rounding of its factorisation.
constexpr double smallest_shift = 1e-9;
constexpr Eigen::Index first_columns = 8;
constexpr Eigen::Index most_columns = 512;
constexpr int iterations_between_looks = 3;
constexpr int most_iterations = 20;
constexpr int estimating_iterations = 10;
/// Error of an eigenvalue is the square of the residual, divided by the distance to the next one.
constexpr double largest_residual = 1e-9;

/// The matrix plus a multiple of the unit matrix, factorised.
class ShiftedFactors {
 public:
  explicit ShiftedFactors(const Eigen::MatrixXd& matrix)
      : n_(static_cast<std::size_t>(matrix.rows())),
        stride_(padded_stride(n_)),
        factor_(n_ * stride_),
        scale_(n_, 1.0) {
    const auto enough = static_cast<double>(n_);  // Gershgorin, for elements up to 1
    while (!factorize(matrix) && shift_ <= enough) shift_ *= 10.0;
  }

  double shift() const noexcept { return shift_; }

  /// x <- (A + shift)^-1 x.
  void solve(double* x) const {
    solve_transposed(factor_.data(), n_, stride_, x);
    solve_upper(factor_.data(), n_, stride_, x);
    check_interruption(n_ * n_);
  }

 private:
  bool factorize(const Eigen::MatrixXd& matrix) {
    for (std::size_t i = 0; i < n_; ++i) {
      double* row = factor_.data() + i * stride_;
      for (std::size_t j = i; j < n_; ++j) {
        row[j] = matrix(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(i));
      }
      row[i] += shift_;
    }
    return cholesky(factor_.data(), n_, stride_, scale_.data(), 0.0) == n_;
  }

  std::size_t n_;
  std::size_t stride_;
  double shift_ = smallest_shift;
  AlignedVector<double> factor_;
  std::vector<double> scale_;
};

/// Columns that span nearly all directions of few eigenvalues.
class Subspace {
 public:
  explicit Subspace(const Eigen::MatrixXd& matrix) : matrix_(matrix), basis_(matrix.rows(), 0) {
    widen(std::min(first_columns, matrix.rows()));
  }

  Eigen::Index columns() const noexcept { return basis_.cols(); }
  const Eigen::VectorXd& values() const noexcept { return values_; }
  const Eigen::MatrixXd& vectors() const noexcept { return basis_; }

  /// Adds columns of numbers that have nothing to do with the matrix.
  void widen(Eigen::Index columns) {
    const Eigen::Index before = basis_.cols();
    basis_.conservativeResize(Eigen::NoChange, columns);
    for (Eigen::Index k = before; k < columns; ++k) {
      for (Eigen::Index i = 0; i < basis_.rows(); ++i) {
        const auto bits =
            philox({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(k), 0, 0}, {});
        basis_(i, k) = static_cast<double>(bits[0]) * 0x1p-32 - 0.5;
      }
    }
  }

  /// One step of inverse iteration, and the best eigenpairs that the columns can make.
  void iterate(const ShiftedFactors& factors) {
    for (Eigen::Index k = 0; k < basis_.cols(); ++k) factors.solve(basis_.col(k).data());
    orthonormalize();
    Eigen::MatrixXd product(basis_.rows(), basis_.cols());
    for (Eigen::Index k = 0; k < basis_.cols(); ++k) {
      product.col(k).noalias() = matrix_ * basis_.col(k);
      check_interruption(static_cast<std::size_t>(matrix_.size()));
    }
    const Eigen::MatrixXd projected = basis_.transpose() * product;
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(projected);
    values_ = solver.eigenvalues();
    basis_ = (basis_ * solver.eigenvectors()).eval();
    residuals_ = (product * solver.eigenvectors() - basis_ * values_.asDiagonal()).colwise().norm();
    check_interruption();
  }

  Eigen::Index below(double threshold) const {
    return std::lower_bound(values_.begin(), values_.end(), threshold) - values_.begin();
  }

  bool are_exact(Eigen::Index count) const {
    return residuals_.head(count).maxCoeff() <= largest_residual;
  }

 private:
  /// Twice is enough (Giraud, Langou and Rozloznik, doi:10.1016/j.camwa.2005.08.009).
  void orthonormalize() {
    for (Eigen::Index k = 0; k < basis_.cols(); ++k) {
      const auto before = basis_.leftCols(k);
      for (int pass = 0; pass < 2; ++pass) {
        basis_.col(k).normalize();
        const Eigen::VectorXd parts = before.transpose() * basis_.col(k);
        basis_.col(k).noalias() -= before * parts;
      }
      basis_.col(k).normalize();
      check_interruption(static_cast<std::size_t>(4 * k * basis_.rows()));
    }
  }

  const Eigen::MatrixXd& matrix_;
  Eigen::MatrixXd basis_;
  Eigen::VectorXd values_;
  Eigen::VectorXd residuals_;
};

Eigenpairs first_of(const Eigen::VectorXd& values, const Eigen::MatrixXd& vectors,
                    Eigen::Index count, double shift) {
  return {values.head(count), vectors.leftCols(count), shift};
}

/// Those below the threshold, and at least one.
Eigenpairs decompose(const Eigen::MatrixXd& matrix, double threshold, double shift) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(matrix);
  const Eigen::VectorXd& values = solver.eigenvalues();
  const auto count = std::lower_bound(values.begin(), values.end(), threshold) - values.begin();
  return first_of(values, solver.eigenvectors(), std::max<Eigen::Index>(count, 1), shift);
}

}  // namespace

Eigenpairs lowest_eigenpairs(const Eigen::MatrixXd& matrix, double threshold) {
  if (matrix.rows() <= rows_to_decompose) return decompose(matrix, threshold, 0.0);
  const ShiftedFactors factors(matrix);
  Subspace subspace(matrix);
  if (factors.shift() > clear_negative) {
    for (int i = 0; i < estimating_iterations; ++i) subspace.iterate(factors);
    return first_of(subspace.values(), subspace.vectors(), 1, factors.shift());
  }
  for (int i = 0; i < most_iterations; ++i) {
    for (int k = 0; k < iterations_between_looks; ++k) subspace.iterate(factors);
    const Eigen::Index found = std::max<Eigen::Index>(subspace.below(threshold), 1);
    const Eigen::Index wanted = 2 * found;
    if (wanted > std::min(most_columns, matrix.rows() / 2)) break;
    if (wanted > subspace.columns()) {
      subspace.widen(2 * wanted);
    } else if (subspace.are_exact(found)) {
      return first_of(subspace.values(), subspace.vectors(), found, factors.shift());
    }
  }
  return decompose(matrix, threshold, factors.shift());
}

}  // namespace nablafit::detail
