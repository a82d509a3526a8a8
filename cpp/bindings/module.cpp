/// \file
/// Table of contents of nablafit._core.
#include <pybind11/pybind11.h>

#include "bindings.hpp"
#include "nablafit/version.hpp"

namespace py = pybind11;

namespace {

/// What this extension was built from and with, for bug reports.
py::dict build_config() {
  const nablafit::BuildInfo info = nablafit::build_info();
  py::dict config;
  config["version"] = info.version;
  config["build_type"] = info.build_type;
  config["compiler"] = info.compiler;
  config["instruction_set"] = info.instruction_set;
  config["pybind11"] =
      PYBIND11_TOSTRING(PYBIND11_VERSION_MAJOR) "." PYBIND11_TOSTRING(PYBIND11_VERSION_MINOR);
  return config;
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "Compiled core of nablafit; use it through the package nablafit.";
  module.attr("__version__") = nablafit::version();
  module.def("build_config", &build_config,
             "How the extension was built, and the instruction set that it uses here.");
  nablafit::bindings::bind_errors(module);
  nablafit::bindings::bind_spec(module);
  nablafit::bindings::bind_io(module);
  nablafit::bindings::bind_hs3(module);
  nablafit::bindings::bind_model(module);
  nablafit::bindings::bind_likelihood(module);
  nablafit::bindings::bind_minimize(module);
  nablafit::bindings::bind_batch(module);
}
