#include "io/hs3/names.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>
#include <utility>

#include "io/hs3/writer.hpp"

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
  std::unordered_map<std::string, std::size_t> n_alike;  ///< names made from the same valid one
  for (const std::string& name : names) {
    std::string changed = valid(name);
    if (changed == name || name.empty()) continue;
    if (!taken.insert(changed).second) {
      std::size_t& n = n_alike[changed];
      std::string numbered;
      do {
        numbered = changed + (n < 4 ? std::string(n + 1, '_') : '_' + std::to_string(n));
        ++n;
      } while (!taken.insert(numbered).second);
      changed = std::move(numbered);
    }
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

/// The message with new names in quotes replaced by the old ones: no new name has a quote in it.
std::string with_old_names(const std::string& message,
                           const std::unordered_map<std::string, std::string>& old_names) {
  std::string result;
  std::size_t done = 0;
  for (std::size_t at = message.find('\''); at != std::string::npos;) {
    const std::size_t end = message.find('\'', at + 1);
    if (end == std::string::npos) break;
    const auto old_name = old_names.find(message.substr(at + 1, end - at - 1));
    if (old_name == old_names.end()) {
      at = end;  // which may open a name
      continue;
    }
    result.append(message, done, at + 1 - done);
    result += old_name->second;
    done = end;
    at = message.find('\'', end + 1);
  }
  return result.append(message, done, std::string::npos);
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
    nlohmann::ordered_json pairs;
    for (const auto& [original, changed] : this->*kind.map) append_member(pairs, changed, original);
    if (!pairs.is_null()) result[kind.key] = std::move(pairs);
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

void Hs3NameMaps::restore_in(std::vector<std::string>& messages) const {
  if (messages.empty()) return;
  std::unordered_map<std::string, std::string> old_names;
  for (const Kind& kind : kinds) {
    for (const auto& [original, changed] : this->*kind.map) old_names.emplace(changed, original);
  }
  for (std::string& message : messages) message = with_old_names(message, old_names);
}

}  // namespace nablafit::io
