#include "io/hs3/names.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace nablafit::io {
namespace {

using Map = Hs3NameMaps::Map;

struct Kind {
  const char* key;
  Map Hs3NameMaps::* map;
};
constexpr std::array<Kind, 7> kinds = {{{"parameters", &Hs3NameMaps::parameters},
                                        {"channels", &Hs3NameMaps::channels},
                                        {"samples", &Hs3NameMaps::samples},
                                        {"modifiers", &Hs3NameMaps::modifiers},
                                        {"axes", &Hs3NameMaps::axes},
                                        {"datasets", &Hs3NameMaps::datasets},
                                        {"points", &Hs3NameMaps::points}}};

/// Independent of the locale.
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string valid(const std::string& name) {
  std::string result;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool is_last_bracket = name[i] == ']' && i + 1 == name.size();
    if (is_letter(name[i]) || is_digit(name[i])) {
      result += name[i];
    } else if (!is_last_bracket) {
      result += '_';
    }
  }
  if (result.empty() || is_digit(result.front())) result.insert(0, 1, '_');
  return result;
}

Map make_valid(const std::set<std::string>& names) {
  std::set<std::string> taken;
  for (const std::string& name : names) {
    if (valid(name) == name) taken.insert(name);
  }
  Map result;
  for (const std::string& name : names) {
    std::string changed = valid(name);
    if (changed == name || name.empty()) continue;
    while (!taken.insert(changed).second) changed += '_';
    result.emplace(name, std::move(changed));
  }
  return result;
}

void rename(std::string& name, const Map& map) {
  const auto found = map.find(name);
  if (found != map.end()) name = found->second;
}

void rename(std::vector<std::string>& names, const Map& map) {
  for (std::string& name : names) rename(name, map);
}

/// The parameters of a modifier of any type.
struct ParametersOf {
  const Map& map;

  template <typename M>
  auto operator()(M& modifier) const -> decltype(modifier.parameter, void()) {
    rename(modifier.parameter, map);
  }
  template <typename M>
  auto operator()(M& modifier) const -> decltype(modifier.parameters, void()) {
    rename(modifier.parameters, map);
  }
};

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

}  // namespace

Hs3NameMaps Hs3NameMaps::valid_for_root(const ModelSpec& spec,
                                        const std::vector<Observations>& datasets) {
  std::set<std::string> parameters;
  std::set<std::string> channels;
  std::set<std::string> samples;
  std::set<std::string> modifiers;
  std::set<std::string> axes;
  std::set<std::string> data;
  std::set<std::string> points;
  for (const Parameter& parameter : spec.parameters) {
    parameters.insert(parameter.name);
    parameters.insert(parameter.global_observable);
  }
  for (const Channel& channel : spec.channels) {
    channels.insert(channel.name);
    for (const Axis& axis : channel.axes) axes.insert(axis.name);
    for (const Sample& sample : channel.samples) {
      samples.insert(sample.name);
      for (const Modifier& modifier : sample.modifiers) modifiers.insert(name_of(modifier));
    }
  }
  for (const Observations& observations : datasets) data.insert(observations.name);
  for (const ParameterPoint& point : spec.parameter_points) points.insert(point.name);
  Hs3NameMaps result;
  result.parameters = make_valid(parameters);
  result.channels = make_valid(channels);
  result.samples = make_valid(samples);
  result.modifiers = make_valid(modifiers);
  result.axes = make_valid(axes);
  result.datasets = make_valid(data);
  result.points = make_valid(points);
  return result;
}

bool Hs3NameMaps::empty() const {
  return std::all_of(kinds.begin(), kinds.end(),
                     [&](const Kind& kind) { return (this->*kind.map).empty(); });
}

ModelSpec Hs3NameMaps::apply(ModelSpec spec) const {
  for (Channel& channel : spec.channels) {
    rename(channel.name, channels);
    for (Axis& axis : channel.axes) rename(axis.name, axes);
    for (Sample& sample : channel.samples) {
      rename(sample.name, samples);
      for (Modifier& modifier : sample.modifiers) {
        std::visit([&](auto& m) { rename(m.name, modifiers); }, modifier);
        std::visit(ParametersOf{parameters}, modifier);
      }
    }
  }
  for (Parameter& parameter : spec.parameters) {
    rename(parameter.name, parameters);
    rename(parameter.global_observable, parameters);
  }
  rename(spec.parameters_of_interest, parameters);
  for (ParameterPoint& point : spec.parameter_points) {
    rename(point.name, points);
    for (auto& value : point.values) rename(value.parameter, parameters);
  }
  return spec;
}

Observations Hs3NameMaps::apply(Observations data) const {
  rename(data.name, datasets);
  for (ChannelCounts& counts : data.channels) rename(counts.channel, channels);
  for (auto& observed : data.global_observables) rename(observed.parameter, parameters);
  return data;
}

nlohmann::ordered_json Hs3NameMaps::written() const {
  nlohmann::ordered_json result = nlohmann::ordered_json::object();
  for (const Kind& kind : kinds) {
    for (const auto& [original, changed] : this->*kind.map) result[kind.key][changed] = original;
  }
  return result;
}

Hs3NameMaps Hs3NameMaps::read(JsonValue names) {
  Hs3NameMaps result;
  if (!names.exists()) return result;
  expect_kind(names, JsonKind::object, "an object, names by kind");
  for (const Kind& kind : kinds) {
    const JsonValue pairs = names.find(kind.key);
    if (!pairs.exists()) continue;
    expect_kind(pairs, JsonKind::object, "an object, original names by those of the document");
    for (const auto& member : pairs.members()) {
      (result.*kind.map)
          .emplace(member.key, expect_string(member.value, "a string, the original name"));
    }
  }
  return result;
}

std::string Hs3NameMaps::with_old_names(std::string message) const {
  for (const Kind& kind : kinds) {
    for (const auto& [original, changed] : this->*kind.map) {
      replace_all(message, "'" + changed + "'", "'" + original + "'");
    }
  }
  return message;
}

}  // namespace nablafit::io
