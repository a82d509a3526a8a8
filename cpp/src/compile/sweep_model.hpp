/// \file
/// The compiled model for the hot loops: plain pointers and numbers only, because the sweeps are
/// compiled once per instruction set and must not use inline functions of the standard library.
#ifndef NABLAFIT_SRC_COMPILE_SWEEP_MODEL_HPP
#define NABLAFIT_SRC_COMPILE_SWEEP_MODEL_HPP

#include <cstdint>

namespace nablafit::detail {

/// Eight rows (one sample in one bin each), in any order, of one chunk.
struct RowBlock {
  std::uint32_t entry_begin, entry_end;      ///< additive variations
  std::uint32_t operand_begin, operand_end;  ///< groups of 8 operand indices
  bool has_floor;
};

/// Eight scopes: products of factors shared by the rows of a sample in a channel.
struct ScopeBlock {
  std::uint32_t factor_begin, factor_end;  ///< interpolated factors
  std::uint32_t gather_begin;              ///< groups of 8 operand indices
  std::uint32_t gather_floor;              ///< from here on, factors come after the floor
  std::uint32_t gather_end;
  bool has_floor;
};

/// A range of whole bins with all their rows: small enough to stay in cache between the forward and
/// the backward pass.
struct Chunk {
  std::uint32_t bin_begin, bin_end;
  std::uint32_t block_begin, block_end;
};

/// The compiled model as the sweeps see it. All pointers are into CompiledModel.
struct SweepModel {
  // Interpolants: one for each pair of transformed parameter and code, additive ones first.
  std::uint32_t n_interpolants, n_additive_interpolants;
  const std::uint32_t* interpolant_argument;
  const std::uint8_t* interpolant_code;
  // Operands: [scopes | parameters | 1 | derived factors].
  std::uint32_t n_scope_blocks;
  const ScopeBlock* scope_blocks;
  const std::uint32_t* factor_interpolant;
  const double*
      factor_data;  ///< per factor 8 x 8: log_low, log_high, c1..c6 (or S, A), lanes inside
  const std::int32_t* scope_gathers;
  const double* scope_floor;  ///< per scope
  // Rows.
  const RowBlock* row_blocks;
  const double* row_nominal;    ///< per row
  const double* row_floor;      ///< per row
  const std::int32_t* row_bin;  ///< per row; padding has a bin of its block
  const std::int32_t* row_operands;
  const std::uint32_t* entry_interpolant;
  const double*
      entry_data;  ///< per entry 2 x 8: S = (high - low) / 2, A = (high + low - 2 nominal) / 16
  const double* bin_floor;  ///< per bin; null if no channel has a floor
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_COMPILE_SWEEP_MODEL_HPP
