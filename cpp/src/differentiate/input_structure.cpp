#include "differentiate/input_structure.hpp"

#include <cmath>
#include <string>
#include <utility>

#include "nablafit/error.hpp"
#include "nablafit/inputs.hpp"
#include "util/lanes.hpp"

namespace nablafit {
namespace detail {
namespace {

/// Sets the parameters of the structure's own model to those of the model it was made from.
void copy_parameters(const CompiledModel& from, CompiledArrays& to) {
  to.source = from.source;
  to.names = from.names;
  to.constraints = from.constraints;
  to.initial = from.initial;
  to.lower = from.lower;
  to.upper = from.upper;
  to.fixed = from.fixed;
  to.constrained = from.constrained;
  to.warnings = from.warnings;
}

std::string place_of(const InputBlock& block, std::size_t input) {
  std::string place = std::string(to_string(block.kind));
  if (!block.name.empty()) place += " '" + block.name + "'";
  if (!block.sample.empty()) {
    place += " of sample '" + block.sample + "' in channel '" + block.channel + "'";
  }
  if (block.size > 1) place += ", bin " + std::to_string(input - block.begin);
  return place;
}

void refuse(const InputBlock& block, std::size_t input, double value, const char* expected) {
  throw SpecError("the input is " + std::to_string(value) + ", expected " + expected,
                  place_of(block, input));
}

void check_block(const InputBlock& block, const double* inputs) {
  const bool factor = block.kind == InputKind::normsys_low || block.kind == InputKind::normsys_high;
  const bool uncertainty = block.kind == InputKind::staterror || block.kind == InputKind::shapesys;
  for (std::size_t i = block.begin; i < block.begin + block.size; ++i) {
    if (!std::isfinite(inputs[i])) refuse(block, i, inputs[i], "a finite number");
    if ((factor || uncertainty) && inputs[i] < 0.0) {
      refuse(block, i, inputs[i], "a number that is not negative");
    }
  }
}

/// Constraints with the widths given by the inputs.
std::vector<Constraint> exchanged_constraints(const InputStructure& structure,
                                              const InputSlots<double>& slots) {
  std::vector<Constraint> constraints = structure.open.constraints;
  for (std::size_t i = 0; i < slots.widths.size(); ++i) {
    const std::size_t p = structure.open.constrained[i];
    const double width = slots.widths[i];
    const bool log_normal = std::holds_alternative<LogNormalConstraint>(constraints[p]);
    if (!(width > (log_normal ? 1.0 : 0.0) && std::isfinite(width))) {
      throw SpecError("the inputs make the width of its constraint " + std::to_string(width) +
                          ", expected a finite number above " + (log_normal ? "1" : "0") +
                          "; a bin whose statistical uncertainty or nominal yield vanishes must "
                          "not have a constrained gamma",
                      structure.open.names[p]);
    }
    *width_of(constraints[p]) = width;
    if (structure.layout.widths[i].observed_follows) {
      std::get<PoissonConstraint>(constraints[p]).observed = width;
    }
  }
  return constraints;
}

void place_slots(const InputStructure& structure, const InputSlots<double>& slots,
                 CompiledArrays& arrays) {
  constexpr std::size_t lanes = n_lanes;
  const InputPlaces& places = structure.places;
  for (std::size_t r = 0; r < places.row.size(); ++r) {
    arrays.row_nominal[places.row[r]] = slots.nominal[r];
  }
  for (const std::size_t place : places.entry) {
    arrays.entry_data[place] = arrays.entry_data[place + lanes] = 0.0;
  }
  for (std::size_t k = 0; k < places.entry.size(); ++k) {
    arrays.entry_data[places.entry[k]] += slots.symmetric[k];
    arrays.entry_data[places.entry[k] + lanes] += slots.asymmetric[k];
  }
  for (std::size_t f = 0; f < places.factor.size(); ++f) {
    for (std::size_t i = 0; i < 8; ++i) {
      arrays.factor_data[places.factor[f] + i * lanes] = slots.factors[8 * f + i];
    }
  }
  const double* additive = slots.additive.data();
  for (AdditiveFactor& factor : arrays.additive_factors) {
    for (std::size_t i = 0; i < factor.inputs.size(); ++i) {
      factor.symmetric[i] = *additive++;
      factor.asymmetric[i] = *additive++;
    }
  }
}

std::shared_ptr<const CompiledModel> exchange_inputs(
    const std::shared_ptr<const InputStructure>& structure, const double* inputs) {
  for (const InputBlock& block : structure->layout.blocks) check_block(block, inputs);
  const InputSlots<double> slots = make_slots(*structure, inputs);
  auto model = std::make_shared<CompiledModel>();
  static_cast<CompiledArrays&>(*model) = structure->open;
  model->constraints = exchanged_constraints(*structure, slots);
  place_slots(*structure, slots, *model);
  model->index();
  model->exchanged_inputs.assign(inputs, inputs + structure->layout.size);
  model->structure = structure;
  return model;
}

}  // namespace

InputStructure::InputStructure(const CompiledModel& model)
    : layout(make_input_layout(*model.source)), values(input_values(*model.source, layout)) {
  copy_parameters(model, open);
  compile_lists(open, lists, &layout, &places);
  for (const SampleInputs& sample : layout.samples) {
    const auto family = static_cast<std::uint32_t>(&sample - layout.samples.data());
    std::uint32_t input = sample.nominal;
    while (row_input.size() < lists.rows.size() && lists.rows.family[row_input.size()] == family) {
      row_input.push_back(input++);
    }
  }
  std::size_t n_factors = 0, n_additive = 0;
  for (const Scope& scope : lists.scopes) {
    first_factor.push_back(n_factors);
    n_factors += scope.factors.size();
  }
  for (const AdditiveFactor& factor : open.additive_factors) {
    first_additive.push_back(n_additive);
    n_additive += factor.interpolants.size();
  }
  first_additive.push_back(n_additive);
}

const std::vector<double>& inputs_of(const CompiledModel& model) {
  return model.exchanged_inputs.empty() ? model.input_structure()->values : model.exchanged_inputs;
}

const ModelSpec& CompiledModel::spec() const {
  if (exchanged_inputs.empty()) return *source;
  std::call_once(spec_once, [this] {
    exchanged_spec = std::make_unique<const ModelSpec>(
        spec_with_inputs(*source, structure->layout, exchanged_inputs, constraints));
  });
  return *exchanged_spec;
}

const std::shared_ptr<const InputStructure>& CompiledModel::input_structure() const {
  std::call_once(structure_once, [this] {
    if (structure == nullptr) structure = std::make_shared<const InputStructure>(*this);
  });
  return structure;
}

}  // namespace detail

Inputs::Inputs(const Model& model)
    : structure_(model.compiled().input_structure()),
      values_(detail::inputs_of(model.compiled())) {}

const std::vector<InputBlock>& Inputs::blocks() const noexcept { return structure_->layout.blocks; }

Model Inputs::exchange(Span<const double> inputs) const {
  if (inputs.size() != size()) {
    throw ArgumentError("expected " + std::to_string(size()) + " numbers, one per input, got " +
                            std::to_string(inputs.size()),
                        "inputs");
  }
  return Model(detail::exchange_inputs(structure_, inputs.data()));
}

}  // namespace nablafit
