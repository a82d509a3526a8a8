/// \file
/// The topics of the extension module, one source each.
#ifndef NABLAFIT_BINDINGS_BINDINGS_HPP
#define NABLAFIT_BINDINGS_BINDINGS_HPP

#include <pybind11/pybind11.h>

namespace nablafit::bindings {

namespace py = pybind11;

void bind_diff(py::module_& core);
void bind_errors(py::module_& module);
void bind_spec(py::module_& module);
void bind_model(py::module_& module);
void bind_likelihood(py::module_& module);
void bind_minimize(py::module_& module);
void bind_batch(py::module_& module);
void bind_profile(py::module_& module);
void bind_relax(py::module_& module);
void bind_io(py::module_& module);
void bind_hs3(py::module_& module);
void bind_export(py::module_& module);

}  // namespace nablafit::bindings

#endif  // NABLAFIT_BINDINGS_BINDINGS_HPP
