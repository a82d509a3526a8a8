/// \file
/// Histograms and cuts that are differentiable with respect to events, weights, edges, thresholds
/// and widths.
///
/// A kernel density K, even and normalised, smooths the step at an edge: an event at x is below an
/// edge e with probability C((e - x)/s), C the cumulative distribution of K and s the bandwidth.
/// With s = 0 everything is the ordinary histogram or cut. All functions may be called from any
/// number of threads; results do not depend on their number. All throw ArgumentError, with the
/// argument as location, for wrong lengths, numbers that are not finite, edges that do not increase
/// and negative bandwidths.
#ifndef NABLAFIT_RELAX_HPP
#define NABLAFIT_RELAX_HPP

#include <cstddef>
#include <vector>

#include "nablafit/export.hpp"
#include "nablafit/span.hpp"

namespace nablafit {

enum class SmoothingKernel {
  gaussian,  ///< normal density with standard deviation s
  logistic,  ///< logistic density with scale s, standard deviation s pi/sqrt(3)
};

/// What happens to the part of an event outside the outer edges.
enum class OutsideBins {
  separate,  ///< separate bins: underflow first, overflow last
  fold,      ///< added to the first and last bin
  drop,      ///< left out
};

/// Events that are filled into one or many histograms with the same edges; all views.
struct HistogramInputs {
  /// One per event, or one row per histogram: index histogram * n_events + event.
  Span<const double> values;
  /// Index histogram * n_events + event; as many rows as histograms.
  Span<const double> weights;
  /// At least two, increasing; in units of the values.
  Span<const double> edges;
  /// One, or one per event; in units of the values, not negative.
  Span<const double> bandwidths;
  std::size_t n_histograms = 1;
};

struct HistogramOptions {
  SmoothingKernel kernel = SmoothingKernel::gaussian;
  OutsideBins outside = OutsideBins::separate;
  std::size_t n_threads = 0;  ///< 0: as many as the process may use
};

/// Derivatives with respect to HistogramInputs, or directions: same layout and length; an empty
/// direction is zero.
struct HistogramGradients {
  std::vector<double> values;
  std::vector<double> weights;
  std::vector<double> edges;
  std::vector<double> bandwidths;
};
struct HistogramDirections {
  Span<const double> values;
  Span<const double> weights;
  Span<const double> edges;
  Span<const double> bandwidths;
};

/// Bins of one histogram: n_edges + 1 with separate outside bins, else n_edges - 1.
NABLAFIT_API std::size_t n_histogram_bins(std::size_t n_edges, OutsideBins outside);

/// Sums of weights, index histogram * n_bins + bin. Every event adds its weight, spread over bins:
/// w [C((e_hi - x)/s) - C((e_lo - x)/s)]. Parts below 1e-17 of a weight are left out. With s = 0 a
/// bin has its lower edge, and the last bin both, as in NumPy.
NABLAFIT_API std::vector<double> soft_histogram(const HistogramInputs& inputs,
                                                const HistogramOptions& options = {});

/// Derivatives of sum(cotangents * soft_histogram(inputs)). Those with respect to values, edges and
/// bandwidth are 0 for events with s = 0.
NABLAFIT_API HistogramGradients soft_histogram_vjp(const HistogramInputs& inputs,
                                                   Span<const double> cotangents,
                                                   const HistogramOptions& options = {});

/// Derivative of soft_histogram along `directions`, in its layout.
NABLAFIT_API std::vector<double> soft_histogram_jvp(const HistogramInputs& inputs,
                                                    const HistogramDirections& directions,
                                                    const HistogramOptions& options = {});

/// A smoothed step and its slope.
struct SmoothStep {
  std::vector<double> values;  ///< C(d/s) in [0, 1]; with s = 0: 1 for d >= 0, else 0
  /// K(d/s)/s, the derivative with respect to d; that with respect to s is -slope d/s; 0 if s = 0
  std::vector<double> slopes;
};

/// The step at distances d from its edge, with one width s or one per distance. Values within
/// 1e-17 of 0 or 1 are 0 or 1.
NABLAFIT_API SmoothStep smooth_step(Span<const double> distances, Span<const double> widths,
                                    SmoothingKernel kernel = SmoothingKernel::logistic,
                                    std::size_t n_threads = 0);

}  // namespace nablafit

#endif  // NABLAFIT_RELAX_HPP
