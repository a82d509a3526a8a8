/// \file
/// Table of contents of nablafit._core.
#include <pybind11/pybind11.h>

#include "bindings.hpp"
#include "nablafit/version.hpp"

namespace py = pybind11;

namespace {

/// What this extension was built from and with, for bug reports.
py::dict build_config() {
  py::dict config;
  config["version"] = nablafit::version();
  config["build_type"] = NABLAFIT_BUILD_TYPE;
  config["compiler"] = NABLAFIT_COMPILER;
  config["pybind11"] =
      PYBIND11_TOSTRING(PYBIND11_VERSION_MAJOR) "." PYBIND11_TOSTRING(PYBIND11_VERSION_MINOR);
  return config;
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "Compiled core of nablafit; use it through the package nablafit.";
  module.attr("__version__") = nablafit::version();
  module.def("build_config", &build_config, "Version, build type and compiler of the extension.");
  nablafit::bindings::bind_errors(module);
  nablafit::bindings::bind_spec(module);
  nablafit::bindings::bind_io(module);
  nablafit::bindings::bind_hs3(module);
  nablafit::bindings::bind_model(module);
  nablafit::bindings::bind_likelihood(module);
  nablafit::bindings::bind_minimize(module);
  nablafit::bindings::bind_batch(module);
  nablafit::bindings::bind_profile(module);
  nablafit::bindings::bind_relax(module);
}
