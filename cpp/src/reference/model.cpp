#include "reference/model.hpp"

#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>

namespace nablafit::detail {

namespace {

using Indices = std::unordered_map<std::string_view, std::size_t>;

/// The parameter names of any modifier.
std::vector<std::string> parameter_names(const Modifier& modifier) {
  return std::visit(
      [](const auto& m) -> std::vector<std::string> {
        using M = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<M, NormFactor> || std::is_same_v<M, Lumi> ||
                      std::is_same_v<M, NormSys> || std::is_same_v<M, HistoSys>) {
          return {m.parameter};
        } else {
          return m.parameters;
        }
      },
      modifier);
}

ReferenceModifier resolve(const Modifier& modifier, const Indices& indices, std::size_t n_bins) {
  ReferenceModifier resolved{&modifier, {}, {}};
  for (const std::string& name : parameter_names(modifier)) {
    resolved.parameters.push_back(indices.at(name));
  }
  if (const auto* factor = std::get_if<FormulaFactor>(&modifier)) {
    resolved.formula.emplace(*factor, n_bins);
  }
  return resolved;
}

ReferenceSample resolve(const Sample& sample, const Indices& indices) {
  ReferenceSample resolved{&sample, {}};
  for (const Modifier& modifier : sample.modifiers) {
    resolved.modifiers.push_back(resolve(modifier, indices, sample.nominal.size()));
  }
  return resolved;
}

ModelSpec validated(ModelSpec spec) {
  validate(spec);
  return spec;
}

}  // namespace

ReferenceModel::ReferenceModel(ModelSpec spec) : spec_(validated(std::move(spec))) {
  Indices indices;
  for (std::size_t i = 0; i < spec_.parameters.size(); ++i) {
    indices.emplace(spec_.parameters[i].name, i);
    if (is_constrained(spec_.parameters[i])) constrained_.push_back(i);
  }
  for (const Channel& channel : spec_.channels) {
    ReferenceChannel resolved{&channel, n_bins_, {}};
    for (const Sample& sample : channel.samples) {
      resolved.samples.push_back(resolve(sample, indices));
    }
    n_bins_ += channel.n_bins();
    n_rows_ += channel.n_bins() * channel.samples.size();
    channels_.push_back(std::move(resolved));
  }
}

}  // namespace nablafit::detail
