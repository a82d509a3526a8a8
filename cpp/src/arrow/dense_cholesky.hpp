/// \file
/// Cholesky factorisation of small dense symmetric matrices (tens to a few hundred rows) in memory
/// owned by the caller: nothing here allocates.
///
/// A matrix is row-major with `stride` doubles from row to row; only the upper triangle (column >=
/// row) is read and written. Loops use the widest registers of the processor, chosen once per
/// process; the source fixes the order of sums, so that results do not depend on threads.
#ifndef NABLAFIT_SRC_ARROW_DENSE_CHOLESKY_HPP
#define NABLAFIT_SRC_ARROW_DENSE_CHOLESKY_HPP

#include <cstddef>

namespace nablafit::detail {

/// Rows of a panel of `subtract_outer_products`, and of the blocks of the factorisation.
inline constexpr std::size_t panel_rows = 8;

/// Stride for matrices with n columns: whole vector registers in every row.
constexpr std::size_t padded_stride(std::size_t n) noexcept { return (n + 7) / 8 * 8; }

/// a[i][j] -= sum_k panel[k][i] * panel[k][j] for i <= j < n over the `panel_rows` rows of `panel`.
void subtract_outer_products(double* a, std::size_t n, std::size_t stride, const double* panel,
                             std::size_t panel_stride);

/// Overwrites the upper triangle of A by R with R^T R = A. Returns n, or the first row k whose
/// pivot is not above `relative_pivot * scale[k]` (scale >= 0: the size that A[k][k] had before
/// cancellations); A is then destroyed. NaN is treated as too small.
std::size_t cholesky(double* a, std::size_t n, std::size_t stride, const double* scale,
                     double relative_pivot);

/// x <- R^-T x.
void solve_transposed(const double* r, std::size_t n, std::size_t stride, double* x);
/// x <- R^-1 x.
void solve_upper(const double* r, std::size_t n, std::size_t stride, double* x);

/// Upper triangle of (R^T R)^-1 into `inverse`; `work` is overwritten. Both like `r`, without
/// overlap.
void invert_cholesky(const double* r, std::size_t n, std::size_t stride, double* inverse,
                     double* work);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_ARROW_DENSE_CHOLESKY_HPP
