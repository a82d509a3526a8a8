/// \file
/// First derivatives of everything that enters a row: interpolants, factors, operands.
#ifndef NABLAFIT_SRC_EVALUATE_FIRST_DERIVATIVES_HPP
#define NABLAFIT_SRC_EVALUATE_FIRST_DERIVATIVES_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "compile/compiled_model.hpp"
#include "evaluate/sweep_state.hpp"

namespace nablafit::detail {

/// What an operand index refers to. Dense and local are parameters, see ArrowStructure.
enum class OperandKind : std::uint8_t { scope, dense, local, one, derived };

inline constexpr std::uint32_t no_operand = 0xFFFFFFFFU;

/// One factor of a scope: its value and derivatives with respect to the parameter of `row`.
struct ScopeElement {
  double value, first, second;
  std::uint32_t row;
  /// Operand index if the factor is a derived one or, where a floor is active, a constant (that of
  /// one), else no_operand.
  std::uint32_t derived;
};

/// Products of all values except one or two, without dividing by zero.
class ProductOfOthers {
 public:
  explicit ProductOfOthers(const std::vector<ScopeElement>& elements);

  double all() const { return n_zeros_ > 0 ? 0.0 : nonzero_; }
  double without(std::size_t i, double value) const;
  /// i < j
  double without(std::size_t i, double value_i, std::size_t j, double value_j) const;

 private:
  double nonzero_ = 1.0;
  std::size_t n_zeros_ = 0;
  std::array<std::size_t, 2> zeros_{};
};

/// Derivatives at one point, with the structure of the model behind them. The derivative of an
/// operand is a sparse vector over dense rows: entries gradient_begin to gradient_end of
/// `gradients`; parameters that are local have none, theirs is 1.
struct FirstDerivatives {
  /// What else to do with the factors of a scope.
  using ScopeVisitor = std::function<void(
      std::uint32_t scope, const std::vector<ScopeElement>& elements, const ProductOfOthers&)>;

  /// Sets the structure. The model must outlive it.
  explicit FirstDerivatives(const CompiledModel& compiled);

  /// Sets the derivatives. `state` as a successful evaluation of value and gradient at `x`, or
  /// set_parameters with gradient and forward_rows, left it.
  void set(const double* x, const SweepState& state, const ScopeVisitor& visit = {});

  const CompiledModel* model;
  std::size_t n_dense;

  // Structure.
  std::vector<OperandKind> kind;               ///< per operand
  std::vector<std::uint32_t> arrow_row;        ///< per operand: dense or local row of its parameter
  std::vector<std::uint32_t> interpolant_row;  ///< per interpolant: dense row of its parameter

  // At the point.
  std::vector<double> interpolant_slope;      ///< per interpolant: dg/dx; 0 for multiplicative ones
  std::vector<double> interpolant_scale;      ///< per interpolant: dalpha/dx
  std::vector<std::uint32_t> gradient_begin;  ///< per operand, into gradients
  std::vector<std::uint32_t> gradient_end;
  std::vector<SparseEntry> gradients;  ///< index: dense row

 private:
  void set_scope_factors();
  void set_interpolants(const double* x, const SweepState& state);
  void set_parameters();
  void set_derived(const SweepState& state);
  void set_additive(const AdditiveFactor& factor);
  void set_scopes(const SweepState& state, const ScopeVisitor& visit);
  void collect_elements(const SweepState& state, std::uint32_t scope);
  void append_gradient(const ScopeElement& element, double others);

  std::vector<std::vector<std::uint32_t>> scope_factors_;  ///< per scope: factors that act on it
  std::vector<ScopeElement> elements_;                     ///< of one scope
  std::vector<double> arguments_, slopes_;                 ///< of one derived factor
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_EVALUATE_FIRST_DERIVATIVES_HPP
