/// \file
/// The members of the minimiser's options, in the order of minimize.hpp.
#ifndef NABLAFIT_BINDINGS_MINIMIZE_FIELDS_HPP
#define NABLAFIT_BINDINGS_MINIMIZE_FIELDS_HPP

#include <tuple>

#include "fields.hpp"
#include "nablafit/minimize.hpp"

namespace nablafit::bindings {

template <>
struct Fields<MinimizeOptions> {
  static constexpr auto list =
      std::make_tuple(optional("max_iterations", &MinimizeOptions::max_iterations),
                      optional("edm_tolerance", &MinimizeOptions::edm_tolerance),
                      optional("gradient_tolerance", &MinimizeOptions::gradient_tolerance),
                      optional("covariance", &MinimizeOptions::covariance),
                      optional("diagnostics", &MinimizeOptions::diagnostics),
                      optional("weak_curvature", &MinimizeOptions::weak_curvature));
};

}  // namespace nablafit::bindings

#endif  // NABLAFIT_BINDINGS_MINIMIZE_FIELDS_HPP
