// Inverses and spectra of an ArrowFactorization.
//
// With U = B^-1 C = L^-T W:  cov(dense, dense) = S^-1,  cov(local, dense) = -U S^-1,
// cov(local, local) = B^-1 + U S^-1 U^T.
#include <algorithm>
#include <cmath>

#include "arrow/dense_cholesky.hpp"
#include "arrow/factorization.hpp"
#include "util/interruption.hpp"

namespace nablafit::detail {
namespace {

constexpr int n_smallest_iterations = 4;
constexpr int n_largest_iterations = 2;

double norm(const std::vector<double>& v) {
  double sum = 0.0;
  for (const double element : v) sum += element * element;
  return std::sqrt(sum);
}

}  // namespace

void ArrowFactorization::variances(double* variances) {
  std::fill_n(variances, n_parameters_, 0.0);
  invert_cholesky(schur_.data(), n_free_, stride_, inverse_.data(), work_.data());
  for (std::size_t i = 0; i < n_free_; ++i) {
    variances[structure_.dense_parameters[free_dense_[i]]] = inverse_[i * stride_ + i];
  }
  for (std::size_t b = 0; b < n_free_blocks_; ++b) {
    const Block& block = blocks_[b];
    for (std::size_t i = 0; i < block.size; ++i) {
      // Column i of L^-1 gives both (B^-1)_ii and row i of U.
      double* column = local_vector_.data();
      std::fill_n(column, block.size, 0.0);
      column[i] = 1.0;
      const double* l = factor(block);
      double own = 0.0;
      check_interruption(n_free_ * n_free_ + block.size * (block.size + n_free_));
      std::fill_n(dense_vector_.data(), n_free_, 0.0);
      for (std::size_t k = i; k < block.size; ++k) {
        for (std::size_t p = i; p < k; ++p) column[k] -= l[k * block.size + p] * column[p];
        column[k] /= l[k * block.size + k];
        own += column[k] * column[k];
        const double* row = w_row(block.begin + k);
        for (std::size_t j = 0; j < n_free_; ++j) dense_vector_[j] += column[k] * row[j];
      }
      solve_transposed(schur_.data(), n_free_, stride_, dense_vector_.data());
      for (std::size_t j = 0; j < n_free_; ++j) own += dense_vector_[j] * dense_vector_[j];
      variances[structure_.local_parameters[free_local_[block.begin + i]]] = own;
    }
  }
}

void ArrowFactorization::covariance(double* matrix) {
  std::fill_n(matrix, n_parameters_ * n_parameters_, 0.0);
  invert_cholesky(schur_.data(), n_free_, stride_, inverse_.data(), work_.data());
  for (std::size_t i = 0; i < n_free_; ++i) {
    const std::size_t row = structure_.dense_parameters[free_dense_[i]];
    for (std::size_t j = i; j < n_free_; ++j) {
      const std::size_t column = structure_.dense_parameters[free_dense_[j]];
      matrix[row * n_parameters_ + column] = inverse_[i * stride_ + j];
      matrix[column * n_parameters_ + row] = inverse_[i * stride_ + j];
    }
  }
  std::vector<double>& unit = iteration_vector_;
  std::fill(unit.begin(), unit.end(), 0.0);
  for (std::size_t l = 0; l < n_free_local_; ++l) {
    const std::size_t parameter = structure_.local_parameters[free_local_[l]];
    double* row = matrix + parameter * n_parameters_;
    unit[parameter] = 1.0;
    check_interruption(n_free_ * n_parameters_);
    solve(unit.data(), row);
    unit[parameter] = 0.0;
    for (std::size_t j = 0; j < n_parameters_; ++j) matrix[j * n_parameters_ + parameter] = row[j];
  }
}

/// A vector over the free parameters with irregular signs and sizes, so that no eigenvector is
/// orthogonal to it by symmetry; 0 elsewhere.
void ArrowFactorization::start_power_iteration(std::vector<double>& v) const {
  std::fill(v.begin(), v.end(), 0.0);
  double phase = 0.5;
  const auto set = [&](std::size_t parameter) {
    phase = std::fmod(phase + 0.61803398874989485, 1.0);
    v[parameter] = phase - 0.5 + (phase < 0.5 ? -0.25 : 0.25);
  };
  for (std::size_t i = 0; i < n_free_; ++i) set(structure_.dense_parameters[free_dense_[i]]);
  for (std::size_t l = 0; l < n_free_local_; ++l) set(structure_.local_parameters[free_local_[l]]);
}

ArrowFactorization::Spectrum ArrowFactorization::spectrum(const ArrowHessian& hessian) {
  Spectrum result{1.0, 1.0};
  if (n_free_ + n_free_local_ == 0) return result;
  std::vector<double>& v = iteration_vector_;
  std::vector<double>& product = product_vector_;
  start_power_iteration(v);
  // Square roots of the diagonal; 0 for parameters that are not free.
  arrow_diagonal(structure_, hessian, diagonal_.data());
  for (std::size_t j = 0; j < n_parameters_; ++j) {
    diagonal_[j] = v[j] == 0.0 ? 0.0 : std::sqrt(std::abs(diagonal_[j]));
  }
  for (int i = 0; i < n_smallest_iterations; ++i) {
    const double length = norm(v);
    for (std::size_t j = 0; j < n_parameters_; ++j) product[j] = v[j] / length * diagonal_[j];
    solve(product.data(), product.data());
    for (std::size_t j = 0; j < n_parameters_; ++j) v[j] = product[j] * diagonal_[j];
    result.smallest = 1.0 / norm(v);
  }
  start_power_iteration(v);
  for (int i = 0; i < n_largest_iterations; ++i) {
    const double length = norm(v);
    const auto scale = [&](std::size_t j) { return diagonal_[j] > 0.0 ? 1.0 / diagonal_[j] : 0.0; };
    for (std::size_t j = 0; j < n_parameters_; ++j) v[j] *= scale(j) / length;
    arrow_multiply(structure_, hessian, v.data(), product.data());
    for (std::size_t j = 0; j < n_parameters_; ++j) v[j] = product[j] * scale(j);
    result.largest = std::max(norm(v), result.smallest);
  }
  return result;
}

}  // namespace nablafit::detail
