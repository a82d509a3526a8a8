#include "io/pyhf/channels.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>

#include "io/json/reader.hpp"
#include "util/interruption.hpp"
#include "util/nearest_name.hpp"

namespace nablafit::io {
namespace {

constexpr std::array<std::string_view, n_pyhf_types> type_names = {
    "histosys", "lumi", "normfactor", "normsys", "shapefactor", "shapesys", "staterror"};

/// Sorts by name; throws at the second of two items with the same name.
template <typename Item>
void sort_by_name(std::vector<Item>& items, const std::string& what) {
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return a.name != b.name ? a.name < b.name : a.value.is_before(b.value);
  });
  const auto repeated = std::adjacent_find(
      items.begin(), items.end(), [](const Item& a, const Item& b) { return a.name == b.name; });
  if (repeated == items.end()) return;
  fail(std::next(repeated)->value, "found a second " + what + " " + quoted(repeated->name) +
                                       " (the first is " + repeated->value.pointer() +
                                       "), expected different names; rename or merge them");
}

/// `owner` names what determines the length of the array: "sample", "channel".
void expect_size(JsonValue array, std::size_t expected, std::string_view what,
                 std::string_view owner, std::string_view owner_name) {
  if (array.size() == expected) return;
  fail(array, "found " + std::to_string(array.size()) + " entries in " + std::string(what) +
                  ", expected " + std::to_string(expected) + ", one per bin of " +
                  std::string(owner) + " " + quoted(owner_name) + "; make the lengths equal");
}

void expect_not_negative(JsonValue numbers, std::string_view what, std::string_view remedy) {
  for (const JsonValue element : numbers.elements()) {
    if (element.number() < 0.0) {
      fail(element, "found " + describe(element) + " in " + std::string(what) +
                        ", expected numbers that are not negative; " + std::string(remedy));
    }
  }
}

// --- modifiers -----------------------------------------------------------------------------------

PyhfType read_type(JsonValue value) {
  const std::string_view type = expect_string(value, "a string, the type of a modifier");
  const auto found = std::find(type_names.begin(), type_names.end(), type);
  if (found == type_names.end()) {
    fail(value, "found the modifier type " + quoted(type) + ", expected one of " +
                    quoted_list({type_names.begin(), type_names.end()}) +
                    detail::did_you_mean(type, type_names));
  }
  return static_cast<PyhfType>(found - type_names.begin());
}

double read_factor(JsonValue value) {
  const double factor = expect_number(value, "a number, a factor on the yields of the sample");
  if (factor < 0.0) {
    fail(value, "found " + describe(value) +
                    " as factor of a normsys, expected a number that is not negative; 'hi' and "
                    "'lo' are ratios to the nominal yield, such as 1.1 and 0.9");
  }
  return factor;
}

void read_normsys(PyhfModifier& modifier) {
  constexpr std::array<JsonField, 2> fields = {{{"lo"}, {"hi"}}};
  const auto [low, high] = read_fields(modifier.data, "an object, the data of a normsys", fields);
  read_factor(low);
  read_factor(high);
  modifier.data = low;
  modifier.high = high;
}

void read_histosys(PyhfModifier& modifier, const PyhfSample& sample) {
  constexpr std::array<JsonField, 2> fields = {{{"lo_data"}, {"hi_data"}}};
  const auto [low, high] = read_fields(modifier.data, "an object, the data of a histosys", fields);
  expect_numbers(low, "an array of yields per bin");
  expect_numbers(high, "an array of yields per bin");
  expect_size(low, sample.data.size(), "lo_data", "sample", sample.name);
  expect_size(high, sample.data.size(), "hi_data", "sample", sample.name);
  modifier.data = low;
  modifier.high = high;
}

void read_uncertainties(const PyhfModifier& modifier, const PyhfSample& sample) {
  expect_numbers(modifier.data, "an array of uncertainties per bin");
  expect_size(modifier.data, sample.data.size(), name_of(modifier.type), "sample", sample.name);
  expect_not_negative(modifier.data, "absolute uncertainties", "0 means no uncertainty");
}

void read_no_data(const PyhfModifier& modifier) {
  if (!modifier.data.exists() || modifier.data.is(JsonKind::null)) return;
  fail(modifier.data, "found " + describe(modifier.data) + " as data of a " +
                          std::string(name_of(modifier.type)) + ", expected null; remove it");
}

PyhfModifier read_modifier(JsonValue value, const PyhfSample& sample) {
  detail::check_interruption(detail::operations_per_name + 16 * sample.data.size());
  constexpr std::array<JsonField, 3> fields = {{{"name"}, {"type"}, {"data", false}}};
  const auto [name, type, data] = read_fields(value, "a modifier", fields);
  PyhfModifier modifier{};
  modifier.type = read_type(type);
  modifier.name = expect_name(name, "a modifier");
  modifier.value = value;
  modifier.data = data;
  const bool has_data = modifier.type != PyhfType::lumi && modifier.type != PyhfType::normfactor &&
                        modifier.type != PyhfType::shapefactor;
  if (!has_data) {
    read_no_data(modifier);
  } else if (!data.exists()) {
    fail(value, "found a " + std::string(name_of(modifier.type)) +
                    " without the key 'data', expected its numbers; add 'data'");
  } else if (modifier.type == PyhfType::normsys) {
    read_normsys(modifier);
  } else if (modifier.type == PyhfType::histosys) {
    read_histosys(modifier, sample);
  } else {
    read_uncertainties(modifier, sample);
  }
  if (modifier.type == PyhfType::lumi && modifier.name != "lumi") {
    fail(name, "found a lumi modifier named " + quoted(modifier.name) +
                   ", expected the name 'lumi'; rename it, or use a normsys");
  }
  return modifier;
}

// --- samples and channels ------------------------------------------------------------------------

PyhfSample read_sample(JsonValue value) {
  constexpr std::array<JsonField, 3> fields = {{{"name"}, {"data"}, {"modifiers"}}};
  const auto [name, data, modifiers] = read_fields(value, "a sample", fields);
  PyhfSample sample{expect_name(name, "a sample"), value, data, {}};
  expect_numbers(data, "an array of yields per bin");
  expect_kind(modifiers, JsonKind::array, "an array of modifiers");
  sample.modifiers.reserve(modifiers.size());
  for (const JsonValue modifier : modifiers.elements()) {
    sample.modifiers.push_back(read_modifier(modifier, sample));
  }
  return sample;
}

PyhfChannel read_channel(JsonValue value) {
  constexpr std::array<JsonField, 2> fields = {{{"name"}, {"samples"}}};
  const auto [name, samples] = read_fields(value, "a channel", fields);
  PyhfChannel channel{expect_name(name, "a channel"), value, 0, {}};
  expect_items(samples, "an array of samples");
  channel.samples.reserve(samples.size());
  for (const JsonValue sample : samples.elements()) {
    channel.samples.push_back(read_sample(sample));
    expect_size(channel.samples.back().data, channel.samples.front().data.size(),
                "the data of the sample", "the channel's first sample",
                channel.samples.front().name);
  }
  channel.n_bins = channel.samples.front().data.size();
  sort_by_name(channel.samples, "sample");
  return channel;
}

// --- observations --------------------------------------------------------------------------------

struct Observation {
  JsonValue value;
  JsonValue data;
};
using ObservationsByName = std::unordered_map<std::string_view, Observation>;

ObservationsByName read_observations_by_name(JsonValue observations) {
  constexpr std::array<JsonField, 2> fields = {{{"name"}, {"data"}}};
  expect_items(observations, "an array of observations");
  ObservationsByName result;
  for (const JsonValue value : observations.elements()) {
    const auto [name_value, data] = read_fields(value, "an observation", fields);
    const std::string_view name = expect_name(name_value, "an observation");
    const auto [first, is_new] = result.emplace(name, Observation{value, data});
    if (!is_new) {
      fail(value, "found a second observation " + quoted(name) + " (the first is " +
                      first->second.value.pointer() +
                      "), expected one per channel; remove or rename one");
    }
  }
  return result;
}

/// Patches that remove a channel usually leave its observation behind.
void note_ignored(JsonValue observations, const std::vector<PyhfChannel>& channels,
                  std::vector<std::string>& notes) {
  std::vector<std::string_view> known;
  for (const PyhfChannel& channel : channels) known.push_back(channel.name);
  std::vector<std::string_view> ignored;
  for (const JsonValue value : observations.elements()) {
    const std::string_view name = value.find("name").string();
    if (std::binary_search(known.begin(), known.end(), name)) continue;
    ignored.push_back(name);
  }
  if (ignored.empty()) return;
  notes.push_back(
      "Observations of channels that do not exist were ignored: " + quoted_list(ignored) + ".");
}

}  // namespace

std::string_view name_of(PyhfType type) noexcept {
  return type_names[static_cast<std::size_t>(type)];
}

std::string_view expect_name(JsonValue value, std::string_view what) {
  if (value.is(JsonKind::string) && !value.string().empty()) return value.string();
  fail(value, "found " + (value.is(JsonKind::string) ? "an empty string" : describe(value)) +
                  ", expected a string, the name of " + std::string(what));
}

std::vector<PyhfChannel> read_pyhf_channels(JsonValue channels) {
  expect_items(channels, "an array of channels");
  std::vector<PyhfChannel> result;
  result.reserve(channels.size());
  for (const JsonValue channel : channels.elements()) result.push_back(read_channel(channel));
  sort_by_name(result, "channel");
  return result;
}

Observations read_pyhf_observations(JsonValue observations,
                                    const std::vector<PyhfChannel>& channels,
                                    std::vector<std::string>& notes) {
  const ObservationsByName by_name = read_observations_by_name(observations);
  Observations result;
  result.name = "observed";
  result.channels.reserve(channels.size());
  for (const PyhfChannel& channel : channels) {
    const auto found = by_name.find(channel.name);
    if (found == by_name.end()) {
      fail(observations, "found no observation for channel " + quoted(channel.name) +
                             ", expected one for every channel; add {\"name\": \"" +
                             std::string(channel.name) + "\", \"data\": [...]}");
    }
    expect_numbers(found->second.data, "an array of observed counts per bin");
    expect_not_negative(found->second.data, "observed counts", "correct the count");
    expect_size(found->second.data, channel.n_bins, "the observation", "channel", channel.name);
    result.channels.push_back({std::string(channel.name), numbers(found->second.data)});
  }
  if (by_name.size() != channels.size()) note_ignored(observations, channels, notes);
  return result;
}

}  // namespace nablafit::io
