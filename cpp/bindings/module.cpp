/// \file
/// Table of contents of nablafit._core.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>

#include "bindings.hpp"
#include "nablafit/build_info.hpp"
#include "nablafit/version.hpp"

namespace py = pybind11;

namespace {

using nablafit::BuildInfo;

/// What this extension was built from and with, for bug reports.
py::dict build_info() {
  const BuildInfo built = nablafit::build_info();
  py::dict info;
  info["version"] = built.version;
  info["build_type"] = built.build_type;
  info["compiler"] = built.compiler;
  info["pybind11"] =
      PYBIND11_TOSTRING(PYBIND11_VERSION_MAJOR) "." PYBIND11_TOSTRING(PYBIND11_VERSION_MINOR);
  info["backends"] = py::tuple(py::cast(built.backends));
  info["derivatives"] = built.derivatives;
  info["codipack"] = built.codipack;
  info["instruction_sets"] = py::tuple(py::cast(built.instruction_sets));
  info["instruction_set"] = built.instruction_set;
  return info;
}

py::object refuse_pickle(const py::object& self) {
  throw py::type_error("cannot pickle a " + std::string(py::str(py::type::of(self))) + " object");
}

/// Without this, protocols 0 and 1 make an object of pybind11's base class, which ends the process.
void refuse_default_pickles(const py::object& type) {
  const py::handle standard(reinterpret_cast<PyObject*>(&PyBaseObject_Type));
  if (!type.attr("__reduce__").is(standard.attr("__reduce__"))) return;
  type.attr("__reduce__") =
      py::cpp_function(&refuse_pickle, py::is_method(type), py::name("__reduce__"));
}

/// pybind11 gives an object whose __init__ was not called memory that nothing has set.
void refuse_uninitialised(const py::module_& module) {
  for (const auto& [name, value] : py::dict(module.attr("__dict__"))) {
    if (PyType_Check(value.ptr()) == 0) continue;
    auto* type = reinterpret_cast<PyTypeObject*>(value.ptr());
    py::detail::type_info* info = py::detail::get_type_info(type);
    if (info == nullptr) continue;
    refuse_default_pickles(py::reinterpret_borrow<py::object>(value));
    info->operator_new = [](std::size_t) -> void* {
      throw py::type_error("the object is not initialised; make it by calling its class");
    };
  }
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "Compiled core of nablafit; use it through the package nablafit.";
  module.attr("__version__") = nablafit::version();
  module.def("build_info", &build_info,
             "Version, build type, compiler, derivative backends and instruction sets.");
  nablafit::bindings::bind_errors(module);
  nablafit::bindings::bind_spec(module);
  nablafit::bindings::bind_io(module);
  nablafit::bindings::bind_hs3(module);
  nablafit::bindings::bind_export(module);
  nablafit::bindings::bind_model(module);
  nablafit::bindings::bind_likelihood(module);
  nablafit::bindings::bind_minimize(module);
  nablafit::bindings::bind_batch(module);
  nablafit::bindings::bind_profile(module);
  nablafit::bindings::bind_diff(module);
  nablafit::bindings::bind_relax(module);
  refuse_uninitialised(module);
  refuse_uninitialised(py::module_::import("nablafit._diff"));
}
