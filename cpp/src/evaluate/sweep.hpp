/// \file
/// The hot loops over a compiled model, compiled once per instruction set. Plain pointers and
/// numbers only: nothing here may instantiate code that could be shared with another translation
/// unit.
///
/// One evaluation runs
///
///     set_interpolants -> forward_scopes -> [forward_rows -> weigh_bins -> backward_rows] per
///     chunk
///               -> backward_scopes -> collect_interpolants
///
/// where the backward half is left out when only the value is wanted. With SweepScratch::tangent
/// set, the same passes run on dual numbers: the directional derivative of every quantity goes into
/// the tangent scratch, so that the backward half gives a Hessian-vector product.
#ifndef NABLAFIT_SRC_EVALUATE_SWEEP_HPP
#define NABLAFIT_SRC_EVALUATE_SWEEP_HPP

#include <cstddef>
#include <cstdint>

#include "compile/sweep_model.hpp"
#include "util/lanes.hpp"

namespace nablafit::detail {

/// Scratch of one thread.
struct SweepScratch {
  double* transformed;  ///< per transformed parameter: its value
  double* transformed_gradient;
  // Per interpolant: argument; additive ones also g and dg/dalpha. Adjoints have 8 lanes per
  // interpolant.
  double *alpha, *shape, *shape_slope, *interpolant_adjoint;
  // Per factor, 8 lanes: value, derivative, product of the factors before it.
  double *factor_value, *factor_slope, *factor_prefix;
  double* scope_inside;  ///< per scope: product before the floor
  double *operand, *operand_adjoint;
  double *row_yield,
      *row_factor;  ///< per row: interpolated histogram before its floor, product of factors
  double *lambda, *weight;  ///< per bin: expected yield, d(nll)/d(lambda)
  SweepScratch* tangent;    ///< directional derivatives of all the above, or null
};

/// An entry of a sparse vector.
struct SparseEntry {
  std::uint32_t index;
  double value;
};

/// Outcome of the Poisson terms of a range of bins.
struct BinSum {
  double deviance;
  std::uint32_t first_offender;  ///< bin for whose yield the likelihood is zero, or no_offender
};

inline constexpr std::uint32_t no_offender = 0xFFFFFFFFU;

struct SweepFunctions {
  const char* name;
  void (*set_interpolants)(const SweepModel&, SweepScratch&, bool with_gradient);
  void (*forward_scopes)(const SweepModel&, SweepScratch&);
  void (*forward_rows)(const SweepModel&, SweepScratch&, const Chunk&);
  /// Deviance of the bins of the chunk, and their weights if wanted.
  BinSum (*weigh_bins)(const SweepModel&, SweepScratch&, const Chunk&, const double* counts,
                       bool with_gradient);
  void (*backward_rows)(const SweepModel&, SweepScratch&, const Chunk&);
  void (*backward_scopes)(const SweepModel&, SweepScratch&);
  /// Adds the adjoints of the interpolants to transformed_gradient.
  void (*collect_interpolants)(const SweepModel&, SweepScratch&);
  /// matrix[e.index][j] += e.value * vector[j] for n_entries entries and j < n; rows have n values.
  void (*add_outer_product)(double* matrix, std::size_t n, const SparseEntry* entries,
                            std::size_t n_entries, const double* vector);
};

/// The fastest sweep that this processor can run. The environment variable NABLAFIT_INSTRUCTION_SET
/// ("baseline", "avx2", "avx512") selects a slower one; it is read once.
const SweepFunctions& sweep_functions();

/// Null if the sweep of that name was not built or this processor cannot run it.
const SweepFunctions* find_sweep(const char* name);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_EVALUATE_SWEEP_HPP
