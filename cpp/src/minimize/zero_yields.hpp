/// \file
/// Minima where the expected yield of a bin without events is zero.
#ifndef NABLAFIT_SRC_MINIMIZE_ZERO_YIELDS_HPP
#define NABLAFIT_SRC_MINIMIZE_ZERO_YIELDS_HPP

#include <cstddef>
#include <vector>

#include "minimize/likelihood_objective.hpp"
#include "minimize/newton_solver.hpp"
#include "nablafit/minimize.hpp"

namespace nablafit::detail {

/// Points drawn from the ranges of the parameters, one after the other; fixed parameters are where
/// they start.
std::vector<double> draw_points(const Likelihood& likelihood, const BoxProblem& problem,
                                std::size_t n);

/// Looks for the minimum at the border of the domain. In a bin without events the deviance is the
/// yield itself: it ends at zero without growing. With a few events it would have a barrier there,
/// and Newton's method stays inside. So: fits with ever fewer events in the empty bins, each from
/// the end of the one before, with primal-dual steps; the last has 1e-10 of them, and its minimum
/// is that close in -log L. A minimum with all yields positive is fitted again without any.
///
/// `summary` has the outcome of a fit that met negative yields; it is replaced if the minimum found
/// here is a better one. Bins whose yield would fall further count as zero_yield_bins.
void approach_zero_yields(NewtonSolver& solver, LikelihoodObjective& objective,
                          const BoxProblem& problem, const MinimizeOptions& options,
                          MinimizeSummary& summary);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_MINIMIZE_ZERO_YIELDS_HPP
