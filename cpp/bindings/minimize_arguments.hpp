/// \file
/// Arrays that say where to minimise.
#ifndef NABLAFIT_BINDINGS_MINIMIZE_ARGUMENTS_HPP
#define NABLAFIT_BINDINGS_MINIMIZE_ARGUMENTS_HPP

#include <vector>

#include "arrays.hpp"
#include "nablafit/minimize.hpp"

namespace nablafit::bindings {

/// Copies four exact arrays with one value per parameter.
inline MinimizeArguments arguments_of(const Model& model, const py::handle& start,
                                      const py::handle& lower, const py::handle& upper,
                                      const py::handle& fixed) {
  const std::size_t n = model.n_parameters();
  const auto copy = [n](const py::handle& values, const char* name) {
    const double* data = require_vector(values, n, name);
    return std::vector<double>(data, data + n);
  };
  const bool* flags = require_flags(fixed, n, "fixed");
  return {copy(start, "start"), copy(lower, "lower"), copy(upper, "upper"),
          std::vector<char>(flags, flags + n)};
}

}  // namespace nablafit::bindings

#endif  // NABLAFIT_BINDINGS_MINIMIZE_ARGUMENTS_HPP
