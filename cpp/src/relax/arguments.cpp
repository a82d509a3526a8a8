#include "relax/arguments.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "nablafit/error.hpp"

namespace nablafit {

std::size_t n_histogram_bins(std::size_t n_edges, OutsideBins outside) {
  return outside == OutsideBins::separate ? n_edges + 1 : n_edges - 1;
}

namespace detail {
namespace {

/// Number of chunks, each with its own partial histogram: few enough to save memory, many enough
/// for any machine.
constexpr std::size_t max_chunks = 64;
constexpr std::size_t min_chunk_size = 2048;

[[noreturn]] void refuse(const std::string& message, const char* argument, std::size_t index,
                         double found) {
  throw ArgumentError(message + ", got " + std::to_string(found),
                      std::string(argument) + "[" + std::to_string(index) + "]");
}

void require_edges(Span<const double> edges) {
  if (edges.size() < 2) {
    throw ArgumentError("expected at least 2 edges, got " + std::to_string(edges.size()), "edges");
  }
  require_finite(edges, "edges");
  for (std::size_t i = 1; i < edges.size(); ++i) {
    if (!(edges[i] > edges[i - 1])) {
      refuse("expected edges that increase, each above the one before", "edges", i, edges[i]);
    }
  }
}

}  // namespace

void require_finite(Span<const double> values, const char* argument) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      refuse("expected finite numbers; leave such events out", argument, i, values[i]);
    }
  }
}

void require_widths(Span<const double> widths, std::size_t n, const char* argument) {
  if (widths.size() != 1) require_size(widths.size(), n, argument);
  for (std::size_t i = 0; i < widths.size(); ++i) {
    if (!(widths[i] >= 0.0 && std::isfinite(widths[i]))) {
      refuse("expected a finite width that is not negative", argument, i, widths[i]);
    }
  }
}

void require_size(std::size_t found, std::size_t expected, const char* argument) {
  if (found == expected) return;
  throw ArgumentError(
      "expected " + std::to_string(expected) + " values, got " + std::to_string(found), argument);
}

HistogramShape::HistogramShape(const HistogramInputs& inputs) : n_histograms(inputs.n_histograms) {
  if (n_histograms == 0) throw ArgumentError("expected at least one histogram", "n_histograms");
  require_edges(inputs.edges);
  n_edges = inputs.edges.size();
  n_events = inputs.weights.size() / n_histograms;
  require_size(inputs.weights.size(), n_events * n_histograms, "weights");
  const bool shared = inputs.values.size() == n_events;
  n_groups = shared ? 1 : n_histograms;
  require_size(inputs.values.size(), n_events * n_groups, "values");
  require_finite(inputs.values, "values");
  require_finite(inputs.weights, "weights");
  require_widths(inputs.bandwidths, n_events, "bandwidth");
  chunk_size = std::max(min_chunk_size, (n_events + max_chunks - 1) / max_chunks);
  n_chunks = (n_events + chunk_size - 1) / chunk_size;
}

HistogramTask::HistogramTask(const HistogramShape& shape, std::size_t task)
    : group(task / shape.n_chunks),
      begin(task % shape.n_chunks * shape.chunk_size),
      end(std::min(begin + shape.chunk_size, shape.n_events)),
      first_histogram(group * shape.histograms_per_group()),
      last_histogram(first_histogram + shape.histograms_per_group()) {}

std::vector<double> reduce_outside(std::vector<double>&& full, std::size_t n_edges,
                                   OutsideBins outside) {
  if (outside == OutsideBins::separate) return std::move(full);
  const std::size_t n_full = n_edges + 1;
  std::vector<double> bins;
  bins.reserve(full.size());
  for (std::size_t row = 0; row < full.size(); row += n_full) {
    const double* source = full.data() + row;
    const std::size_t first = bins.size();
    bins.insert(bins.end(), source + 1, source + n_edges);
    if (outside == OutsideBins::drop) continue;
    bins[first] += source[0];
    bins.back() += source[n_edges];
  }
  return bins;
}

std::vector<double> expand_outside(Span<const double> bins, std::size_t n_edges,
                                   OutsideBins outside) {
  if (outside == OutsideBins::separate) return {bins.begin(), bins.end()};
  const std::size_t n_bins = n_edges - 1;
  std::vector<double> full;
  full.reserve(bins.size() / n_bins * (n_edges + 1));
  const bool fold = outside == OutsideBins::fold;
  for (const double* row = bins.begin(); row != bins.end(); row += n_bins) {
    full.push_back(fold ? row[0] : 0.0);
    full.insert(full.end(), row, row + n_bins);
    full.push_back(fold ? row[n_bins - 1] : 0.0);
  }
  return full;
}

}  // namespace detail
}  // namespace nablafit
