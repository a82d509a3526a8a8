/// \file
/// How the inputs of a model determine the numbers of the sweeps.
#ifndef NABLAFIT_SRC_DIFFERENTIATE_INPUT_STRUCTURE_HPP
#define NABLAFIT_SRC_DIFFERENTIATE_INPUT_STRUCTURE_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "compile/compiled_model.hpp"
#include "compile/input_layout.hpp"
#include "compile/lists.hpp"
#include "formula/dual.hpp"

namespace nablafit::detail {

/// A specification compiled for exchange; shared by all models made from it.
struct InputStructure {
  /// Shares only the specification with `model`.
  explicit InputStructure(const CompiledModel& model);

  InputLayout layout;
  std::vector<double> values;  ///< inputs of the specification
  CompiledModel open;          ///< nothing left out, nothing merged
  ModelLists lists;            ///< the same, unpacked
  InputPlaces places;
  std::vector<std::uint32_t> row_input;   ///< per row: the input that is its nominal yield
  std::vector<std::size_t> first_factor;  ///< per scope: number of factors before it
  std::vector<std::size_t>
      first_additive;  ///< per additive factor: number of interpolants before it, and all
};

/// The numbers of the lists as functions of the inputs: D is double, or Dual<double> for
/// derivatives along a direction.
template <typename D>
struct InputSlots {
  std::vector<D> nominal;                ///< per row
  std::vector<D> symmetric, asymmetric;  ///< per entry of the rows
  std::vector<D> factors;                ///< per factor of the scopes 8, as FactorSlots
  std::vector<D> additive;               ///< per interpolant of the additive factors 2: S and A
  std::vector<D> widths;                 ///< per constrained parameter
};

/// Sized for `structure`, all zero.
InputSlots<double> empty_slots(const InputStructure& structure);
InputSlots<double> make_slots(const InputStructure& structure, const double* inputs);
/// The same with the derivatives along `direction`.
InputSlots<Dual<double>> make_slots(const InputStructure& structure, const double* inputs,
                                    const double* direction);
/// Adds to `gradient` (one per input) the contribution of `adjoint`, derivatives with respect to
/// slots.
void pull_back_slots(const InputStructure& structure, const double* inputs,
                     const InputSlots<double>& adjoint, double* gradient);

/// Inputs of a model in the order of its structure.
const std::vector<double>& inputs_of(const CompiledModel& model);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_DIFFERENTIATE_INPUT_STRUCTURE_HPP
