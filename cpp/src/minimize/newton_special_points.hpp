/// \file
/// Points where Newton's method needs help: outside the domain, on kinks, and at saddle points.
#ifndef NABLAFIT_SRC_MINIMIZE_NEWTON_SPECIAL_POINTS_HPP
#define NABLAFIT_SRC_MINIMIZE_NEWTON_SPECIAL_POINTS_HPP

#include <vector>

#include "minimize/newton_iterate.hpp"

namespace nablafit::detail {

/// Evaluates the start, and moves it into the domain: along the gradient that points out of the
/// forbidden region, then towards the nominal point, then from there again along the gradient.
/// False if there is no likelihood on the way; then the point is the start again.
bool make_feasible(Iterate& here);

/// At kinks, decides by one-sided derivatives where to go. From then on every parameter is on one
/// side of its kink, where the box ends, and what is held at a kink has that state.
void settle_kinks(Iterate& here);
/// At the end: puts parameters next to a kink onto it.
void snap_to_kinks(Iterate& here);
/// Frees parameters held at a kink for the covariance, with the mean of the Hessians of both sides;
/// where the domain ends at the kink, with that of the side that is left. False if there are none.
bool average_kink_hessians(Iterate& here);

/// At a stationary point: looks for a lower value on both sides along a direction of negative
/// curvature, then with what sits on a bound turned inwards. Takes over the first that it finds.
bool leave_saddle(Iterate& here, std::vector<double> direction);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_MINIMIZE_NEWTON_SPECIAL_POINTS_HPP
