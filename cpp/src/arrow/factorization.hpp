/// \file
/// Factorisation of arrow-form Hessians: local blocks are eliminated by Schur complement, the dense
/// rest by Cholesky.
///
/// With H = [[D, C^T], [C, B]], B block-diagonal and B = L L^T,
///
///     W = L^-1 C,   S = D - W^T W = R^T R,   log det H = 2 sum log R_kk + 2 sum log L_ll.
///
/// Cost: n_local n_dense^2 / 2 + n_dense^3 / 6 multiplications, and as much memory as the
/// ArrowHessian itself. After construction nothing allocates, except where stated.
#ifndef NABLAFIT_SRC_ARROW_FACTORIZATION_HPP
#define NABLAFIT_SRC_ARROW_FACTORIZATION_HPP

#include <cstddef>
#include <vector>

#include "arrow/hessian.hpp"
#include "util/aligned.hpp"

namespace nablafit::detail {

/// product = H v; vectors are indexed by parameter.
void arrow_multiply(const ArrowStructure& structure, const ArrowHessian& hessian, const double* v,
                    double* product);

/// Diagonal of H, indexed by parameter.
void arrow_diagonal(const ArrowStructure& structure, const ArrowHessian& hessian, double* diagonal);

/// Lower limit, in units of 1 / width^2, on second derivatives along single parameters where a
/// direction is measured: a diagonal element may be zero although its row is not.
inline constexpr double smallest_scale = 1e-8;

/// Scales of a step: what a modified factorisation needs to know about the function.
struct StepScale {
  const double* gradient;  ///< per parameter
  const double* widths;    ///< per parameter, > 0: a typical change of it
};

/// A direction in which the function is nearly flat, or has negative curvature.
struct ArrowDirection {
  /// v^T H v for v^T diag(H) v = 1: 1 without correlations, 0 if flat. Elements of diag(H) are at
  /// least smallest_scale / width^2 here.
  double curvature;
  std::vector<double> vector;  ///< per parameter
};

/// Uses only the rows and columns of the free parameters; solutions are 0 elsewhere. For use from
/// one thread. Keeps a reference to the structure.
class ArrowFactorization {
 public:
  /// A pivot below this fraction of its original diagonal element is rounding, and treated as zero.
  static constexpr double smallest_relative_pivot = 1e-11;

  explicit ArrowFactorization(const ArrowStructure& structure);

  /// Factorises H where free[parameter] != 0. False if it is not positive definite within rounding;
  /// solving is then not possible.
  bool factorize(const ArrowHessian& hessian, const char* free,
                 double relative_pivot = smallest_relative_pivot);

  /// Factorises H + tau diag(H) with a tau found by a few trials: a cheap remedy for negative
  /// curvature far from the minimum. False if H is singular rather than indefinite.
  bool factorize_shifted(const ArrowHessian& hessian, const char* free, const StepScale& scale);

  /// Factorises a positive definite matrix near H: negative curvatures are replaced by their
  /// absolute values, flat directions get the curvature that keeps a Newton step within ten widths,
  /// or are held where such a step could not change the function. Always succeeds for finite input.
  /// Allocates if H is not positive definite.
  void factorize_modified(const ArrowHessian& hessian, const char* free, const StepScale& scale);

  /// True if the factors are those of H itself.
  bool is_exact() const noexcept { return exact_; }
  /// Most negative eigenvalue, with unit diagonal, found by factorize_modified; 0 if none.
  double most_negative_curvature() const noexcept { return most_negative_; }
  /// Its direction, indexed by parameter.
  const std::vector<double>& negative_direction() const noexcept { return negative_direction_; }

  /// solution = M^-1 right_hand_side, M being the factorised matrix. May alias.
  void solve(const double* right_hand_side, double* solution);
  /// The same for `count` vectors, one after the other.
  void solve_many(const double* right_hand_sides, std::size_t count, double* solutions);
  double log_determinant() const;

  /// Diagonal of M^-1, per parameter.
  void variances(double* variances);
  /// M^-1 over all parameters, n_parameters() squared, row-major: nothing else here is that large.
  void covariance(double* matrix);

  /// Estimates, by power iteration, of the extreme eigenvalues of M scaled to unit diagonal.
  struct Spectrum {
    double smallest;
    double largest;
    double condition() const noexcept { return largest / smallest; }
  };
  Spectrum spectrum(const ArrowHessian& hessian);

  /// Directions with a curvature below `threshold`, weakest first; of a large matrix that is
  /// clearly indefinite, one of them, see `lowest_eigenpairs`. Allocates.
  std::vector<ArrowDirection> weak_directions(const ArrowHessian& hessian, const char* free,
                                              const double* widths, double threshold);

  std::size_t n_parameters() const noexcept { return n_parameters_; }

 private:
  /// Free rows of one block in the compact order.
  struct Block {
    std::size_t index;  ///< in the structure
    std::size_t begin;  ///< first compact local row
    std::size_t size;
  };

  void select(const char* free);
  void gather_block(const ArrowHessian& hessian, const Block& block);
  bool factorize_block(const Block& block, double relative_pivot = smallest_relative_pivot);
  void reduce_block(const ArrowHessian& hessian, const Block& block);
  void gather_dense(const ArrowHessian& hessian);
  void subtract_local_rows();
  double shift_size(std::size_t row, const StepScale& scale) const;
  void reduce_locals(const ArrowHessian& hessian, const StepScale& scale);
  void modify_block(const Block& block, const StepScale& scale);
  void modify_schur(const ArrowHessian& hessian, const StepScale& scale);
  void note_negative(double curvature, const std::vector<double>& vector);
  void extend_to_locals(std::vector<double>& vector);
  void subtract_local_gradient(const double* gradient, double* dense);
  void start_power_iteration(std::vector<double>& v) const;
  void forward_local(double* locals) const;
  void backward_local(double* locals) const;
  void backward_block(const Block& block, double* locals) const;
  const double* factor(const Block& block) const {
    return factors_.data() + factor_begin_[block.begin];
  }
  double* factor(const Block& block) { return factors_.data() + factor_begin_[block.begin]; }
  double* w_row(std::size_t row) { return w_.data() + row * stride_; }
  const double* w_row(std::size_t row) const { return w_.data() + row * stride_; }

  const ArrowStructure& structure_;
  std::size_t n_parameters_;
  std::size_t stride_;      ///< of schur_, inverse_ and w_
  std::size_t n_free_ = 0;  ///< free dense rows
  std::size_t n_free_local_ = 0;
  std::size_t n_free_blocks_ = 0;
  bool exact_ = false;
  double most_negative_ = 0.0;
  std::vector<std::size_t> free_dense_;    ///< dense row of each compact dense row
  std::vector<std::size_t> free_local_;    ///< local row of each compact local row
  std::vector<std::size_t> factor_begin_;  ///< per compact local row that begins a block
  std::vector<Block> blocks_;
  AlignedVector<double> schur_;    ///< S, then R
  AlignedVector<double> inverse_;  ///< scratch: S^-1, or the inverse's work space
  AlignedVector<double> work_;     ///< like inverse_
  AlignedVector<double> w_;      ///< W, one row per compact local row, zero-padded to whole panels
  std::vector<double> factors_;  ///< L of each block, row-major, lower
  std::vector<double> dense_scale_;  ///< diagonal of D before elimination
  std::vector<double> dense_vector_, local_vector_, iteration_vector_, product_vector_, diagonal_;
  std::vector<double> negative_direction_;
  std::vector<ArrowDirection> block_directions_;  ///< flat or negative ones within single blocks
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_ARROW_FACTORIZATION_HPP
