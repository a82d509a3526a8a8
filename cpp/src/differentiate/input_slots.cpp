// From inputs to the numbers of the sweeps, and the derivatives back.
#include <algorithm>
#include <cmath>

#include "ad/derivatives.hpp"
#include "differentiate/input_structure.hpp"
#include "kernels/interpolation.hpp"

namespace nablafit::detail {
namespace {

namespace derivatives = kernels::derivatives;

/// Derivatives of FactorSlots with respect to the factors at -1 and +1.
struct FactorJacobian {
  FactorSlots by_low{}, by_high{};
};

FactorJacobian factor_jacobian(Interpolation code, double low, double high) {
  FactorJacobian result;
  if (code == Interpolation::polynomial_linear_multiplicative) {
    result.by_low = {-0.5, 1.0 / 16.0};
    result.by_high = {0.5, 1.0 / 16.0};
    return result;
  }
  result.by_low[0] = derivatives::bounded_log_by_ratio(low);
  result.by_high[1] = derivatives::bounded_log_by_ratio(high);
  if (code != Interpolation::polynomial_exponential) return result;
  for (std::size_t i = 0; i < 6; ++i) {
    const double* w = kernels::end_weights[i];
    const double sign = i % 2 == 0 ? -0.5 : 0.5;
    result.by_low[2 + i] = sign * derivatives::end_of_polynomial_by_ratio(low, w[0], w[1], w[2]);
    result.by_high[2 + i] = 0.5 * derivatives::end_of_polynomial_by_ratio(high, w[0], w[1], w[2]);
  }
  return result;
}

/// A factor's values at -1 and +1: inputs, divided by a nominal yield if they are yields.
struct FactorEnds {
  FactorEnds(const InterpolatedFactor& factor, const double* inputs)
      : low(inputs[factor.low_input]), high(inputs[factor.high_input]) {
    if (factor.nominal_input == no_input) return;
    nominal = inputs[factor.nominal_input];
    has_ratios = nominal != 0.0;
    low = has_ratios ? low / nominal : 1.0;
    high = has_ratios ? high / nominal : 1.0;
  }

  double low, high;
  double nominal = 1.0;
  bool has_ratios = true;  ///< false in a bin without nominal yield: both values are 1
};

template <typename Visit>
void visit_factors(const InputStructure& structure, Visit&& visit) {
  std::size_t place = 0;
  for (const Scope& scope : structure.lists.scopes) {
    for (const InterpolatedFactor& factor : scope.factors) {
      visit(
          factor,
          static_cast<Interpolation>(structure.lists.factor_interpolants.codes[factor.interpolant]),
          place);
      place += 8;
    }
  }
}

template <typename Visit>
void visit_additive(const InputStructure& structure, Visit&& visit) {
  std::size_t place = 0;
  for (const AdditiveFactor& factor : structure.open.additive_factors) {
    for (const std::uint32_t input : factor.inputs) {
      visit(input, place);
      place += 2;
    }
  }
}

template <typename D>
void resize(const InputStructure& structure, InputSlots<D>& slots) {
  const RowList& rows = structure.lists.rows;
  slots.nominal.assign(rows.size(), D(0.0));
  slots.symmetric.assign(rows.entry_interpolants.size(), D(0.0));
  slots.asymmetric.assign(rows.entry_interpolants.size(), D(0.0));
  slots.factors.assign(8 * structure.places.factor.size(), D(0.0));
  slots.additive.assign(2 * structure.first_additive.back(), D(0.0));
  slots.widths.assign(structure.layout.widths.size(), D(0.0));
}

/// Rows and additive factors are linear in the inputs: one function for values and for tangents.
/// `put` takes the target and the number.
template <typename D, typename Put>
void set_linear(const InputStructure& structure, const double* inputs, double nominal_of_factor,
                InputSlots<D>& slots, Put&& put) {
  const RowList& rows = structure.lists.rows;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const double nominal = inputs[structure.row_input[row]];
    put(slots.nominal[row], nominal);
    for (std::uint32_t k = rows.entry_offsets[row]; k < rows.entry_offsets[row + 1]; ++k) {
      const double low = inputs[rows.entry_low[k]], high = inputs[rows.entry_high[k]];
      put(slots.symmetric[k], (high - low) / 2.0);
      put(slots.asymmetric[k], ((high - nominal) - (nominal - low)) / 16.0);
    }
  }
  visit_additive(structure, [&](std::uint32_t input, std::size_t place) {
    const double low = inputs[input], high = inputs[input + 1];
    put(slots.additive[place], (high - low) / 2.0);
    put(slots.additive[place + 1], (high + low - 2.0 * nominal_of_factor) / 16.0);
  });
}

}  // namespace

InputSlots<double> empty_slots(const InputStructure& structure) {
  InputSlots<double> slots;
  resize(structure, slots);
  return slots;
}

InputSlots<double> make_slots(const InputStructure& structure, const double* inputs) {
  InputSlots<double> slots = empty_slots(structure);
  set_linear(structure, inputs, 1.0, slots, [](double& slot, double value) { slot = value; });
  visit_factors(structure,
                [&](const InterpolatedFactor& factor, Interpolation code, std::size_t place) {
                  const FactorEnds ends(factor, inputs);
                  const FactorSlots values = factor_slots(code, ends.low, ends.high);
                  std::copy(values.begin(), values.end(), slots.factors.data() + place);
                });
  for (std::size_t i = 0; i < slots.widths.size(); ++i) {
    slots.widths[i] = width_from_inputs(structure.layout.widths[i], inputs);
  }
  return slots;
}

InputSlots<Dual<double>> make_slots(const InputStructure& structure, const double* inputs,
                                    const double* direction) {
  InputSlots<Dual<double>> slots;
  resize(structure, slots);
  using D = Dual<double>;
  set_linear(structure, inputs, 1.0, slots, [](D& slot, double value) { slot.value = value; });
  set_linear(structure, direction, 0.0, slots, [](D& slot, double value) { slot.slope = value; });
  visit_factors(structure, [&](const InterpolatedFactor& factor, Interpolation code,
                               std::size_t place) {
    const FactorEnds ends(factor, inputs);
    const FactorSlots values = factor_slots(code, ends.low, ends.high);
    const FactorJacobian jacobian = factor_jacobian(code, ends.low, ends.high);
    double low = direction[factor.low_input], high = direction[factor.high_input];
    if (factor.nominal_input != no_input) {
      const double nominal = direction[factor.nominal_input];
      low = ends.has_ratios ? (low - ends.low * nominal) / ends.nominal : 0.0;
      high = ends.has_ratios ? (high - ends.high * nominal) / ends.nominal : 0.0;
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      slots.factors[place + i] = {values[i], jacobian.by_low[i] * low + jacobian.by_high[i] * high};
    }
  });
  std::vector<double> gradient(structure.layout.size, 0.0);
  for (std::size_t i = 0; i < slots.widths.size(); ++i) {
    const WidthRule& rule = structure.layout.widths[i];
    slots.widths[i].value = width_from_inputs(rule, inputs);
    if (rule.parts.empty()) {
      slots.widths[i].slope = direction[rule.input];
      continue;
    }
    add_width_gradient(rule, inputs, 1.0, gradient.data());
    for (const WidthRule::Part& part : rule.parts) {
      for (const std::uint32_t input : {part.nominal, part.uncertainty}) {
        slots.widths[i].slope += gradient[input] * direction[input];
        gradient[input] = 0.0;
      }
    }
  }
  return slots;
}

void pull_back_slots(const InputStructure& structure, const double* inputs,
                     const InputSlots<double>& adjoint, double* gradient) {
  const RowList& rows = structure.lists.rows;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    double& nominal = gradient[structure.row_input[row]];
    nominal += adjoint.nominal[row];
    for (std::uint32_t k = rows.entry_offsets[row]; k < rows.entry_offsets[row + 1]; ++k) {
      const double half = adjoint.symmetric[k] / 2.0, sixteenth = adjoint.asymmetric[k] / 16.0;
      gradient[rows.entry_high[k]] += sixteenth + half;
      gradient[rows.entry_low[k]] += sixteenth - half;
      nominal -= 2.0 * sixteenth;
    }
  }
  visit_additive(structure, [&](std::uint32_t input, std::size_t place) {
    const double half = adjoint.additive[place] / 2.0;
    const double sixteenth = adjoint.additive[place + 1] / 16.0;
    gradient[input] += sixteenth - half;
    gradient[input + 1] += sixteenth + half;
  });
  visit_factors(
      structure, [&](const InterpolatedFactor& factor, Interpolation code, std::size_t place) {
        const FactorEnds ends(factor, inputs);
        if (!ends.has_ratios) return;
        const FactorJacobian jacobian = factor_jacobian(code, ends.low, ends.high);
        double low = 0.0, high = 0.0;
        for (std::size_t i = 0; i < jacobian.by_low.size(); ++i) {
          low += adjoint.factors[place + i] * jacobian.by_low[i];
          high += adjoint.factors[place + i] * jacobian.by_high[i];
        }
        gradient[factor.low_input] += low / ends.nominal;
        gradient[factor.high_input] += high / ends.nominal;
        if (factor.nominal_input == no_input) return;
        gradient[factor.nominal_input] -= (low * ends.low + high * ends.high) / ends.nominal;
      });
  for (std::size_t i = 0; i < adjoint.widths.size(); ++i) {
    if (adjoint.widths[i] == 0.0) continue;
    add_width_gradient(structure.layout.widths[i], inputs, adjoint.widths[i], gradient);
  }
}

}  // namespace nablafit::detail
