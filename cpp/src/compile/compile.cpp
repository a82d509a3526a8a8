#include <algorithm>
#include <cstdio>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "compile/lists.hpp"
#include "kernels/interpolation.hpp"

namespace nablafit::detail {
namespace {

void set_parameters(CompiledModel& model) {
  for (const Parameter& parameter : model.source->parameters) {
    model.constraints.push_back(parameter.constraint);
    if (is_constrained(parameter)) model.constrained.push_back(model.names.size());
    model.names.push_back(parameter.name);
    model.initial.push_back(parameter.initial);
    model.lower.push_back(parameter.lower);
    model.upper.push_back(parameter.upper);
    model.fixed.push_back(parameter.fixed ? 1 : 0);
  }
}

void set_channels(CompiledModel& model) {
  model.channel_offsets.push_back(0);
  bool any_floor = false;
  for (const Channel& channel : model.source->channels) {
    model.n_bins += channel.n_bins();
    model.n_rows += channel.n_bins() * channel.samples.size();
    model.channel_offsets.push_back(model.n_bins);
    any_floor = any_floor || channel.yield_floor.has_value();
  }
  if (!any_floor) return;
  for (const Channel& channel : model.source->channels) {
    const double floor = channel.yield_floor.value_or(-std::numeric_limits<double>::infinity());
    model.bin_floor.insert(model.bin_floor.end(), channel.n_bins(), floor);
  }
}

void set_interpolants(CompiledModel& model, const ModelLists& lists) {
  for (const InterpolantTable* interpolants :
       {&lists.additive_interpolants, &lists.factor_interpolants}) {
    model.interpolant_argument.insert(model.interpolant_argument.end(),
                                      interpolants->arguments.begin(),
                                      interpolants->arguments.end());
    model.interpolant_code.insert(model.interpolant_code.end(), interpolants->codes.begin(),
                                  interpolants->codes.end());
  }
  model.n_additive_interpolants = static_cast<std::uint32_t>(lists.additive_interpolants.size());
}

void set_sweep(CompiledModel& model) {
  SweepModel& sweep = model.sweep;
  sweep.n_interpolants = static_cast<std::uint32_t>(model.interpolant_argument.size());
  sweep.n_additive_interpolants = model.n_additive_interpolants;
  sweep.interpolant_argument = model.interpolant_argument.data();
  sweep.interpolant_code = model.interpolant_code.data();
  sweep.n_scope_blocks = static_cast<std::uint32_t>(model.scope_blocks.size());
  sweep.scope_blocks = model.scope_blocks.data();
  sweep.factor_interpolant = model.factor_interpolant.data();
  sweep.factor_data = model.factor_data.data();
  sweep.scope_gathers = model.scope_gathers.data();
  sweep.scope_floor = model.scope_floor.data();
  sweep.row_blocks = model.row_blocks.data();
  sweep.row_nominal = model.row_nominal.data();
  sweep.row_floor = model.row_floor.data();
  sweep.row_bin = model.row_bin.data();
  sweep.row_operands = model.row_operands.data();
  sweep.entry_interpolant = model.entry_interpolant.data();
  sweep.entry_data = model.entry_data.data();
  sweep.bin_floor = model.bin_floor.empty() ? nullptr : model.bin_floor.data();
}

/// Transformed parameter in (-1, 1) at which the factor of code 5 is smallest, if negative there.
std::optional<double> where_negative(const NormSys& modifier) {
  const auto c = kernels::polynomial_exponential_coefficients(modifier.low, modifier.high);
  double where = 0.0, smallest = 0.0;
  for (int i = -99; i < 100; ++i) {
    const double alpha = 0.01 * i;
    const double factor = kernels::factor_polynomial(alpha, c[0], c[1], c[2], c[3], c[4], c[5]);
    if (factor < smallest) {
      smallest = factor;
      where = alpha;
    }
  }
  return smallest < 0.0 ? std::optional<double>(where) : std::nullopt;
}

/// Whether the polynomial of code 5 can have a zero between -1 and +1 for these ratios at all.
bool is_extreme(const NormSys& modifier) {
  const double low = std::min(modifier.low, modifier.high);
  const double high = std::max(modifier.low, modifier.high);
  return low < 0.2 || high > 5.0;
}

std::string shortened(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

/// The first normsys of a name with a negative factor, and how many more there are.
struct NegativeFactor {
  std::string where;
  std::string end;
  std::size_t n_more = 0;
};

/// By name, in the order in which they were found.
struct NegativeFactors {
  std::vector<NegativeFactor> list;
  std::unordered_map<std::string_view, std::size_t> position;
};

void find_negative_factors(const Channel& channel, const Sample& sample, NegativeFactors& found) {
  if (sample.factor_floor) return;
  for (const Modifier& modifier : sample.modifiers) {
    const auto* normsys = std::get_if<NormSys>(&modifier);
    if (normsys == nullptr || normsys->interpolation != Interpolation::polynomial_exponential ||
        !is_extreme(*normsys)) {
      continue;
    }
    if (const std::optional<double> alpha = where_negative(*normsys)) {
      const auto [known, is_new] = found.position.emplace(normsys->name, found.list.size());
      if (!is_new) {
        ++found.list[known->second].n_more;
        continue;
      }
      NegativeFactor first;
      first.where = "normsys '" + normsys->name + "' of sample '" + sample.name + "' in channel '" +
                    channel.name + "' (lo = " + shortened(normsys->low) +
                    ", hi = " + shortened(normsys->high) + ")";
      first.end = " interpolates to a negative factor near " + normsys->parameter + " = " +
                  shortened(*alpha) + "; it is used unchanged, as the format defines it";
      found.list.push_back(std::move(first));
    }
  }
}

constexpr std::uint32_t unused = 0xFFFFFFFFU;
constexpr std::uint32_t everywhere = 0xFFFFFFFEU;

/// For each parameter: the only bin in which it multiplies rows, `unused`, or `everywhere`.
std::vector<std::uint32_t> bins_of_parameters(const CompiledModel& model, const ModelLists& lists) {
  std::vector<std::uint32_t> bin_of(model.names.size(), unused);
  for (const TransformedParameter& argument : model.transformed)
    bin_of[argument.parameter] = everywhere;
  for (const DerivedFactor& factor : model.derived_factors) {
    for (const std::size_t parameter : factor.parameters) bin_of[parameter] = everywhere;
  }
  for (const Scope& scope : lists.scopes) {
    for (const OperandRef& ref : scope.outside) {
      if (ref.kind == OperandRef::Kind::parameter) bin_of[ref.index] = everywhere;
    }
  }
  const RowList& rows = lists.rows;
  std::vector<std::uint32_t> last_row(model.names.size(), unused);
  for (std::uint32_t r = 0; r < rows.size(); ++r) {
    for (std::uint32_t k = rows.operand_offsets[r]; k < rows.operand_offsets[r + 1]; ++k) {
      if (rows.operands[k].kind != OperandRef::Kind::parameter) continue;
      const std::uint32_t parameter = rows.operands[k].index;
      const bool twice_in_row = last_row[parameter] == r;
      const bool same_bin = bin_of[parameter] == unused || bin_of[parameter] == rows.bin[r];
      bin_of[parameter] = same_bin && !twice_in_row ? rows.bin[r] : everywhere;
      last_row[parameter] = r;
    }
  }
  return bin_of;
}

void append_block(ArrowStructure& arrow, const std::vector<std::size_t>& parameters) {
  const std::size_t m = parameters.size();
  arrow.local_parameters.insert(arrow.local_parameters.end(), parameters.begin(), parameters.end());
  arrow.block_offsets.push_back(arrow.local_parameters.size());
  arrow.block_entries.push_back(arrow.block_entries.back() + m * m);
}

/// Sorts parameters into dense and local ones. Local are those that act only in one bin, as plain
/// operands of its rows, and those without any effect.
void set_arrow_structure(CompiledModel& model, const ModelLists& lists) {
  const std::vector<std::uint32_t> bin_of = bins_of_parameters(model, lists);
  ArrowStructure& arrow = model.arrow;
  arrow.block_offsets = {0};
  arrow.block_entries = {0};
  std::map<std::uint32_t, std::vector<std::size_t>> locals_of_bin;
  for (std::size_t p = 0; p < bin_of.size(); ++p) {
    if (bin_of[p] == everywhere) {
      arrow.dense_parameters.push_back(p);
    } else if (bin_of[p] == unused) {
      append_block(arrow, {p});
    } else {
      locals_of_bin[bin_of[p]].push_back(p);
    }
  }
  model.block_of_bin.assign(model.n_bins, no_block);
  for (const auto& [bin, parameters] : locals_of_bin) {
    model.block_of_bin[bin] = static_cast<std::uint32_t>(arrow.n_blocks());
    append_block(arrow, parameters);
  }
  model.arrow_row.resize(bin_of.size());
  for (std::size_t i = 0; i < arrow.n_dense(); ++i) {
    model.arrow_row[arrow.dense_parameters[i]] = static_cast<std::uint32_t>(i);
  }
  for (std::size_t i = 0; i < arrow.n_local(); ++i) {
    model.arrow_row[arrow.local_parameters[i]] = static_cast<std::uint32_t>(arrow.n_dense() + i);
  }
}

}  // namespace

std::vector<std::string> model_warnings(const ModelSpec& spec) {
  NegativeFactors found;
  for (const Channel& channel : spec.channels) {
    for (const Sample& sample : channel.samples) find_negative_factors(channel, sample, found);
  }
  std::vector<std::string> warnings;
  for (const NegativeFactor& first : found.list) {
    const std::string more =
        first.n_more == 0 ? "" : ", as in " + std::to_string(first.n_more) + " more samples,";
    warnings.push_back(first.where + more + first.end);
  }
  return warnings;
}

void compile(ModelSpec spec, CompiledModel& model) {
  validate(spec);
  model.source = std::make_shared<const ModelSpec>(std::move(spec));
  set_parameters(model);
  ModelLists lists;
  compile_lists(model, lists, nullptr, nullptr);
  model.warnings = model_warnings(*model.source);
}

void compile_lists(CompiledModel& model, ModelLists& lists, const InputLayout* inputs,
                   InputPlaces* places) {
  set_channels(model);
  collect_lists(model, lists, inputs);
  set_interpolants(model, lists);
  pack(model, lists, places);
  set_arrow_structure(model, lists);
  model.index();
}

void CompiledModel::index() {
  index_of.clear();
  index_of.reserve(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) index_of.emplace(names[i], i);
  set_sweep(*this);
}

}  // namespace nablafit::detail
