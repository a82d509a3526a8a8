/// \file
/// Readers.
#include <pybind11/stl.h>

#include <string_view>

#include "bindings.hpp"
#include "fields.hpp"
#include "nablafit/io/pyhf.hpp"
#include "python_poll.hpp"

namespace nablafit::bindings {

void bind_io(py::module_& module) {
  using io::PyhfWorkspace;
  py::class_<PyhfWorkspace>(module, "PyhfWorkspace", "A parsed and checked pyhf JSON workspace.")
      .def_static(
          "parse",
          [](const py::bytes& text, const std::string& source) {
            const auto view = static_cast<std::string_view>(text);
            return interruptible(
                [&] { return PyhfWorkspace::parse(view, source, io::BadData::report); });
          },
          py::arg("text"), py::arg("source") = "workspace",
          "Parses UTF-8 JSON; raises WorkspaceError with `source` and a JSON pointer if the model "
          "is wrong.")
      .def_property_readonly(
          "measurement_names",
          [](const PyhfWorkspace& self) { return py::tuple(py::cast(self.measurement_names())); },
          "Names of the measurements, in the order of the file.")
      .def("parameter_of_interest", &PyhfWorkspace::parameter_of_interest, py::arg("measurement"),
           "Parameter of interest of a measurement, empty if it names none.")
      .def(
          "model_spec",
          [](const PyhfWorkspace& self, const std::string& measurement,
             const std::optional<std::string>& poi, Interpolation normsys, Interpolation histosys,
             bool clip_sample_data, const std::optional<double>& clip_bin_data) {
            return interruptible([&] {
              return self.model_spec(measurement, poi,
                                     {normsys, histosys, clip_sample_data, clip_bin_data});
            });
          },
          py::arg("measurement") = "", py::arg("poi") = py::none(), py::kw_only(),
          py::arg("normsys") = Interpolation::polynomial_exponential,
          py::arg("histosys") = Interpolation::polynomial_linear,
          py::arg("clip_sample_data") = false, py::arg("clip_bin_data") = py::none(),
          "The model of one measurement; an empty name means the first.")
      .def_property_readonly(
          "observations", [](const PyhfWorkspace& self) { return self.observations(); },
          "The observed counts; raises WorkspaceError if they are wrong.")
      .def_property_readonly(
          "notes", [](const PyhfWorkspace& self) { return py::tuple(py::cast(self.notes())); },
          "What was ignored or changed while reading.");
}

}  // namespace nablafit::bindings
