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
#include "hessian_rows.hpp"
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
  /// One factor of a scope: its value and derivatives with respect to the parameter of `row`.
  struct Element {
    double value, first, second;
    std::uint32_t row;
    std::uint32_t derived;  ///< multiplier index if the factor is a derived one, else no_multiplier
  };

  std::size_t n_partials() const;
  void set_structure();
  void set_scope_factors();
  void prepare(const double* x, const SweepState& state, ArrowHessian& hessian);
  void set_scope_gradients(const SweepState& state);
  void collect_elements(const SweepState& state, std::uint32_t scope);
  void add_pairs_of_gradients(std::uint32_t scope, double weight);
  void add_pairs_of_elements(const ProductOfOthers& product, double adjoint);
  void append_gradient(std::size_t element, double others);
  void set_derived_gradients(const SweepState& state);

  void add_rows(const SweepState& state, ArrowHessian& hessian);
  void add_pull_curvature(const double* x, const SweepState& state);
  void add_derived_curvature(const SweepState& state);
  void add_constraints(const double* x, ArrowHessian& hessian);
  void add_diagonal(std::uint32_t row, double value, ArrowHessian& hessian);
  void finish(ArrowHessian& hessian);

  const CompiledModel* model_;
  HessianInputs inputs_;
  std::vector<HessianRows>
      rows_;  ///< one per partial sum; what is no sum over rows is in the first
  std::vector<std::vector<std::uint32_t>> scope_factors_;  ///< per scope: factors that act on it
  std::vector<Element> elements_;                          ///< of one scope
  std::vector<double> arguments_, slopes_, curvatures_;    ///< of one derived factor
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_HESSIAN_ASSEMBLER_HPP
