/// \file
/// The lowest eigenvalues of large symmetric matrices.
#ifndef NABLAFIT_SRC_ARROW_LOWEST_EIGENPAIRS_HPP
#define NABLAFIT_SRC_ARROW_LOWEST_EIGENPAIRS_HPP

#include <Eigen/Core>

namespace nablafit::detail {

/// Some eigenvalues of a matrix, ascending, and their eigenvectors, as columns.
struct Eigenpairs {
  Eigen::VectorXd values;
  Eigen::MatrixXd vectors;
  /// A large matrix is positive definite with this added to its diagonal.
  double shift = 0.0;
};

/// A matrix with unit diagonal that needs a larger shift has negative curvature, and not rounding.
inline constexpr double clear_negative = 1e-6;
/// Matrices with more rows are not decomposed completely if that can be avoided.
inline constexpr Eigen::Index rows_to_decompose = 512;

/// The eigenpairs below `threshold`, and the lowest one in any case, of a symmetric matrix whose
/// diagonal is 1 or so; of a large one that is clearly indefinite, an estimate of the lowest one.
///
/// Large ones by inverse iteration of a subspace (Golub and Van Loan, Matrix Computations, section
/// 8.2): a few Cholesky factorisations where a full decomposition takes about fifty, and a
/// PollScope can stop it. If more than a few hundred are below, by a full decomposition.
Eigenpairs lowest_eigenpairs(const Eigen::MatrixXd& matrix, double threshold);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_ARROW_LOWEST_EIGENPAIRS_HPP
