/// \file
/// The global observables that a model's specification states.
#ifndef NABLAFIT_SRC_STORED_OBSERVABLES_HPP
#define NABLAFIT_SRC_STORED_OBSERVABLES_HPP

#include <optional>
#include <vector>

#include "nablafit/model.hpp"

namespace nablafit::detail {

/// One per entry of Model::constrained_parameters(), in that order.
inline std::vector<double> stored_observables(const Model& model) {
  std::vector<double> values;
  values.reserve(model.constrained_parameters().size());
  for (const std::size_t p : model.constrained_parameters()) {
    const std::optional<double> observed = observed_value(model.spec().parameters[p]);
    if (observed) values.push_back(*observed);
  }
  return values;
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_STORED_OBSERVABLES_HPP
