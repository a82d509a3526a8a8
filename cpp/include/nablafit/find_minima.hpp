/// \file
/// Several minima: fits from many starts, and how their minima differ.
#ifndef NABLAFIT_FIND_MINIMA_HPP
#define NABLAFIT_FIND_MINIMA_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nablafit/batch.hpp"
#include "nablafit/export.hpp"
#include "nablafit/minimize.hpp"

namespace nablafit {

/// A minimum, and the starts that lead to it.
struct DistinctMinimum {
  MinimizeSummary summary;
  /// Height above the lowest minimum in -2 log L; 0 for that one.
  double height = 0.0;
  std::vector<std::size_t> starts;  ///< 0: the given start; i + 1: start i of draw_starts
  /// Parameters that differ from the lowest minimum, the most significant first (differences in
  /// units of the errors at the lowest one; at least 0.1).
  std::vector<std::size_t> differing_parameters;
};

struct MinimaOptions {
  /// Further starts, from draw_starts(seed, spread): constrained parameters are drawn from
  /// Gaussians `spread` times as wide as their constraint terms.
  std::size_t n_starts = 20;
  std::uint64_t seed = 0;
  double spread = 2.0;
  /// Minima closer than this in -2 log L, and closer than `parameter_tolerance` errors in every
  /// parameter, are the same. Parameters without finite error are not compared.
  double height_tolerance = 1e-4;
  double parameter_tolerance = 0.05;
};

struct MinimaSummary {
  std::vector<DistinctMinimum> minima;  ///< lowest first
  std::size_t n_failed = 0;             ///< number of fits that found no minimum
  /// The minimum that the given start leads to: its position in `minima`, or minima.size() if that
  /// fit failed.
  std::size_t from_given_start = 0;
  /// False if the call was stopped: the minima are those found until then, some without errors.
  bool complete = true;
};

/// Sorts fits into distinct minima; `summaries[0]` is the fit from the given start. Needs errors.
NABLAFIT_API MinimaSummary distinguish_minima(const std::vector<MinimizeSummary>& summaries,
                                              const MinimaOptions& options = {});

/// Minimises from the given start and from further ones, in threads. Starts where the likelihood is
/// zero are repaired. The result does not depend on the number of threads.
NABLAFIT_API MinimaSummary find_minima(const Likelihood& likelihood,
                                       const MinimizeArguments& arguments = {},
                                       const MinimaOptions& options = {},
                                       const MinimizeOptions& minimize_options = {},
                                       const RunOptions& run = {});

}  // namespace nablafit

#endif  // NABLAFIT_FIND_MINIMA_HPP
