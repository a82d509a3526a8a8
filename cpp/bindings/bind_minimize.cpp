/// \file
/// The native minimiser: one fit.
#include <pybind11/native_enum.h>
#include <pybind11/stl.h>

#include <string>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "evaluator_pool.hpp"
#include "minimize_arguments.hpp"
#include "minimize_fields.hpp"
#include "python_poll.hpp"

namespace nablafit::bindings {
namespace {

const char* to_text(BoundSide side) { return side == BoundSide::lower ? "lower" : "upper"; }

py::tuple active_bounds(const MinimizeSummary& summary) {
  py::tuple items(summary.active_bounds.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const ActiveBound& bound = summary.active_bounds[i];
    items[i] = py::make_tuple(bound.parameter, to_text(bound.side), bound.multiplier);
  }
  return items;
}

py::tuple weak_directions(const MinimizeSummary& summary) {
  py::tuple items(summary.weak_directions.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const WeakDirection& direction = summary.weak_directions[i];
    items[i] = py::make_tuple(direction.curvature, py::tuple(py::cast(direction.parameters)),
                              py::tuple(py::cast(direction.weights)));
  }
  return items;
}

template <std::vector<double> MinimizeSummary::* member>
py::object vector_of(const py::object& self) {
  return read_only_view(self.cast<const MinimizeSummary&>().*member, self);
}

template <std::vector<std::size_t> MinimizeSummary::* member>
py::tuple indices_of(const MinimizeSummary& self) {
  return py::tuple(py::cast(self.*member));
}

/// The matrix, or None if it was not requested.
py::object covariance(const py::object& self) {
  const auto& summary = self.cast<const MinimizeSummary&>();
  if (summary.covariance.empty()) return py::none();
  const std::size_t n = summary.x.size();
  py::object matrix = Array({n, n}, summary.covariance.data(), self);
  make_read_only(matrix);
  return matrix;
}

/// The summary, and the exception that stopped the fit or None.
py::tuple minimize_from(const EvaluatorPool& pool, const py::handle& start, const py::handle& lower,
                        const py::handle& upper, const py::handle& fixed,
                        const MinimizeOptions& options) {
  const MinimizeArguments arguments =
      arguments_of(pool.likelihood().model(), start, lower, upper, fixed);
  PythonPoll poll(0, py::none());
  MinimizeSummary summary = poll.run([&] {
    Minimizer minimizer(pool.likelihood(), options);
    return minimizer.minimize(arguments);
  });
  summary.message = describe(summary, pool.likelihood().model(), "max_calls");
  return py::make_tuple(std::move(summary), poll.exception());
}

py::object run_until(const py::object& stop, const py::object& function) {
  struct Restored {
    PyObject*& place = stop_of_thread();
    PyObject* before = place;
    ~Restored() { place = before; }
  } const restored;
  stop_of_thread() = stop.ptr();
  return function();
}

void bind_options(py::module_& module) {
  py::native_enum<CovarianceKind>(module, "CovarianceKind", "enum.Enum",
                                  "What to compute from the inverse Hessian at the minimum.")
      .value("none", CovarianceKind::none)
      .value("errors", CovarianceKind::errors)
      .value("full", CovarianceKind::full)
      .finalize();
  bind_struct<MinimizeOptions>(module, "MinimizeOptions",
                               "Stopping rules and outputs of the native minimiser; frozen.");
}

void bind_summary(py::module_& module) {
  py::class_<MinimizeSummary> type(module, "MinimizeSummary", "Result of one minimisation.");
  type.def_property_readonly(
          "status", [](const MinimizeSummary& self) { return std::string(to_string(self.status)); })
      .def_property_readonly("valid",
                             [](const MinimizeSummary& self) { return is_minimum(self.status); })
      .def_readonly("message", &MinimizeSummary::message)
      .def_property_readonly("x", &vector_of<&MinimizeSummary::x>)
      .def_readonly("value", &MinimizeSummary::value)
      .def_property_readonly("gradient", &vector_of<&MinimizeSummary::gradient>)
      .def_readonly("edm", &MinimizeSummary::edm)
      .def_readonly("projected_gradient", &MinimizeSummary::projected_gradient)
      .def_readonly("iterations", &MinimizeSummary::iterations)
      .def_readonly("n_gradients", &MinimizeSummary::n_gradients)
      .def_readonly("n_hessians", &MinimizeSummary::n_hessians)
      .def_readonly("condition", &MinimizeSummary::condition)
      .def_property_readonly("errors", &vector_of<&MinimizeSummary::errors>)
      .def_property_readonly("covariance", &covariance)
      .def_property_readonly("active_bounds", &active_bounds,
                             "Tuples (parameter, side, multiplier).")
      .def_property_readonly("weak_directions", &weak_directions,
                             "Tuples (curvature, parameters, weights).")
      .def_property_readonly("at_kink", &indices_of<&MinimizeSummary::at_kink>)
      .def_property_readonly("without_effect", &indices_of<&MinimizeSummary::without_effect>)
      .def_property_readonly("zero_yield_bins", &indices_of<&MinimizeSummary::zero_yield_bins>)
      .def_property_readonly("outside_support", &indices_of<&MinimizeSummary::outside_support>);
}

}  // namespace

void bind_minimize(py::module_& module) {
  bind_options(module);
  bind_summary(module);
  module.def("minimize", &minimize_from, py::arg("likelihood"), py::kw_only(), py::arg("start"),
             py::arg("lower"), py::arg("upper"), py::arg("fixed"), py::arg("options"),
             "Minimise within bounds, with exact derivatives: the summary, and the exception that "
             "stopped the call or None.");
  module.def("run_until", &run_until, py::arg("stop"), py::arg("function"),
             "Returns function(); long calls in it, in this thread, call stop(), and end if that "
             "raises an exception.");
}

}  // namespace nablafit::bindings
