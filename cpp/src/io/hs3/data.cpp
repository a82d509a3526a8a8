#include "io/hs3/data.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_set>

#include "io/hs3/channels.hpp"
#include "io/hs3/sizes.hpp"

namespace nablafit::io {
namespace {

constexpr std::array<JsonField, 9> axis_fields = {{{"name"},
                                                   {"min", false},
                                                   {"max", false},
                                                   {"nbins", false},
                                                   {"edges", false},
                                                   {"bounds", false},
                                                   {"value", false},
                                                   {"const", false},
                                                   {"title", false}}};

bool has_key(JsonValue value) { return value.exists() && !value.is(JsonKind::null); }

std::vector<double> stated_edges(JsonValue edges, std::size_t n_limit) {
  expect_numbers(edges, "an array of bin edges");
  if (edges.size() < 2 || edges.size() - 1 > n_limit) {
    fail(edges, "found " + std::to_string(edges.size()) + " edges, expected 2 to " +
                    std::to_string(n_limit + 1) + " for contents of " + std::to_string(n_limit));
  }
  const std::vector<double> result = numbers(edges);
  if (std::adjacent_find(result.begin(), result.end(), std::greater_equal<>()) != result.end()) {
    fail(edges, "found edges that do not ascend, expected every edge above the previous one");
  }
  return result;
}

/// At most `n_limit` bins, the number of contents.
Axis read_axis(JsonValue value, std::size_t n_limit, bool is_only_axis) {
  const auto [name, min, max, nbins, edges, bounds, unused_value, unused_const, unused_title] =
      read_fields(value, "an axis", axis_fields);
  Axis axis;
  axis.name = std::string(expect_string(name, "a string, the name of an observable"));
  for (const JsonValue stated : {edges, bounds}) {
    if (!has_key(stated)) continue;
    axis.edges = stated_edges(stated, n_limit);
    return axis;
  }
  if (!has_key(min) || !has_key(max) || (!has_key(nbins) && !is_only_axis)) {
    fail(value,
         "found an axis with neither 'edges' nor 'min', 'max' and 'nbins', expected one "
         "or the other");
  }
  const double lower = expect_number(min, "a number, the lower edge");
  const double upper = expect_number(max, "a number, the upper edge");
  if (!(lower < upper)) fail(value, "found 'min' not below 'max', expected min below max");
  const double n =
      has_key(nbins) ? expect_number(nbins, "a number of bins") : static_cast<double>(n_limit);
  if (n < 1.0 || n > static_cast<double>(n_limit) || n != std::floor(n)) {
    fail(nbins, "found " + describe(nbins) +
                    " as number of bins, expected a whole number from 1 "
                    "to the number of contents, " +
                    std::to_string(n_limit));
  }
  const auto n_bins = static_cast<std::size_t>(n);
  for (std::size_t i = 0; i < n_bins; ++i) {
    axis.edges.push_back(lower + static_cast<double>(i) * ((upper - lower) / n));
  }
  axis.edges.push_back(upper);
  return axis;
}

/// Bin of a point, last axis fastest; throws if it is outside.
std::size_t find_bin(JsonValue entry, const Channel& channel) {
  expect_kind(entry, JsonKind::array, "an array, the coordinates of an entry");
  expect_numbers(entry, "the coordinates of an entry");
  if (entry.size() != channel.axes.size()) {
    fail(entry, "found " + std::to_string(entry.size()) + " coordinates, expected " +
                    std::to_string(channel.axes.size()) + ", one per axis of the channel " +
                    quoted(channel.name));
  }
  std::size_t bin = 0;
  auto coordinate = entry.elements().begin();
  for (const Axis& axis : channel.axes) {
    const double x = (*coordinate).number();
    const auto above = std::upper_bound(axis.edges.begin(), axis.edges.end(), x);
    if (above == axis.edges.begin() || above == axis.edges.end()) {
      fail(*coordinate, "found a coordinate outside the bins of the axis " + quoted(axis.name) +
                            ", expected one inside");
    }
    bin = bin * (axis.edges.size() - 1) + static_cast<std::size_t>(above - axis.edges.begin() - 1);
    ++coordinate;
  }
  return bin;
}

std::vector<double> histogram(JsonValue data, const Channel& channel) {
  const JsonValue entries = data.find("entries");
  if (!entries.exists()) fail(data, "found unbinned data without 'entries', expected them");
  expect_kind(entries, JsonKind::array, "an array of entries");
  if (channel.axes.empty()) {
    fail(data, "found unbinned data of the channel " + quoted(channel.name) +
                   ", which has no axes, expected binned data");
  }
  const JsonValue weights = data.find("weights");
  std::vector<double> weight(entries.size(), 1.0);
  if (has_key(weights)) {
    expect_kind(weights, JsonKind::array, "an array of weights");
    if (weights.size() != entries.size()) {
      fail(weights, "found " + std::to_string(weights.size()) + " weights, expected " +
                        std::to_string(entries.size()) + ", one per entry");
    }
    if (weights.size() > 0) expect_numbers(weights, "an array of weights");
    weight = numbers(weights);
  }
  std::vector<double> counts(channel.n_bins(), 0.0);
  std::size_t i = 0;
  for (const JsonValue entry : entries.elements()) counts[find_bin(entry, channel)] += weight[i++];
  return counts;
}

}  // namespace

std::vector<Axis> read_hs3_axes(JsonValue axes, std::size_t n_bins) {
  expect_items(axes, "an array of axes");
  std::vector<Axis> result;
  std::size_t n_cells = 1;
  std::unordered_set<std::string> names;
  for (const JsonValue value : axes.elements()) {
    result.push_back(read_axis(value, n_bins, axes.size() == 1));
    n_cells *= result.back().edges.size() - 1;
    if (n_cells > n_bins) break;
    if (names.insert(result.back().name).second) continue;
    fail(value, "found a second axis " + quoted(result.back().name) + ", expected different names");
  }
  if (n_cells == n_bins) return result;
  fail(axes, "found axes of " + std::to_string(n_cells) + " bins" +
                 (n_cells > n_bins ? " or more" : "") + ", expected " + std::to_string(n_bins) +
                 ", the number of contents; make the numbers equal");
}

std::vector<double> read_hs3_counts(JsonValue data, const Channel& channel) {
  const JsonValue type = data.find("type");
  const std::string_view kind = type.exists() ? expect_string(type, "a string, the type of data")
                                              : std::string_view("binned");
  std::vector<double> counts;
  if (kind == "unbinned") {
    counts = histogram(data, channel);
  } else if (kind == "binned") {
    const JsonValue contents = data.find("contents");
    if (!contents.exists()) fail(data, "found binned data without 'contents', expected them");
    expect_numbers(contents, "an array of observed events per bin");
    expect_hs3_size(contents, channel.n_bins(), "'contents'", channel.name);
    const JsonValue axes = data.find("axes");
    if (has_key(axes)) read_hs3_axes(axes, channel.n_bins());
    counts = numbers(contents);
  } else {
    fail(type, "found the data type " + quoted(kind) + " for the channel " + quoted(channel.name) +
                   ", expected 'binned', or 'unbinned' with entries");
  }
  for (const double count : counts) {
    if (count >= 0.0) continue;
    fail(data, "found a negative number of observed events, expected none below 0");
  }
  return counts;
}

}  // namespace nablafit::io
