/// \file
/// Where the profile likelihood has fallen by a given amount: MINOS errors and contours.
///
/// Method: root finding over constrained fits. With some parameters held at their best fit plus t
/// times a direction and all others minimised, s(t) = sqrt(2 [value(t) - value(0)]) is nearly
/// linear in t, and its slope is exact: ds/dt = (gradient of the held parameters) . direction / s.
/// Newton's method, safeguarded by the bracket and by bisection, solves s(t) = sqrt(rise) in two or
/// three fits, each started from the point predicted from the covariance and the previous fit, and
/// from the ray's own starts. If values and slopes show that the profile may have fallen below the
/// minimum in between, or crossed earlier, further fits look there.
#ifndef NABLAFIT_PROFILE_HPP
#define NABLAFIT_PROFILE_HPP

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "nablafit/batch.hpp"
#include "nablafit/export.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/minimize.hpp"

namespace nablafit {

/// A search outwards from a minimum along some parameters.
struct ProfileRay {
  std::vector<std::size_t> parameters;  ///< those that are held: distinct, not fixed
  std::vector<double> direction;        ///< change of each per unit of distance; not all zero
  double rise = 1.0;                    ///< of -2 log L, > 0
  /// Where further fits start at every distance, vectors of n_parameters; the lowest minimum is
  /// used.
  std::vector<std::vector<double>> starts{};
};

/// The minimum that rays start from.
struct ProfileOrigin {
  std::vector<double> x;  ///< [n_parameters]
  /// Row-major, n_parameters squared, as in MinimizeSummary: predicts where to look. May be empty.
  std::vector<double> covariance;
  /// Bounds of the minimisation; `start` is not used. `fixed` parameters stay at their value in
  /// `x`.
  MinimizeArguments box;
};

enum class CrossingStatus : std::int8_t {
  found,
  at_bound,  ///< a held parameter reaches its bound first
  /// The likelihood is zero beyond (a yield would be negative, say), or jumps over the rise.
  at_edge,
  unlimited,    ///< -2 log L does not rise enough at any distance
  new_minimum,  ///< the ray found a value below the origin's
  failed,       ///< constrained fits found no minimum
  not_done,     ///< the call was stopped before this ray
};

inline constexpr std::size_t n_crossing_statuses = 7;

NABLAFIT_API std::string_view to_string(CrossingStatus status) noexcept;

/// End of one ray.
struct Crossing {
  CrossingStatus status = CrossingStatus::not_done;
  /// In units of the direction: of the crossing, the bound or the edge; infinite if unlimited, NaN
  /// otherwise.
  double distance = std::numeric_limits<double>::quiet_NaN();
  /// Rise of -2 log L at the last fit, which is at `distance` or (found) next to it.
  double rise = std::numeric_limits<double>::quiet_NaN();
  int n_fits = 0;
  int n_gradients = 0;
  /// Status of the last fit: the reason for `failed`.
  MinimizeStatus fit_status = MinimizeStatus::converged;
  /// new_minimum: the free minimum to which the point leads; otherwise empty.
  std::vector<double> x;
};

struct ProfileOptions {
  /// For the constrained fits; `covariance` and `diagnostics` only cost time.
  MinimizeOptions minimize = FitManyOptions::without_diagnostics();
  /// The search ends where the relative difference of s and the root of the rise is below this. One
  /// more Newton step, without a fit, reduces the error of the distance to about its square.
  double tolerance = 1e-3;
  /// A value of -2 log L below the origin's by more than this is a new minimum.
  double new_minimum = 1e-5;
  int max_fits = 100;  ///< from each start
};

struct ProfileCrossings {
  std::vector<Crossing> crossings;  ///< one per ray
  bool complete = true;             ///< false if the call was stopped
};

/// Follows many rays, in threads. Rays are independent: results are bitwise identical for any
/// number of threads. Throws ArgumentError for vectors of the wrong length, parameters that do not
/// exist, are fixed or are repeated in one ray, directions that are zero or not finite, and rises
/// that are not positive; numerical outcomes are statuses.
NABLAFIT_API ProfileCrossings profile_crossings(const Likelihood& likelihood,
                                                const ProfileOrigin& origin,
                                                const std::vector<ProfileRay>& rays,
                                                const ProfileOptions& options = {},
                                                const RunOptions& run = {});

/// Two rays per parameter, down and up, whose distances are the lower and upper errors as MINOS
/// defines them.
NABLAFIT_API std::vector<ProfileRay> error_rays(const std::vector<std::size_t>& parameters,
                                                double rise = 1.0);

}  // namespace nablafit

#endif  // NABLAFIT_PROFILE_HPP
