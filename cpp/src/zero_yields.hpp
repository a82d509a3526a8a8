/// \file
/// Minima where the expected yield of a bin without events is zero.
#ifndef NABLAFIT_SRC_ZERO_YIELDS_HPP
#define NABLAFIT_SRC_ZERO_YIELDS_HPP

#include "nablafit/minimize.hpp"
#include "newton_solver.hpp"

namespace nablafit::detail {

/// Looks for the minimum at the border of the domain. In a bin without events the deviance is the
/// yield itself: it ends at zero without growing. With a few events it would have a barrier there,
/// and Newton's method stays inside. So: fits with ever fewer events in the empty bins, each from
/// the end of the one before; the last has 1e-10 of them, and its minimum is that close in -log L.
///
/// `summary` has the outcome of a fit that met negative yields; it is replaced if the minimum found
/// here is a better one. Bins whose yield would fall further count as zero_yield_bins.
void approach_zero_yields(NewtonSolver& solver, const Likelihood& likelihood,
                          const BoxProblem& problem, const MinimizeOptions& options,
                          MinimizeSummary& summary);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_ZERO_YIELDS_HPP
