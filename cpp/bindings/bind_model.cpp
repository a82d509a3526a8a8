/// \file
/// The compiled model.
#include <pybind11/stl.h>

#include <memory>
#include <utility>

#include "arrays.hpp"
#include "bindings.hpp"
#include "matrices.hpp"
#include "nablafit/digest.hpp"
#include "nablafit/model.hpp"
#include "python_poll.hpp"

namespace nablafit::bindings {
namespace {

template <class T>
py::tuple to_tuple(const std::vector<T>& values) {
  return py::tuple(py::cast(values));
}

py::tuple fixed_flags(const Model& model) {
  const std::vector<char>& fixed = model.fixed();
  py::tuple flags(fixed.size());
  for (std::size_t i = 0; i < fixed.size(); ++i) flags[i] = py::bool_(fixed[i] != 0);
  return flags;
}

/// Calls a member function of the model that takes a parameter vector.
template <void (Model::*function)(const double*, double*) const>
py::object evaluate(const Model& model, py::handle x, std::size_t size) {
  const double* parameters = require_vector(x, model.n_parameters(), "x");
  py::object result = new_vector(size);
  double* values = data_of(result);
  const py::gil_scoped_release release;
  (model.*function)(parameters, values);
  return result;
}

/// The two vectors of Data as a tuple: the façade defines the Python class of that name.
py::tuple arrays_of(Data data) {
  return py::make_tuple(own(std::move(data.counts)), own(std::move(data.global_observables)));
}

py::tuple data_arrays(const Model& model, const Observations& observations) {
  return arrays_of(model.data(observations));
}

py::tuple asimov_arrays(const Model& model, py::handle x) {
  const double* parameters = require_vector(x, model.n_parameters(), "x");
  return arrays_of(model.asimov({parameters, model.n_parameters()}));
}

std::vector<double> copy_of(const py::handle& vector, const char* name) {
  const std::size_t size = py::isinstance<py::array>(vector) ? py::len(vector) : 0;
  const double* values = require_vector(vector, size, name);
  return {values, values + size};
}

/// Offsets, parameters and derivatives: the arrays of scipy.sparse.csr_array.
py::tuple jacobian_arrays(const Model& model, py::handle x) {
  const double* parameters = require_vector(x, model.n_parameters(), "x");
  YieldJacobian jacobian;
  jacobian = interruptible([&] { return model.jacobian_by_sample(parameters); });
  return py::make_tuple(own(std::move(jacobian.offsets)), own(std::move(jacobian.parameters)),
                        own(std::move(jacobian.derivatives)));
}

void define_sizes(py::class_<Model>& type) {
  type.def_property_readonly("n_parameters", &Model::n_parameters)
      .def_property_readonly("n_bins", &Model::n_bins)
      .def_property_readonly("n_rows", &Model::n_rows, "Bins counted once per sample.")
      .def_property_readonly("parameter_names",
                             [](const Model& self) { return to_tuple(self.parameter_names()); })
      .def("parameter_index", &Model::parameter_index, py::arg("name"),
           "Index of a parameter; raises ArgumentError for an unknown one.")
      .def_property_readonly("fixed", &fixed_flags)
      .def_property_readonly(
          "constrained_parameters",
          [](const Model& self) { return to_tuple(self.constrained_parameters()); },
          "Indices of the parameters with a constraint term, ascending.")
      .def_property_readonly("channel_offsets",
                             [](const Model& self) { return to_tuple(self.channel_offsets()); })
      .def_property_readonly("warnings",
                             [](const Model& self) { return to_tuple(self.warnings()); });
}

template <const std::vector<double>& (Model::*function)() const noexcept>
py::object view(const py::object& self) {
  return read_only_view((self.cast<const Model&>().*function)(), self);
}

}  // namespace

void bind_model(py::module_& module) {
  py::class_<Model> type(module, "Model", "A ModelSpec compiled for evaluation; immutable.");
  type.def(py::init([](ModelSpec spec) {
             return interruptible([&] { return std::make_unique<Model>(std::move(spec)); });
           }),
           py::arg("spec"));
  define_sizes(type);
  type.def_property_readonly("spec", &Model::spec, py::return_value_policy::reference_internal)
      .def_property_readonly("initial", &view<&Model::initial>)
      .def_property_readonly("lower", &view<&Model::lower>)
      .def_property_readonly("upper", &view<&Model::upper>)
      .def("data", &data_arrays, py::arg("observations"),
           "Counts and global observables in the order of the model.")
      .def(
          "digest", [](const Model& self) { return digest(self.spec()); },
          py::call_guard<py::gil_scoped_release>(), "Digest of the specification.")
      .def(
          "expected",
          [](const Model& self, py::handle x) {
            return evaluate<&Model::expected>(self, x, self.n_bins());
          },
          py::arg("x"), "Expected events per bin, shape (n_bins,).")
      .def(
          "expected_by_sample",
          [](const Model& self, py::handle x) {
            return evaluate<&Model::expected_by_sample>(self, x, self.n_rows());
          },
          py::arg("x"), "Expected events per row, shape (n_rows,).")
      .def("jacobian_by_sample", &jacobian_arrays, py::arg("x"),
           "Derivatives of the expected events per row in compressed sparse rows: offsets, "
           "parameters, derivatives.")
      .def(
          "expected_global_observables",
          [](const Model& self, py::handle x) {
            return evaluate<&Model::expected_global_observables>(
                self, x, self.constrained_parameters().size());
          },
          py::arg("x"), "Mean of every constraint's density, shape (n_constrained,).")
      .def("asimov", &asimov_arrays, py::arg("x"),
           "Asimov counts and global observables for these parameters.");
  module.def(
      "digest_data",
      [](const py::handle& counts, const py::handle& global_observables) {
        return digest(
            Data{copy_of(counts, "counts"), copy_of(global_observables, "global_observables")});
      },
      py::arg("counts"), py::arg("global_observables"), "Digest of the data of a model.");
}

}  // namespace nablafit::bindings
