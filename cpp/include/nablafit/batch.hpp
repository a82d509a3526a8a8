/// \file
/// Many fits of one Model: toys, scan points, ranking fits, further starts.
#ifndef NABLAFIT_BATCH_HPP
#define NABLAFIT_BATCH_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "nablafit/export.hpp"
#include "nablafit/minimize.hpp"
#include "nablafit/model.hpp"
#include "nablafit/span.hpp"

namespace nablafit {

/// Threads and interruption of a call that processes many items.
struct RunOptions {
  /// 0: the environment variable NABLAFIT_NUM_THREADS, else the processors this process may run on.
  /// Calls from within a thread of another such call use only that thread. Results do not depend on
  /// the number of threads.
  std::size_t n_threads = 0;
  /// Called from the calling thread about every 25 ms, and once at the end, with the number of
  /// finished items; returning false stops the call, fits under way included (interruption.hpp).
  /// Exceptions that it throws propagate to the caller.
  std::function<bool(std::size_t n_done)> poll;
};

/// A row-major matrix owned by the caller, with one row for every fit or one row for all of them;
/// without rows: the default that the member states.
template <typename T>
struct Rows {
  const T* values = nullptr;
  std::size_t n_rows = 0;

  /// Row of fit `i`, null without rows.
  const T* row(std::size_t i, std::size_t row_length) const noexcept {
    return n_rows == 0 ? nullptr : values + (n_rows == 1 ? 0 : i) * row_length;
  }
};

/// The rows of a matrix in contiguous memory, which must stay valid while they are in use.
/// Throws ArgumentError unless the number of values is a multiple of `row_length`.
NABLAFIT_API Rows<double> make_rows(Span<const double> values, std::size_t row_length);

/// What to fit; row lengths in brackets.
struct FitManyArguments {
  std::size_t n_fits = 0;
  Rows<double> counts;              ///< [n_bins]; required
  Rows<double> global_observables;  ///< [n_constrained]; default: those stored with the model
  Rows<double> starts;              ///< [n_parameters]; default: the initial values
  Rows<char> fixed;                 ///< [n_parameters]; default: those of the model
  Rows<double> lower;               ///< [n_parameters]; default: those of the model
  Rows<double> upper;               ///< [n_parameters]; default: those of the model
};

/// A parameter that changes the expected events alike on both sides of a centre, so that there may
/// be a minimum on either.
struct TwoSided {
  std::size_t parameter;
  double center;
  double width;  ///< > 0: a typical change
  /// Per bin, how many more events a change by the width makes on average over both sides: where
  /// the data of a fit do not ask for that, nothing is tried. Empty: unknown.
  std::vector<double> even;
};

/// Where fits start besides their own start; the lowest minimum counts.
struct FurtherStarts {
  /// Random starts of every fit, see draw_starts. They depend on the seed and on the data of the
  /// fit alone.
  std::size_t n_random = 0;
  std::uint64_t seed = 0;
  double spread = 1.0;
  /// Upper limit on further starts where none of these leads to a minimum; the initial values
  /// first.
  std::size_t n_retries = 8;
  /// Parameters that are tried on their other sides, where the likelihood is not much lower there.
  std::vector<TwoSided> sides;
  /// Try as well, where they promise a minimum, the other sides of floors of yields and points
  /// where samples have grown by large factors.
  bool look_around = false;
};

struct FitManyOptions {
  /// `covariance` full is treated as errors; `diagnostics` only costs time.
  MinimizeOptions minimize = without_diagnostics();
  /// Parameters whose values and errors to keep, in this order; empty: all.
  std::vector<std::size_t> kept_parameters;
  FurtherStarts elsewhere;

  static MinimizeOptions without_diagnostics() {
    MinimizeOptions options;
    options.diagnostics = false;
    return options;
  }
};

/// Outcome of one of many fits: the values of MinimizeStatus, and two more.
enum class FitStatus : std::int8_t {
  converged,
  converged_at_kink,
  converged_at_zero_yield,
  iteration_limit,
  stalled,
  saddle_point,
  unbounded,
  infeasible_start,
  invalid_input,  ///< counts, global observables, starts or bounds outside their domain, or NaN
  not_fitted,     ///< the call was stopped before this fit
};

inline constexpr std::size_t n_fit_statuses = 10;

NABLAFIT_API std::string_view to_string(FitStatus status) noexcept;
NABLAFIT_API bool is_minimum(FitStatus status) noexcept;

/// Results, fit by fit in the order of the input. Numbers of fits that were not done, or failed to
/// start, are NaN.
struct FitManyResult {
  std::size_t n_fits = 0;
  std::size_t n_kept = 0;        ///< parameters per fit
  bool complete = true;          ///< false if the call was stopped
  std::vector<double> x;         ///< [fit * n_kept + i]: value of kept_parameters[i]
  std::vector<double> errors;    ///< same shape; empty with CovarianceKind::none
  std::vector<double> value;     ///< at the minimum: -log L(x) - constant
  std::vector<double> constant;  ///< -log of the saturated likelihood of the fit's data
  std::vector<double> edm;
  std::vector<FitStatus> status;
  std::vector<std::int32_t> iterations;   ///< from all starts
  std::vector<std::int32_t> n_gradients;  ///< likewise
  std::vector<std::int32_t> n_starts;     ///< that were tried
  /// By how much the lowest minimum is below that from the fit's own start, in -log L: 0 if it is
  /// the same, infinite if the own start led to none, or nothing did.
  std::vector<double> lowered;
  /// Largest difference between the minima that were found, in -log L; 0 if there is one.
  std::vector<double> apart;
};

/// Fits one model many times. Fits are independent, so results are bitwise identical for any number
/// of threads and any order. A fit that fails is tried from further starts; if all of them fail it
/// has the status of the first, and does not affect the others. Throws
/// ArgumentError for numbers of rows that are neither 0, 1 nor n_fits and for kept parameters that
/// do not exist.
NABLAFIT_API FitManyResult fit_many(const Model& model, const FitManyArguments& arguments,
                                    const FitManyOptions& options = {}, const RunOptions& run = {});

/// Draws `n` start points, row-major in n_parameters columns, start `i` from the random stream of
/// (seed, i): constrained parameters from a Gaussian `spread` times as wide as their constraint
/// term, centred on the global observables of `data`; others uniformly from their range if that is
/// finite, else from a Gaussian around their initial value. All within the bounds; fixed parameters
/// keep their initial value.
NABLAFIT_API std::vector<double> draw_starts(const Model& model, const Data& data, std::size_t n,
                                             std::uint64_t seed, double spread = 1.0);

}  // namespace nablafit

#endif  // NABLAFIT_BATCH_HPP
