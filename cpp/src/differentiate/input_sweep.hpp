/// \file
/// Yields of a model and their reverse-mode derivatives with respect to parameters and inputs, for
/// any number type: plain loops over the lists from which the fast sweeps are packed.
#ifndef NABLAFIT_SRC_DIFFERENTIATE_INPUT_SWEEP_HPP
#define NABLAFIT_SRC_DIFFERENTIATE_INPUT_SWEEP_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "differentiate/input_structure.hpp"
#include "formula/dual.hpp"
#include "kernels/interpolation.hpp"
#include "kernels/transforms.hpp"

namespace nablafit::detail {

/// Argument of interpolations.
template <typename T>
T transformed_of(const TransformedParameter& argument, const T& x) {
  if (argument.kind == TransformationKind::gamma)
    return kernels::gamma_transformation(x, argument.relative);
  if (argument.kind == TransformationKind::lognormal) {
    return kernels::lognormal_transformation(x, argument.log_kappa, argument.relative);
  }
  return x;
}

template <typename T>
T additive_shape(std::uint8_t code, const T& alpha) {
  switch (static_cast<Interpolation>(code)) {
    case Interpolation::piecewise_linear:
      return kernels::additive_piecewise_linear(alpha);
    case Interpolation::quadratic_linear:
      return kernels::additive_quadratic(alpha);
    default:
      return kernels::additive_polynomial(alpha);
  }
}

/// Factor of a multiplicative code from its FactorSlots.
template <typename T, typename D>
T factor_of(std::uint8_t code, const T& alpha, const D* slots) {
  switch (static_cast<Interpolation>(code)) {
    case Interpolation::polynomial_linear_multiplicative:
      return kernels::factor_polynomial_linear(alpha, slots[0], slots[1]);
    case Interpolation::piecewise_exponential:
      return kernels::factor_exponential(alpha, slots[0], slots[1]);
    default:
      return kernels::factor_polynomial_exponential(alpha, slots[0], slots[1], slots[2], slots[3],
                                                    slots[4], slots[5], slots[6], slots[7]);
  }
}

/// Adds the top derivatives with respect to FactorSlots: `weight` is the adjoint of the factor,
/// whose value at `alpha` is `value`. Factors are linear in their slots, or exponential.
template <typename T>
void add_slot_adjoints(std::uint8_t code, const T& alpha, const T& value, const T& weight,
                       double* slots) {
  const auto interpolation = static_cast<Interpolation>(code);
  if (interpolation == Interpolation::polynomial_linear_multiplicative) {
    slots[0] += top_of_product(weight, alpha);
    slots[1] += top_of_product(weight, kernels::additive_polynomial(alpha));
    return;
  }
  const bool exponential = interpolation == Interpolation::piecewise_exponential;
  if (exponential || alpha >= 1.0 || alpha <= -1.0) {
    const bool upper = exponential ? alpha >= 0.0 : alpha >= 1.0;
    const T slope = alpha * value;
    slots[upper ? 1 : 0] += (upper ? 1.0 : -1.0) * top_of_product(weight, slope);
    return;
  }
  T power = alpha;
  for (int i = 2; i < 8; ++i) {
    slots[i] += top_of_product(weight, power);
    power = power * alpha;
  }
}

/// Owns its scratch; the structure must outlive it. T carries derivatives with respect to
/// parameters, D (double, or a level that T includes) those of the slots.
template <typename T, typename D>
class InputSweep {
 public:
  explicit InputSweep(const InputStructure& structure)
      : structure_(structure), model_(structure.open), lists_(structure.lists) {
    const std::size_t n_interpolants = model_.interpolant_argument.size();
    alpha_.resize(n_interpolants);
    shape_.resize(model_.n_additive_interpolants);
    slope_.resize(model_.n_additive_interpolants);
    const std::size_t n_factors = structure.places.factor.size();
    factor_.resize(n_factors);
    factor_slope_.resize(n_factors);
    scope_.resize(lists_.scopes.size());
    inside_.resize(lists_.scopes.size());
    derived_.resize(model_.n_derived + model_.additive_factors.size());
    row_yield_.resize(lists_.rows.size());
    row_factor_.resize(lists_.rows.size());
    lambda_.resize(model_.n_bins);
  }

  /// Expected yields per bin at `x`, before floors of channels. The slots must live until the end
  /// of `backward`.
  const std::vector<T>& forward(const T* x, const InputSlots<D>& slots) {
    x_ = x;
    slots_ = &slots;
    set_interpolants();
    set_derived();
    for (std::size_t s = 0; s < scope_.size(); ++s) set_scope(s);
    std::fill(lambda_.begin(), lambda_.end(), T(0.0));
    for (std::size_t r = 0; r < row_yield_.size(); ++r) set_row(r);
    return lambda_;
  }

  /// What `forward` returned.
  const std::vector<T>& yields() const noexcept { return lambda_; }

  /// Derivatives of sum_b weights[b] lambda_b: all of them added to `parameters` (n_parameters),
  /// the top ones added to `slots` unless that is null.
  void backward(const T* weights, T* parameters, InputSlots<double>* slots) {
    slot_adjoints_ = slots;
    parameters_ = parameters;
    alpha_adjoint_.assign(alpha_.size(), T(0.0));
    shape_adjoint_.assign(shape_.size(), T(0.0));
    scope_adjoint_.assign(scope_.size(), T(0.0));
    derived_adjoint_.assign(derived_.size(), T(0.0));
    for (std::size_t r = 0; r < row_yield_.size(); ++r) {
      pull_back_row(r, weights[lists_.rows.bin[r]]);
    }
    for (std::size_t s = 0; s < scope_.size(); ++s) pull_back_scope(s);
    pull_back_additive();
    pull_back_derived();
    pull_back_interpolants();
  }

 private:
  using Kind = OperandRef::Kind;

  const T& value_of(const OperandRef& ref) const {
    if (ref.kind == Kind::parameter) return x_[ref.index];
    return ref.kind == Kind::scope ? scope_[ref.index] : derived_[ref.index];
  }
  T& adjoint_of(const OperandRef& ref) {
    if (ref.kind == Kind::parameter) return parameters_[ref.index];
    return ref.kind == Kind::scope ? scope_adjoint_[ref.index] : derived_adjoint_[ref.index];
  }

  void set_interpolants() {
    for (std::size_t t = 0; t < alpha_.size(); ++t) {
      const TransformedParameter& argument = model_.transformed[model_.interpolant_argument[t]];
      alpha_[t] = transformed_of(argument, x_[argument.parameter]);
    }
    for (std::size_t t = 0; t < shape_.size(); ++t) {
      const Dual<T> shape = additive_shape(model_.interpolant_code[t], Dual<T>(alpha_[t], T(1.0)));
      shape_[t] = shape.value;
      slope_[t] = shape.slope;
    }
  }

  void set_derived() {
    T* values = derived_.data();
    for (const DerivedFactor& factor : model_.derived_factors) {
      factor.formula.evaluate(arguments(factor), formulas_, values);
      values += factor.formula.n_values();
    }
    const D* slot = slots_->additive.data();
    for (std::size_t i = 0; i < model_.additive_factors.size(); ++i) {
      T sum = T(1.0);
      for (const std::uint32_t t : model_.additive_factors[i].interpolants) {
        sum += alpha_[t] * slot[0] + shape_[t] * slot[1];
        slot += 2;
      }
      derived_[model_.n_derived + i] = sum;
    }
  }

  void set_scope(std::size_t s) {
    const Scope& scope = lists_.scopes[s];
    T product = T(1.0);
    std::size_t f = structure_.first_factor[s];
    for (const InterpolatedFactor& factor : scope.factors) {
      const std::size_t t = model_.n_additive_interpolants + factor.interpolant;
      const Dual<T> value = factor_of(model_.interpolant_code[t], Dual<T>(alpha_[t], T(1.0)),
                                      &slots_->factors[8 * f]);
      factor_[f] = value.value;
      factor_slope_[f++] = value.slope;
      product *= value.value;
    }
    for (const OperandRef& ref : scope.inside) product *= value_of(ref);
    inside_[s] = product;
    if (product < scope.floor) product = T(scope.floor);
    for (const OperandRef& ref : scope.outside) product *= value_of(ref);
    scope_[s] = product;
  }

  void set_row(std::size_t r) {
    const RowList& rows = lists_.rows;
    T yield = T(slots_->nominal[r]);
    for (std::uint32_t k = rows.entry_offsets[r]; k < rows.entry_offsets[r + 1]; ++k) {
      const std::uint32_t t = rows.entry_interpolants[k];
      yield += alpha_[t] * slots_->symmetric[k] + shape_[t] * slots_->asymmetric[k];
    }
    row_yield_[r] = yield;
    if (yield < rows.floor[r]) yield = T(rows.floor[r]);
    T factor = T(1.0);
    for (std::uint32_t k = rows.operand_offsets[r]; k < rows.operand_offsets[r + 1]; ++k) {
      factor *= value_of(rows.operands[k]);
    }
    row_factor_[r] = factor;
    lambda_[rows.bin[r]] += yield * factor;
  }

  /// Adds adjoint * (product of the other references) to each reference's adjoint.
  void pull_back_product(const OperandRef* begin, const OperandRef* end, const T& adjoint) {
    for (const OperandRef* ref = begin; ref != end; ++ref) {
      T others = adjoint;
      for (const OperandRef* other = begin; other != end; ++other) {
        if (other != ref) others *= value_of(*other);
      }
      adjoint_of(*ref) += others;
    }
  }

  void pull_back_row(std::size_t r, const T& weight) {
    const RowList& rows = lists_.rows;
    const bool floored = row_yield_[r] < rows.floor[r];
    const T yield = floored ? T(rows.floor[r]) : row_yield_[r];
    const OperandRef* refs = rows.operands.data();
    pull_back_product(refs + rows.operand_offsets[r], refs + rows.operand_offsets[r + 1],
                      weight * yield);
    if (floored) return;
    const T adjoint = weight * row_factor_[r];
    if (slot_adjoints_ != nullptr) slot_adjoints_->nominal[r] += top(adjoint);
    for (std::uint32_t k = rows.entry_offsets[r]; k < rows.entry_offsets[r + 1]; ++k) {
      const std::uint32_t t = rows.entry_interpolants[k];
      alpha_adjoint_[t] += adjoint * slots_->symmetric[k];
      shape_adjoint_[t] += adjoint * slots_->asymmetric[k];
      if (slot_adjoints_ == nullptr) continue;
      slot_adjoints_->symmetric[k] += top_of_product(adjoint, alpha_[t]);
      slot_adjoints_->asymmetric[k] += top_of_product(adjoint, shape_[t]);
    }
  }

  void pull_back_scope(std::size_t s) {
    const Scope& scope = lists_.scopes[s];
    const bool floored = inside_[s] < scope.floor;
    const T inside = floored ? T(scope.floor) : inside_[s];
    const OperandRef* outside = scope.outside.data();
    pull_back_product(outside, outside + scope.outside.size(), scope_adjoint_[s] * inside);
    if (floored) return;
    T adjoint = scope_adjoint_[s];
    for (const OperandRef& ref : scope.outside) adjoint *= value_of(ref);
    T references = T(1.0);
    for (const OperandRef& ref : scope.inside) references *= value_of(ref);
    pull_back_factors(s, adjoint * references);
    for (std::size_t f = 0; f < scope.factors.size(); ++f) {
      adjoint *= factor_[structure_.first_factor[s] + f];
    }
    pull_back_product(scope.inside.data(), scope.inside.data() + scope.inside.size(), adjoint);
  }

  void pull_back_factors(std::size_t s, const T& adjoint) {
    const std::vector<InterpolatedFactor>& factors = lists_.scopes[s].factors;
    const std::size_t first = structure_.first_factor[s];
    before_.assign(factors.size(), T(1.0));
    for (std::size_t i = 1; i < factors.size(); ++i) {
      before_[i] = before_[i - 1] * factor_[first + i - 1];
    }
    T after = adjoint;
    for (std::size_t i = factors.size(); i-- > 0;) {
      const std::size_t t = model_.n_additive_interpolants + factors[i].interpolant;
      const T weight = before_[i] * after;
      alpha_adjoint_[t] += weight * factor_slope_[first + i];
      if (slot_adjoints_ != nullptr) {
        add_slot_adjoints(model_.interpolant_code[t], alpha_[t], factor_[first + i], weight,
                          &slot_adjoints_->factors[8 * (first + i)]);
      }
      after *= factor_[first + i];
    }
  }

  void pull_back_additive() {
    std::size_t slot = 0;
    for (std::size_t i = 0; i < model_.additive_factors.size(); ++i) {
      const T& adjoint = derived_adjoint_[model_.n_derived + i];
      for (const std::uint32_t t : model_.additive_factors[i].interpolants) {
        alpha_adjoint_[t] += adjoint * slots_->additive[slot];
        shape_adjoint_[t] += adjoint * slots_->additive[slot + 1];
        if (slot_adjoints_ != nullptr) {
          slot_adjoints_->additive[slot] += top_of_product(adjoint, alpha_[t]);
          slot_adjoints_->additive[slot + 1] += top_of_product(adjoint, shape_[t]);
        }
        slot += 2;
      }
    }
  }

  /// The parameters of the factor, until the next call.
  const T* arguments(const DerivedFactor& factor) {
    arguments_.clear();
    for (const std::size_t p : factor.parameters) arguments_.push_back(x_[p]);
    return arguments_.data();
  }

  void pull_back_derived() {
    const T* adjoints = derived_adjoint_.data();
    for (const DerivedFactor& factor : model_.derived_factors) {
      slopes_of_formula_.assign(factor.parameters.size(), T(0.0));
      factor.formula.pull_back(arguments(factor), formulas_, adjoints, slopes_of_formula_.data());
      for (std::size_t i = 0; i < factor.parameters.size(); ++i) {
        parameters_[factor.parameters[i]] += slopes_of_formula_[i];
      }
      adjoints += factor.formula.n_values();
    }
  }

  void pull_back_interpolants() {
    transformed_adjoint_.assign(model_.transformed.size(), T(0.0));
    for (std::size_t t = 0; t < alpha_.size(); ++t) {
      T adjoint = alpha_adjoint_[t];
      if (t < shape_.size()) adjoint += shape_adjoint_[t] * slope_[t];
      transformed_adjoint_[model_.interpolant_argument[t]] += adjoint;
    }
    for (std::size_t i = 0; i < model_.transformed.size(); ++i) {
      const std::uint32_t p = model_.transformed[i].parameter;
      const T slope = transformed_of(model_.transformed[i], Dual<T>(x_[p], T(1.0))).slope;
      parameters_[p] += transformed_adjoint_[i] * slope;
    }
  }

  const InputStructure& structure_;
  const CompiledModel& model_;
  const ModelLists& lists_;
  const T* x_ = nullptr;
  const InputSlots<D>* slots_ = nullptr;
  T* parameters_ = nullptr;
  InputSlots<double>* slot_adjoints_ = nullptr;
  std::vector<T> alpha_, shape_, slope_;     ///< per interpolant
  std::vector<T> factor_, factor_slope_;     ///< per factor
  std::vector<T> scope_, inside_, derived_;  ///< products; `inside_` before the floor
  std::vector<T> row_yield_, row_factor_, lambda_;
  std::vector<T> alpha_adjoint_, shape_adjoint_, scope_adjoint_, derived_adjoint_,
      transformed_adjoint_;
  std::vector<T> before_, arguments_, slopes_of_formula_;
  FormulaScratch<T> formulas_;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_DIFFERENTIATE_INPUT_SWEEP_HPP
