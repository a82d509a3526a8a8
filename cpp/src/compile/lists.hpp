/// \file
/// Intermediate lists between the specification and the packed arrays: the factors of every row,
/// before anything is grouped into lanes.
#ifndef NABLAFIT_SRC_COMPILE_LISTS_HPP
#define NABLAFIT_SRC_COMPILE_LISTS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <unordered_map>
#include <vector>

#include "compile/compiled_model.hpp"
#include "compile/input_layout.hpp"

namespace nablafit::detail {

/// A reference to an operand whose place in the final array is not known yet.
struct OperandRef {
  enum class Kind : std::uint32_t { scope, parameter, derived } kind;
  std::uint32_t index;
};

/// Numbers the interpolants, pairs (transformed parameter, code), in the order of their first use.
class InterpolantTable {
 public:
  std::uint32_t id(std::uint32_t argument, Interpolation code);
  std::size_t size() const noexcept { return arguments.size(); }

  std::vector<std::uint32_t> arguments;
  std::vector<std::uint8_t> codes;

 private:
  std::unordered_map<std::uint64_t, std::uint32_t> known_;
};

/// An interpolated factor, `low` and `high` at -1 and +1; `interpolant` counts multiplicative ones.
struct InterpolatedFactor {
  std::uint32_t interpolant;
  double low, high;
  /// Inputs that give `low` and `high`, divided by `nominal_input` if there is one. Set if the
  /// lists are made for exchange.
  std::uint32_t low_input = no_input, high_input = no_input, nominal_input = no_input;
};

/// Product of factors shared by rows.
struct Scope {
  std::vector<InterpolatedFactor> factors;
  std::vector<OperandRef> inside;  ///< before the floor
  std::vector<OperandRef> outside;
  double floor = -std::numeric_limits<double>::infinity();

  bool has_floor() const noexcept { return floor > -std::numeric_limits<double>::infinity(); }
};

/// All rows of the model in its order, with their entries and operands in compressed lists.
struct RowList {
  std::vector<double> nominal, floor;
  std::vector<std::uint32_t> bin, family;  ///< family: index of the (channel, sample)
  std::vector<std::uint32_t> entry_offsets{0}, entry_interpolants;
  std::vector<double> symmetric, asymmetric;
  std::vector<std::uint32_t> entry_low, entry_high;  ///< inputs; empty unless made for exchange
  std::vector<std::uint32_t> operand_offsets{0};
  std::vector<OperandRef> operands;

  std::size_t size() const noexcept { return nominal.size(); }
};

struct ModelLists {
  InterpolantTable additive_interpolants;
  InterpolantTable factor_interpolants;
  std::vector<Scope> scopes;
  RowList rows;
};

/// Numbers of a multiplicative factor in the sweeps: log_low, log_high, c1..c6; for code 6 S, A.
using FactorSlots = std::array<double, 8>;
FactorSlots factor_slots(Interpolation code, double low, double high);

/// Positions of the numbers of the lists in the packed arrays.
struct InputPlaces {
  std::vector<std::size_t> row;     ///< per row: index in row_nominal
  std::vector<std::size_t> entry;   ///< per entry of the rows: offset in entry_data
  std::vector<std::size_t> factor;  ///< per factor of the scopes, in order: offset in factor_data
};

/// Walks the specification of `model` and fills `lists`, `model.transformed`,
/// `model.additive_factors` and `model.derived_factors` (their operand is their index until they
/// are placed). With `inputs`, for exchange: nothing is omitted because its value has no effect, or
/// shared because values are equal.
void collect_lists(CompiledModel& model, ModelLists& lists, const InputLayout* inputs);

/// Places scopes, then rows, in lanes. `model.n_additive_interpolants` must be set. `places` may be
/// null.
void pack(CompiledModel& model, const ModelLists& lists, InputPlaces* places);

/// All of `compile` except the parameters; for exchange if `inputs` and `places` are given.
void compile_lists(CompiledModel& model, ModelLists& lists, const InputLayout* inputs,
                   InputPlaces* places);

/// Sentences about factors that become negative between -1 and +1.
std::vector<std::string> model_warnings(const ModelSpec& spec);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_COMPILE_LISTS_HPP
