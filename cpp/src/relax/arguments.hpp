/// \file
/// Checks of the arguments of relaxed histograms and cuts, and the layout of their bins.
#ifndef NABLAFIT_SRC_RELAX_ARGUMENTS_HPP
#define NABLAFIT_SRC_RELAX_ARGUMENTS_HPP

#include <cstddef>
#include <vector>

#include "nablafit/relax.hpp"

namespace nablafit::detail {

/// Throw ArgumentError unless all are finite; widths not negative either.
void require_finite(Span<const double> values, const char* argument);
void require_widths(Span<const double> widths, std::size_t n, const char* argument);

void require_size(std::size_t found, std::size_t expected, const char* argument);

/// Checked sizes of a call. Groups are the histograms that share a row of values: one group of all,
/// or one per histogram. Events are processed in chunks whose number depends only on these sizes.
struct HistogramShape {
  explicit HistogramShape(const HistogramInputs& inputs);

  std::size_t n_histograms;
  std::size_t n_events;
  std::size_t n_groups;
  std::size_t n_edges;
  std::size_t chunk_size;
  std::size_t n_chunks;

  std::size_t n_tasks() const { return n_groups * n_chunks; }
  std::size_t histograms_per_group() const { return n_histograms / n_groups; }
};

/// What one task processes.
struct HistogramTask {
  HistogramTask(const HistogramShape& shape, std::size_t task);

  std::size_t group;
  std::size_t begin;
  std::size_t end;
  std::size_t first_histogram;
  std::size_t last_histogram;  ///< exclusive
};

/// From rows of n_edges + 1 bins, outer ones included, to the bins that the caller requested; and
/// the transpose.
std::vector<double> reduce_outside(std::vector<double>&& full, std::size_t n_edges,
                                   OutsideBins outside);
std::vector<double> expand_outside(Span<const double> bins, std::size_t n_edges,
                                   OutsideBins outside);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_RELAX_ARGUMENTS_HPP
