/// \file
/// Minima where smooth pieces of a function meet: where a yield or factor reaches its floor.
#ifndef NABLAFIT_SRC_MINIMIZE_NEWTON_PIECES_HPP
#define NABLAFIT_SRC_MINIMIZE_NEWTON_PIECES_HPP

#include "minimize/newton_iterate.hpp"

namespace nablafit::detail {

/// From a point where no step leads down: minimises the largest of the pieces around it, each known
/// by value and gradient at one point and by the Hessian, which they share (bundle method, J.
/// Bonnans et al., Numerical Optimization, 2nd edition, chapter 10; here with second derivatives).
/// Every point that it comes to adds a piece, until the best combination of gradients is zero.
///
/// True if that is so to the tolerances. Then the gradient of the iterate is that combination, and
/// its Hessian the same combination of those of the pieces. The value never rises.
bool descend_between_pieces(Iterate& here);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_MINIMIZE_NEWTON_PIECES_HPP
