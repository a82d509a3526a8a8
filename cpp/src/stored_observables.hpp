/// \file
/// The global observables that are stored with a model.
#ifndef NABLAFIT_SRC_STORED_OBSERVABLES_HPP
#define NABLAFIT_SRC_STORED_OBSERVABLES_HPP

#include <vector>

#include "compiled_likelihood.hpp"
#include "compiled_model.hpp"
#include "nablafit/model.hpp"

namespace nablafit::detail {

/// One per entry of Model::constrained_parameters(), in that order.
inline std::vector<double> stored_observables(const Model& model) {
  std::vector<double> values;
  values.reserve(model.constrained_parameters().size());
  for (const std::size_t p : model.constrained_parameters()) {
    values.push_back(stored_observable(model.compiled().constraints[p]));
  }
  return values;
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_STORED_OBSERVABLES_HPP
