/// \file
/// The part of the Hessian that is a sum over bins and rows.
#ifndef NABLAFIT_SRC_EVALUATE_HESSIAN_ROWS_HPP
#define NABLAFIT_SRC_EVALUATE_HESSIAN_ROWS_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "arrow/hessian.hpp"
#include "evaluate/compiled_likelihood.hpp"
#include "evaluate/first_derivatives.hpp"
#include "evaluate/sweep_state.hpp"

namespace nablafit::detail {

/// Inputs of the sums over rows: first derivatives at one point, and their weights.
struct HessianInputs : FirstDerivatives {
  explicit HessianInputs(const CompiledLikelihood& of);

  const CompiledLikelihood* likelihood;
  bool information = false;  ///< data equal to the yields, see assemble_information
  std::vector<std::uint32_t> block_of_local;  ///< per local row
};

/// Sums over the rows of a range of chunks. Owns scratch; one per partition of a Hessian.
class HessianRows {
 public:
  void clear(const HessianInputs& inputs);

  /// Adds a chunk. Writes couplings and blocks of the chunk's bins into `hessian`.
  void add_chunk(const HessianInputs& inputs, const SweepState& state, const Chunk& chunk,
                 ArrowHessian& hessian);

  /// Half of the second-order part: its share of the Hessian is half + half^T. [dense][dense]
  double* half_row(std::size_t row) { return half_.data() + row * n_dense_; }
  const std::vector<double>& half() const noexcept { return half_; }
  /// Upper triangle of minus the rank-one part. [dense][dense]
  const std::vector<double>& negative_rank_one() const noexcept { return negative_rank_one_; }
  /// Per interpolant: sum over entries of the adjoint of their rows times A.
  std::vector<double>& interpolant_curvature() noexcept { return interpolant_curvature_; }

 private:
  /// Dense vector to which derivatives of a row's yield are added, times the coefficient.
  struct Target {
    double* row;
    double coefficient;
  };

  void find_scopes(const HessianInputs& inputs, const Chunk& chunk);
  void add_row(const HessianInputs& inputs, const SweepState& state, std::size_t row,
               double* jacobian, ArrowHessian& hessian);
  double product_without(const SweepState& state, std::size_t i, std::size_t j) const;
  void add_operand(const HessianInputs& inputs, std::uint32_t operand, double slope, double cross,
                   double* jacobian, ArrowHessian& hessian);
  void add_entries(const HessianInputs& inputs, std::size_t row, double weight);
  void add_pair(const HessianInputs& inputs, std::uint32_t a, std::uint32_t b, double weight,
                ArrowHessian& hessian);
  void add_scopes(const HessianInputs& inputs, const SweepState& state);
  void add_bins(const HessianInputs& inputs, const SweepState& state, const Chunk& chunk,
                ArrowHessian& hessian);
  void add_local_curvature(const HessianInputs& inputs, const SweepState& state, std::uint32_t bin,
                           double curvature, const double* row, ArrowHessian& hessian);

  std::size_t n_dense_ = 0;
  std::vector<double> half_, negative_rank_one_, interpolant_curvature_;
  std::vector<double> local_gradient_;  ///< per local row: d(lambda of its bin)/d(parameter)

  // Of the current chunk.
  std::vector<double> jacobian_;           ///< [bin of chunk, padded to whole panels][dense row]
  std::vector<std::uint32_t> scope_slot_;  ///< per scope: row of scope_vectors_, or no_operand
  std::vector<std::uint32_t> touched_scopes_;
  std::vector<double> scope_vectors_;  ///< [slot][dense row]: sum of d' times
                                       ///< d(rows/scope)/d(transformed parameters)

  // Of the current row.
  std::vector<std::uint32_t> row_operands_;
  std::vector<Target> targets_;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_EVALUATE_HESSIAN_ROWS_HPP
