// Indefinite and singular matrices in arrow form: the rare path, with eigen-decompositions.
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

#include "arrow/dense_cholesky.hpp"
#include "arrow/factorization.hpp"
#include "arrow/lowest_eigenpairs.hpp"
#include "util/interruption.hpp"

namespace nablafit::detail {
namespace {

/// Eigenvalues below this, with unit diagonal, are rounding errors of zero.
constexpr double flat_curvature = 1e-11;
/// Eigenvalues of a block below this are reported as weak.
constexpr double flat_block_curvature = 1e-8;
constexpr double smallest_shift = 1e-2;
constexpr int max_shifts = 12;
/// Longest step along a direction without positive curvature, in widths.
constexpr double longest_step = 10.0;
/// A slope that cannot lower the function by more than this within the longest step is ignored.
constexpr double negligible_decrease = 1e-9;

/// A symmetric matrix, with its scale, that is to be made positive definite.
struct Subject {
  Eigen::MatrixXd matrix;
  Eigen::VectorXd size;  ///< of each diagonal element before any cancellation
  Eigen::VectorXd gradient;
  Eigen::VectorXd widths;

  explicit Subject(std::size_t n)
      : matrix(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(n)),
        size(static_cast<Eigen::Index>(n)),
        gradient(static_cast<Eigen::Index>(n)),
        widths(static_cast<Eigen::Index>(n)) {}
};

struct Modified {
  /// Of the scaled matrix, ascending: all, or the lowest ones if it is large.
  Eigen::VectorXd eigenvalues;
  Eigen::MatrixXd directions;  ///< columns, in the units of the parameters
};

double modified_curvature(double curvature, double slope, double reach) {
  if (curvature > flat_curvature) return curvature;
  const double needed = slope / reach;
  if (curvature < -flat_curvature) return std::max(-curvature, needed);
  return slope * reach < negligible_decrease ? 1.0 : std::max(needed, flat_curvature);
}

Eigen::VectorXd scaling(const Subject& subject) {
  const Eigen::ArrayXd least = smallest_scale / subject.widths.array().square();
  return subject.size.array().max(least).rsqrt().matrix();
}

/// The curvatures that `directions` are to have instead of the eigenvalues.
Eigen::VectorXd modified_curvatures(const Modified& modified, const Subject& subject) {
  Eigen::VectorXd curvatures = modified.eigenvalues;
  for (Eigen::Index k = 0; k < curvatures.size(); ++k) {
    const auto direction = modified.directions.col(k);
    const double slope = std::abs(direction.dot(subject.gradient));
    const double reach =
        longest_step / (direction.array().abs() / subject.widths.array()).maxCoeff();
    curvatures[k] = modified_curvature(curvatures[k], slope, reach);
  }
  return curvatures;
}

/// Changes only what is weak or, where the matrix is clearly indefinite, shifts everything.
Modified make_large_positive(Subject& subject, const Eigen::MatrixXd& scaled,
                             const Eigen::VectorXd& scale) {
  const Eigenpairs lowest = lowest_eigenpairs(scaled, flat_block_curvature);
  Modified result{lowest.values, scale.asDiagonal() * lowest.vectors};
  if (lowest.shift > clear_negative) {
    subject.matrix.diagonal().array() += 2.0 * lowest.shift / scale.array().square();
    return result;
  }
  const Eigen::VectorXd change = modified_curvatures(result, subject) - lowest.values;
  const Eigen::MatrixXd unscaled = scale.cwiseInverse().asDiagonal() * lowest.vectors;
  for (Eigen::Index k = 0; k < change.size(); ++k) {
    subject.matrix.noalias() += change[k] * unscaled.col(k) * unscaled.col(k).transpose();
    check_interruption(static_cast<std::size_t>(subject.matrix.size()));
  }
  return result;
}

/// Replaces subject.matrix with a positive definite one.
Modified make_positive(Subject& subject) {
  const Eigen::VectorXd scale = scaling(subject);
  const Eigen::MatrixXd scaled = scale.asDiagonal() * subject.matrix * scale.asDiagonal();
  if (scaled.rows() > rows_to_decompose) return make_large_positive(subject, scaled, scale);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(scaled);
  Modified result{solver.eigenvalues(), scale.asDiagonal() * solver.eigenvectors()};
  const Eigen::VectorXd curvatures = modified_curvatures(result, subject);
  const Eigen::MatrixXd unscaled = scale.cwiseInverse().asDiagonal() * solver.eigenvectors();
  subject.matrix = unscaled * curvatures.asDiagonal() * unscaled.transpose();
  return result;
}

}  // namespace

void ArrowFactorization::note_negative(double curvature, const std::vector<double>& vector) {
  if (curvature >= most_negative_ || curvature > -flat_curvature) return;
  most_negative_ = curvature;
  negative_direction_ = vector;
}

/// Sets the locals of a vector such that they minimise the quadratic form for its dense part:
/// -U dense.
void ArrowFactorization::extend_to_locals(std::vector<double>& vector) {
  for (std::size_t l = 0; l < n_free_local_; ++l) {
    double sum = 0.0;
    for (std::size_t j = 0; j < n_free_; ++j) {
      sum -= w_row(l)[j] * vector[structure_.dense_parameters[free_dense_[j]]];
    }
    local_vector_[l] = sum;
  }
  backward_local(local_vector_.data());
  for (std::size_t l = 0; l < n_free_local_; ++l) {
    vector[structure_.local_parameters[free_local_[l]]] = local_vector_[l];
  }
}

void ArrowFactorization::modify_block(const Block& block, const StepScale& scale) {
  Subject subject(block.size);
  const std::size_t m = block.size;
  const auto parameter = [&](std::size_t i) {
    return structure_.local_parameters[free_local_[block.begin + i]];
  };
  for (std::size_t i = 0; i < m; ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    for (std::size_t j = 0; j < m; ++j) {
      subject.matrix(row, static_cast<Eigen::Index>(j)) = factor(block)[i * m + j];
    }
    subject.size[row] = std::abs(factor(block)[i * m + i]);
    subject.gradient[row] = scale.gradient[parameter(i)];
    subject.widths[row] = scale.widths[parameter(i)];
  }
  const Modified modified = make_positive(subject);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < m; ++j) {
      factor(block)[i * m + j] =
          subject.matrix(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j));
    }
  }
  for (Eigen::Index k = 0; k < modified.eigenvalues.size(); ++k) {
    if (modified.eigenvalues[k] > flat_block_curvature) break;
    ArrowDirection direction{modified.eigenvalues[k], std::vector<double>(n_parameters_, 0.0)};
    for (std::size_t i = 0; i < m; ++i) {
      direction.vector[parameter(i)] = modified.directions(static_cast<Eigen::Index>(i), k);
    }
    note_negative(direction.curvature, direction.vector);
    block_directions_.push_back(std::move(direction));
  }
}

/// Gradient of the dense parameters with the locals eliminated: g_d - W^T L^-1 g_l.
void ArrowFactorization::subtract_local_gradient(const double* gradient, double* dense) {
  for (std::size_t l = 0; l < n_free_local_; ++l) {
    local_vector_[l] = gradient[structure_.local_parameters[free_local_[l]]];
  }
  forward_local(local_vector_.data());
  for (std::size_t l = 0; l < n_free_local_; ++l) {
    for (std::size_t j = 0; j < n_free_; ++j) dense[j] -= local_vector_[l] * w_row(l)[j];
  }
}

void ArrowFactorization::modify_schur(const ArrowHessian& hessian, const StepScale& scale) {
  gather_dense(hessian);
  subtract_local_rows();
  Subject subject(n_free_);
  for (std::size_t i = 0; i < n_free_; ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    const std::size_t parameter = structure_.dense_parameters[free_dense_[i]];
    for (std::size_t j = i; j < n_free_; ++j) {
      const auto column = static_cast<Eigen::Index>(j);
      subject.matrix(row, column) = subject.matrix(column, row) = schur_[i * stride_ + j];
    }
    subject.size[row] = dense_scale_[i];
    subject.gradient[row] = scale.gradient[parameter];
    subject.widths[row] = scale.widths[parameter];
  }
  subtract_local_gradient(scale.gradient, subject.gradient.data());
  const Modified modified = make_positive(subject);
  std::vector<double> vector(n_parameters_, 0.0);
  for (std::size_t i = 0; i < n_free_; ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    vector[structure_.dense_parameters[free_dense_[i]]] = modified.directions(row, 0);
    for (std::size_t j = i; j < n_free_; ++j) {
      schur_[i * stride_ + j] = subject.matrix(row, static_cast<Eigen::Index>(j));
    }
  }
  extend_to_locals(vector);
  note_negative(modified.eigenvalues[0], vector);
}

/// Eliminates the local rows, with blocks made positive definite, and leaves S in schur_.
void ArrowFactorization::reduce_locals(const ArrowHessian& hessian, const StepScale& scale) {
  block_directions_.clear();
  exact_ = false;
  most_negative_ = 0.0;
  for (std::size_t b = 0; b < n_free_blocks_; ++b) {
    gather_block(hessian, blocks_[b]);
    if (!factorize_block(blocks_[b])) {
      gather_block(hessian, blocks_[b]);
      modify_block(blocks_[b], scale);
      factorize_block(blocks_[b]);
    }
    reduce_block(hessian, blocks_[b]);
  }
  gather_dense(hessian);
  subtract_local_rows();
}

bool ArrowFactorization::factorize_shifted(const ArrowHessian& hessian, const char* free,
                                           const StepScale& scale) {
  select(free);
  reduce_locals(hessian, scale);
  std::copy_n(schur_.data(), n_free_ * stride_, work_.data());
  double shift = 0.0;
  for (int i = 0; i < max_shifts; ++i) {
    const std::size_t row =
        cholesky(schur_.data(), n_free_, stride_, dense_scale_.data(), smallest_relative_pivot);
    if (row == n_free_) return true;
    const double pivot = schur_[row * stride_ + row];
    const double size = shift_size(row, scale);
    if (i == 0 && !(pivot < -clear_negative * size)) return false;
    shift = std::max({2.0 * shift, smallest_shift, shift - 1.5 * pivot / size});
    std::copy_n(work_.data(), n_free_ * stride_, schur_.data());
    for (std::size_t k = 0; k < n_free_; ++k) {
      schur_[k * stride_ + k] += shift * shift_size(k, scale);
    }
  }
  return false;
}

/// Scale of the diagonal element of a compact dense row.
double ArrowFactorization::shift_size(std::size_t row, const StepScale& scale) const {
  const double width = scale.widths[structure_.dense_parameters[free_dense_[row]]];
  return std::max(dense_scale_[row], smallest_scale / (width * width));
}

void ArrowFactorization::factorize_modified(const ArrowHessian& hessian, const char* free,
                                            const StepScale& scale) {
  if (factorize(hessian, free)) {
    block_directions_.clear();
    return;
  }
  reduce_locals(hessian, scale);
  const double* sizes = dense_scale_.data();
  if (cholesky(schur_.data(), n_free_, stride_, sizes, smallest_relative_pivot) == n_free_) return;
  modify_schur(hessian, scale);
  std::fill(dense_scale_.begin(), dense_scale_.end(), 0.0);
  cholesky(schur_.data(), n_free_, stride_, dense_scale_.data(), 0.0);
}

std::vector<ArrowDirection> ArrowFactorization::weak_directions(const ArrowHessian& hessian,
                                                                const char* free,
                                                                const double* widths,
                                                                double threshold) {
  const std::vector<double> gradient(n_parameters_, 0.0);
  const StepScale scale{gradient.data(), widths};
  factorize_modified(hessian, free, scale);
  gather_dense(hessian);
  subtract_local_rows();
  Eigen::MatrixXd scaled(static_cast<Eigen::Index>(n_free_), static_cast<Eigen::Index>(n_free_));
  const auto size = [&](std::size_t i) { return 1.0 / std::sqrt(shift_size(i, scale)); };
  for (std::size_t i = 0; i < n_free_; ++i) {
    for (std::size_t j = i; j < n_free_; ++j) {
      const double element = schur_[i * stride_ + j] * size(i) * size(j);
      scaled(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = element;
      scaled(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(i)) = element;
    }
  }
  std::vector<ArrowDirection> result = block_directions_;
  if (n_free_ == 0) return result;
  const Eigenpairs lowest = lowest_eigenpairs(scaled, threshold);
  for (Eigen::Index k = 0; k < lowest.values.size(); ++k) {
    if (!(lowest.values[k] < threshold)) break;
    ArrowDirection direction{lowest.values[k], std::vector<double>(n_parameters_, 0.0)};
    for (std::size_t i = 0; i < n_free_; ++i) {
      direction.vector[structure_.dense_parameters[free_dense_[i]]] =
          lowest.vectors(static_cast<Eigen::Index>(i), k) * size(i);
    }
    extend_to_locals(direction.vector);
    result.push_back(std::move(direction));
  }
  return result;
}

}  // namespace nablafit::detail
