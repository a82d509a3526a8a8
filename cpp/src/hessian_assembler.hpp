/// \file
/// Second derivatives of a likelihood from its structure.
///
/// With lambda_b the yields, n_b the counts, and deviance terms d(n, lambda),
///
///     H = sum_b d''(n_b, lambda_b) grad(lambda_b) grad(lambda_b)^T        (rank one per bin)
///       + sum_b d'(n_b, lambda_b)  hess(lambda_b)                         (bilinear in rows and
///       factors)
///       + diagonal of the constraint terms.
///
/// A row is yield(pulls) times multipliers; hess(lambda_b) is made of second derivatives of single
/// interpolations (diagonal), of pairs (row, multiplier) and of pairs of multipliers.
#ifndef NABLAFIT_SRC_HESSIAN_ASSEMBLER_HPP
#define NABLAFIT_SRC_HESSIAN_ASSEMBLER_HPP

#include <cstdint>
#include <vector>

#include "arrow_hessian.hpp"
#include "compiled_likelihood.hpp"
#include "sweep_state.hpp"

namespace nablafit::detail {

/// Dense matrix from arrow form: n_parameters squared values, row-major.
void expand(const ArrowStructure& structure, const ArrowHessian& hessian, double* matrix);

class ProductOfOthers;

/// Owns scratch; one per evaluator. The likelihood must outlive it.
class HessianAssembler {
 public:
  explicit HessianAssembler(const CompiledLikelihood& likelihood);

  /// `state` as a successful evaluation of value and gradient at `x` left it.
  void assemble(const double* x, const SweepState& state, ArrowHessian& hessian);
  /// The Hessian that data equal to the yields would have: d'' = 1 / lambda, d' = 0. Positive
  /// semidefinite but for the constraint terms. Clears the adjoints in `state`.
  void assemble_information(const double* x, SweepState& state, ArrowHessian& hessian);

 private:
  /// What a multiplier index stands for.
  enum class Kind : std::uint8_t { scope, dense, local, one, derived };

  /// One factor of a scope: its value and derivatives with respect to the parameter of `row`.
  struct Element {
    double value, first, second;
    std::uint32_t row;
    std::uint32_t derived;  ///< multiplier index if the factor is a derived one, else no_multiplier
  };

  /// Dense vector to which derivatives of a row's yield are added, times the coefficient.
  struct Target {
    double* row;
    double coefficient;
  };

  static constexpr std::uint32_t no_multiplier = 0xFFFFFFFFU;

  double bin_curvature(std::uint32_t bin, double lambda) const;
  void prepare(const double* x, const SweepState& state, ArrowHessian& hessian);
  void set_scope_gradients(const SweepState& state);
  void collect_elements(const SweepState& state, std::uint32_t scope);
  void add_pairs_of_gradients(std::uint32_t scope, double weight);
  void add_pairs_of_elements(const ProductOfOthers& product, double adjoint);
  void append_gradient(std::size_t element, double others);
  void set_derived_gradients(const SweepState& state);

  void add_chunk(const SweepState& state, const Chunk& chunk, ArrowHessian& hessian);
  void add_block(const SweepState& state, const Chunk& chunk, std::uint32_t block,
                 ArrowHessian& hessian);
  void add_row(const SweepState& state, std::size_t row, double* jacobian, ArrowHessian& hessian);
  double product_without(const SweepState& state, std::size_t i, std::size_t j) const;
  void add_multiplier(std::uint32_t multiplier, double slope, double cross, double* jacobian,
                      ArrowHessian& hessian);
  void add_entries(std::size_t row, double weight);
  void add_pair(std::uint32_t a, std::uint32_t b, double weight, ArrowHessian& hessian);
  void add_bins(const SweepState& state, const Chunk& chunk, ArrowHessian& hessian);
  void add_local_curvature(const SweepState& state, std::uint32_t bin, double curvature,
                           const double* row, ArrowHessian& hessian);
  void flush_scopes(const SweepState& state);

  void add_pull_curvature(const double* x, const SweepState& state);
  void add_derived_curvature(const SweepState& state);
  void add_constraints(const double* x, ArrowHessian& hessian);
  void add_diagonal(std::uint32_t row, double value, ArrowHessian& hessian);
  void finish(ArrowHessian& hessian);

  double* half_row(std::uint32_t row) { return half_.data() + std::size_t{row} * n_dense_; }

  const CompiledLikelihood* likelihood_;
  const CompiledModel* model_;
  std::size_t n_dense_;
  bool information_ = false;  ///< assembling the information, not the Hessian

  // Structure.
  std::vector<Kind> kind_;                                 ///< per multiplier
  std::vector<std::uint32_t> arrow_row_;                   ///< per multiplier: row of its parameter
  std::vector<std::uint32_t> term_row_;                    ///< per term: dense row of its parameter
  std::vector<std::vector<std::uint32_t>> scope_factors_;  ///< per scope: factors that act on it
  std::vector<std::uint32_t> block_of_local_;

  // Values at x.
  std::vector<double> term_slope_;             ///< per term: dg/dx, or dalpha/dx
  std::vector<double> term_scale_;             ///< per term: dalpha/dx
  std::vector<std::uint32_t> gradient_begin_;  ///< per multiplier, into gradients_
  std::vector<std::uint32_t> gradient_end_;
  std::vector<SparseEntry> gradients_;  ///< index: dense row
  std::vector<Element> elements_;
  std::vector<double> pull_curvature_;  ///< per term: sum of adjoints times A

  // Of the current chunk.
  std::vector<double> jacobian_;           ///< [bin of chunk][dense row]
  std::vector<double> local_gradient_;     ///< per local row: d(lambda of its bin)/d(parameter)
  std::vector<std::uint32_t> scope_slot_;  ///< per scope: row of scope_vectors_, or no_multiplier
  std::vector<std::uint32_t> touched_scopes_;
  std::vector<double>
      scope_vectors_;  ///< [slot][dense row]: sum of d' times d(rows/scope)/d(pulls)

  /// Half of the second-order part: the matrix is half + half^T.
  std::vector<double> half_;
  std::vector<double> arguments_, slopes_, curvatures_;  ///< of one derived factor
  std::vector<std::uint32_t> row_multipliers_;           ///< of the current row
  std::vector<Target> targets_;                          ///< of the current row
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_HESSIAN_ASSEMBLER_HPP
