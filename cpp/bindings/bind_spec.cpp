/// \file
/// Specification types as immutable Python classes.
#include "bindings.hpp"
#include "nablafit/spec.hpp"
#include "spec_fields.hpp"

namespace nablafit::bindings {
namespace {

void bind_interpolation(py::module_& module) {
  py::native_enum<Interpolation>(
      module, "Interpolation", "enum.IntEnum",
      "Interpolation between low, nominal and high, with HistFactory's numbers.")
      .value("piecewise_linear", Interpolation::piecewise_linear)
      .value("piecewise_exponential", Interpolation::piecewise_exponential)
      .value("quadratic_linear", Interpolation::quadratic_linear)
      .value("polynomial_linear", Interpolation::polynomial_linear)
      .value("polynomial_exponential", Interpolation::polynomial_exponential)
      .value("polynomial_linear_multiplicative", Interpolation::polynomial_linear_multiplicative)
      .finalize();
  module.def("is_additive", &is_additive, py::arg("code"),
             "True for codes 0, 2 and 4, which change yields; the others give factors.");
}

template <class T>
void bind_modifier(py::module_& module, const char* name, const char* doc) {
  bind_struct<T>(module, name, doc)
      .def_property_readonly(
          "type", [](const T& self) { return std::string(type_name(self)); }, "Name of the type.");
}

void bind_modifiers(py::module_& module) {
  bind_modifier<NormFactor>(module, "NormFactor", "Multiplies every bin by the parameter.");
  bind_modifier<Lumi>(module, "Lumi", "Multiplies every bin by the luminosity parameter.");
  bind_modifier<NormSys>(module, "NormSys",
                         "Multiplies every bin by a factor: low, 1, high at -1, 0, +1.");
  bind_modifier<HistoSys>(module, "HistoSys",
                          "Varies the histogram: events per bin at -1 and +1, absolute.");
  bind_modifier<StatError>(module, "StatError",
                           "Multiplies bin b by parameters[b], shared between samples.");
  bind_modifier<ShapeSys>(module, "ShapeSys", "Multiplies bin b by parameters[b], one sample.");
  bind_modifier<ShapeFactor>(module, "ShapeFactor",
                             "Multiplies bin b by the unconstrained parameters[b].");
  bind_struct<BinVariable>(module, "BinVariable",
                           "Numbers used in an expression: one per bin, or per node of a bin.");
  bind_modifier<FormulaFactor>(module, "FormulaFactor",
                               "Multiplies bins by an expression in the named parameters, and in "
                               "numbers per bin if it has variables.");
}

void bind_parameters(py::module_& module) {
  bind_struct<Range>(module, "Range", "A closed interval.");
  bind_struct<Unconstrained>(module, "Unconstrained", "No constraint term.");
  bind_struct<GaussianConstraint>(module, "GaussianConstraint", "N(observed | parameter, sigma).");
  bind_struct<PoissonConstraint>(module, "PoissonConstraint", "Pois(observed | tau * parameter).");
  bind_struct<LogNormalConstraint>(module, "LogNormalConstraint",
                                   "LogNormal(observed | median parameter, sigma log(kappa)).");
  bind_struct<GammaConstraint>(module, "GammaConstraint",
                               "Gamma(parameter; shape observed + 1, scale).");
  bind_struct<UniformConstraint>(module, "UniformConstraint", "Flat over the parameter's range.");
  bind_struct<IdentityTransformation>(module, "IdentityTransformation",
                                      "The argument of interpolations is the parameter.");
  bind_struct<GammaTransformation>(module, "GammaTransformation",
                                   "The argument of interpolations is (parameter - 1) / relative.");
  bind_struct<LogNormalTransformation>(
      module, "LogNormalTransformation",
      "The argument of interpolations is ((1 + relative)^parameter - 1) / relative.");
  for (const char* kind : {"Identity", "Gamma", "LogNormal"}) {
    // The name in older pickles.
    module.attr((std::string(kind) + "Pull").c_str()) =
        module.attr((std::string(kind) + "Transformation").c_str());
  }
  bind_struct<Parameter>(module, "Parameter", "Initial value, range and constraint of a parameter.")
      .def_property_readonly(
          "pull",
          [](const py::object& self) {
            if (PyErr_WarnEx(PyExc_DeprecationWarning, "use Parameter.transformation", 1) != 0) {
              throw py::error_already_set();
            }
            return self.attr("transformation");
          },
          "Deprecated name of `transformation`.")
      .def_property_readonly("is_constrained", &is_constrained,
                             "True if the parameter has a term in the likelihood.")
      .def_property_readonly("observed_value", &observed_value,
                             "Value of the global observable, None if not constrained.");
}

void bind_contents(py::module_& module) {
  bind_struct<Sample>(module, "Sample", "Expected events of one process in one channel.");
  bind_struct<Axis>(module, "Axis", "One observable of a channel; one more edge than bins.");
  bind_struct<Channel>(module, "Channel", "A set of bins and the samples that fill it.")
      .def_property_readonly("n_bins", &Channel::n_bins, "Bins of the channel.");
  bind_struct<ChannelCounts>(module, "ChannelCounts", "Observed events of one channel.");
  bind_struct<Observations::GlobalObservable>(module, "GlobalObservable",
                                              "Observed value of one constraint term.");
  bind_struct<Observations>(module, "Observations", "One named data set.");
  bind_struct<ParameterPoint::Value>(module, "ParameterValue", "The value of one parameter.");
  bind_struct<ParameterPoint>(module, "ParameterPoint", "A named point in parameter space.");
  bind_struct<ModelSpec>(module, "ModelSpec",
                         "A complete statistical model without data; all vectors have the order of "
                         "`parameters`.");
}

}  // namespace

void bind_spec(py::module_& module) {
  bind_interpolation(module);
  bind_modifiers(module);
  bind_parameters(module);
  bind_contents(module);
  module.def("validate", &validate, py::arg("spec"), py::call_guard<py::gil_scoped_release>(),
             "Raises SpecError at the first thing that is wrong.");
}

}  // namespace nablafit::bindings
