/// \file
/// A compiled ModelSpec: flat arrays in the layout of the sweeps.
#ifndef NABLAFIT_SRC_COMPILE_COMPILED_MODEL_HPP
#define NABLAFIT_SRC_COMPILE_COMPILED_MODEL_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "arrow/hessian.hpp"
#include "compile/sweep_model.hpp"
#include "formula/formula.hpp"
#include "nablafit/spec.hpp"
#include "util/aligned.hpp"

namespace nablafit::detail {

enum class TransformationKind : std::uint8_t { identity, gamma, lognormal };

/// A parameter that is the argument of interpolations.
struct TransformedParameter {
  std::uint32_t parameter;
  TransformationKind kind;
  double relative;
  double log_kappa;
};

/// 1 + sum over entries of alpha S + g A: the additive NormSys of one sample as one factor.
struct AdditiveFactor {
  std::uint32_t operand;  ///< index of its value
  std::vector<std::uint32_t> interpolants;
  std::vector<double> symmetric;
  std::vector<double> asymmetric;
  std::vector<std::uint32_t>
      inputs;  ///< per interpolant: input `low`, followed by `high`; or empty
};

/// A FormulaFactor: one factor of a sample, or one of each of its bins.
struct DerivedFactor {
  std::uint32_t operand;  ///< of the first of formula.n_values() in a row
  Formula formula;
  std::vector<std::size_t> parameters;  ///< argument i of the formula is parameters[i]
};

inline constexpr std::uint32_t no_block = 0xFFFFFFFFU;

struct InputStructure;

/// The copyable part of a compiled model.
struct CompiledArrays {
  std::shared_ptr<const ModelSpec> source;  ///< what was compiled
  std::vector<std::string> names;
  std::vector<Constraint> constraints;  ///< per parameter
  std::vector<double> initial, lower, upper;
  std::vector<char> fixed;
  std::vector<std::size_t> constrained;
  std::vector<std::size_t> channel_offsets;
  std::vector<std::string> warnings;
  std::size_t n_bins = 0;
  std::size_t n_rows = 0;

  std::vector<TransformedParameter> transformed;
  AlignedVector<std::uint32_t> interpolant_argument;
  AlignedVector<std::uint8_t> interpolant_code;
  std::uint32_t n_additive_interpolants = 0;

  // Operands: [scopes, padded | parameters | 1 | derived factors].
  std::uint32_t parameter_operand = 0;  ///< index of parameter 0's operand
  std::uint32_t one_operand = 0;
  std::uint32_t n_operands = 0;
  std::vector<AdditiveFactor> additive_factors;
  std::vector<DerivedFactor> derived_factors;
  std::uint32_t n_derived = 0;  ///< operands of derived factors

  std::vector<ScopeBlock> scope_blocks;
  AlignedVector<std::uint32_t> factor_interpolant;
  AlignedVector<double> factor_data;
  AlignedVector<std::int32_t> scope_gathers;
  AlignedVector<double> scope_floor;

  std::vector<Chunk> chunks;
  /// First chunk of each partition, and the number of chunks at the end. More than one partition:
  /// the model is large enough for threads.
  std::vector<std::uint32_t> partitions;
  std::vector<RowBlock> row_blocks;
  AlignedVector<double> row_nominal;
  AlignedVector<double> row_floor;
  AlignedVector<std::int32_t> row_bin;
  AlignedVector<std::uint32_t> row_position;  ///< row in the model's order; n_rows for padding
  AlignedVector<std::int32_t> row_operands;
  AlignedVector<std::uint32_t> entry_interpolant;
  AlignedVector<double> entry_data;
  AlignedVector<double> bin_floor;

  ArrowStructure arrow;
  std::vector<std::uint32_t>
      arrow_row;  ///< per parameter: its dense row, or n_dense + its local row
  std::vector<std::uint32_t>
      block_of_bin;  ///< block with the local parameters of the bin, or no_block
};

struct CompiledModel : CompiledArrays {
  CompiledModel() = default;
  CompiledModel(const CompiledModel&) = delete;
  CompiledModel& operator=(const CompiledModel&) = delete;

  /// The specification; for a model with exchanged inputs it is built on the first call.
  const ModelSpec& spec() const;
  /// How inputs are exchanged; built on the first call, shared by all models with the same
  /// structure.
  const std::shared_ptr<const InputStructure>& input_structure() const;
  /// Sets `index_of` and `sweep` from the arrays.
  void index();

  std::unordered_map<std::string_view, std::size_t> index_of;  ///< views into `names`
  SweepModel sweep{};

  /// Inputs in the order of the structure, if they are not those of `source`.
  std::vector<double> exchanged_inputs;

  mutable std::once_flag spec_once, structure_once;
  mutable std::unique_ptr<const ModelSpec> exchanged_spec;
  mutable std::shared_ptr<const InputStructure> structure;  ///< set from the start if exchanged
};

/// Fills `model` from a specification. Throws SpecError unless it is valid.
void compile(ModelSpec spec, CompiledModel& model);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_COMPILE_COMPILED_MODEL_HPP
