/// \file
/// Second derivatives of a likelihood, using its structure.
///
/// With lambda_b the yields, n_b the counts, and deviance terms d(n, lambda),
///
///     H = sum_b d''(n_b, lambda_b) grad(lambda_b) grad(lambda_b)^T        (rank one per bin)
///       + sum_b d'(n_b, lambda_b)  hess(lambda_b)                         (bilinear in rows and
///       factors)
///       + diagonal of the constraint terms.
///
/// A row is yield(transformed parameters) times operands; hess(lambda_b) consists of second
/// derivatives of single interpolations (diagonal), of pairs (row, operand) and of pairs of
/// operands.
#ifndef NABLAFIT_SRC_EVALUATE_HESSIAN_ASSEMBLER_HPP
#define NABLAFIT_SRC_EVALUATE_HESSIAN_ASSEMBLER_HPP

#include <cstdint>
#include <vector>

#include "arrow/hessian.hpp"
#include "evaluate/compiled_likelihood.hpp"
#include "evaluate/hessian_rows.hpp"
#include "evaluate/sweep_state.hpp"

namespace nablafit::detail {

/// Dense matrix from arrow form: n_parameters squared values, row-major.
void expand(const ArrowStructure& structure, const ArrowHessian& hessian, double* matrix);

/// Owns scratch; one per evaluator. The likelihood must outlive it.
class HessianAssembler {
 public:
  explicit HessianAssembler(const CompiledLikelihood& likelihood);

  /// `state` as a successful evaluation of value and gradient at `x` left it.
  void assemble(const double* x, const SweepState& state, ArrowHessian& hessian);
  /// The Hessian for data equal to the yields: d'' = 1 / lambda, d' = 0. Positive semidefinite
  /// apart from the constraint terms. Clears the adjoints in `state`.
  void assemble_information(const double* x, SweepState& state, ArrowHessian& hessian);

 private:
  std::size_t n_partials() const;
  void prepare(ArrowHessian& hessian);
  void add_scope_curvature(std::uint32_t scope, double adjoint,
                           const std::vector<ScopeElement>& elements,
                           const ProductOfOthers& product);
  void add_pairs_of_gradients(std::uint32_t scope, double weight);
  void add_pairs_of_elements(const std::vector<ScopeElement>& elements,
                             const ProductOfOthers& product, double adjoint);

  void add_rows(const SweepState& state, ArrowHessian& hessian);
  void add_transformation_curvature(const double* x, const SweepState& state);
  void add_derived_curvature(const SweepState& state);
  void add_constraints(const double* x, ArrowHessian& hessian);
  void add_diagonal(std::uint32_t row, double value, ArrowHessian& hessian);
  void finish(ArrowHessian& hessian);

  const CompiledModel* model_;
  HessianInputs inputs_;
  std::vector<HessianRows>
      rows_;  ///< one per partial sum; what is not a sum over rows is in the first
  FormulaScratch<HessianNumber> formulas_;
  std::vector<double> arguments_, curvatures_;  ///< of one derived factor
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_EVALUATE_HESSIAN_ASSEMBLER_HPP
