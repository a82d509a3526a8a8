/// \file
/// Module nablafit._diff: inputs of models and derivatives with respect to them.
#include <pybind11/stl.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "evaluator_pool.hpp"
#include "matrices.hpp"
#include "minimize_arguments.hpp"
#include "nablafit/differentiate.hpp"
#include "nablafit/inputs.hpp"
#include "python_poll.hpp"

namespace nablafit::bindings {
namespace {

/// One lock for each fit: its scratch memory serves one thread at a time.
struct LockedFit {
  LockedFit(const Likelihood& likelihood, const MinimizeArguments& arguments)
      : fit(likelihood, arguments) {}
  DifferentiableFit fit;
  std::mutex mutex;
};

template <typename Function>
auto locked(LockedFit& self, Function&& function) {
  return interruptible([&] {
    const std::lock_guard<std::mutex> lock(self.mutex);
    return function(self.fit);
  });
}

const double* vector_or_none(const py::handle& values, std::size_t size, const char* name) {
  return values.is_none() ? nullptr : require_vector(values, size, name);
}

py::tuple to_tuple(FullGradient&& gradient) {
  return py::make_tuple(own(std::move(gradient.parameters)), own(std::move(gradient.inputs)),
                        own(std::move(gradient.counts)),
                        own(std::move(gradient.global_observables)));
}

py::tuple full_gradient_of(const EvaluatorPool& pool, const py::handle& x, bool deviance) {
  const Likelihood& likelihood = pool.likelihood();
  const std::size_t n = likelihood.model().n_parameters();
  const double* point = require_vector(x, n, "x");
  FullGradient gradient;
  gradient = interruptible([&] { return full_gradient(likelihood, {point, n}, deviance); });
  return to_tuple(std::move(gradient));
}

py::tuple mixed_product_of(const EvaluatorPool& pool, const py::handle& x, const py::handle& v) {
  const std::size_t n = pool.likelihood().model().n_parameters();
  const double* point = require_vector(x, n, "x");
  const double* direction = require_vector(v, n, "v");
  FullGradient gradient;
  gradient =
      interruptible([&] { return mixed_product(pool.likelihood(), {point, n}, {direction, n}); });
  return to_tuple(std::move(gradient));
}

FullTangent tangent_of(const Model& model, const py::handle& parameters, const py::handle& inputs,
                       const py::handle& counts, const py::handle& global_observables) {
  return {vector_or_none(parameters, model.n_parameters(), "x"),
          vector_or_none(inputs, Inputs(model).size(), "inputs"),
          vector_or_none(counts, model.n_bins(), "counts"),
          vector_or_none(global_observables, model.constrained_parameters().size(),
                         "global_observables")};
}

py::object gradient_tangent_of(const EvaluatorPool& pool, const py::handle& x,
                               const py::handle& parameters, const py::handle& inputs,
                               const py::handle& counts, const py::handle& global_observables) {
  const Model& model = pool.likelihood().model();
  const double* point = require_vector(x, model.n_parameters(), "x");
  const FullTangent tangent = tangent_of(model, parameters, inputs, counts, global_observables);
  std::vector<double> result;
  result = interruptible(
      [&] { return gradient_tangent(pool.likelihood(), {point, model.n_parameters()}, tangent); });
  return own(std::move(result));
}

py::tuple yields_gradient_of(const Model& model, const py::handle& x, const py::handle& weights) {
  const double* point = require_vector(x, model.n_parameters(), "x");
  const double* factors = require_vector(weights, model.n_bins(), "weights");
  FullGradient gradient;
  gradient = interruptible([&] {
    return yields_gradient(model, {point, model.n_parameters()}, {factors, model.n_bins()});
  });
  return to_tuple(std::move(gradient));
}

py::object yields_tangent_of(const Model& model, const py::handle& x, const py::handle& parameters,
                             const py::handle& inputs) {
  const double* point = require_vector(x, model.n_parameters(), "x");
  const FullTangent tangent = tangent_of(model, parameters, inputs, py::none(), py::none());
  std::vector<double> result;
  result =
      interruptible([&] { return yields_tangent(model, {point, model.n_parameters()}, tangent); });
  return own(std::move(result));
}

std::unique_ptr<LockedFit> make_fit(const EvaluatorPool& pool, const py::handle& start,
                                    const py::handle& lower, const py::handle& upper,
                                    const py::handle& fixed) {
  const MinimizeArguments arguments =
      arguments_of(pool.likelihood().model(), start, lower, upper, fixed);
  return interruptible([&] { return std::make_unique<LockedFit>(pool.likelihood(), arguments); });
}

/// `covariance` is the matrix, row by row.
py::tuple pull_back(LockedFit& self, const py::handle& parameters, double value,
                    const py::handle& covariance, const py::handle& yields) {
  const Model& model = self.fit.likelihood().model();
  const std::size_t n = model.n_parameters();
  const FitCotangent cotangent{vector_or_none(parameters, n, "x"), value,
                               vector_or_none(covariance, n * n, "covariance"),
                               vector_or_none(yields, model.n_bins(), "yields")};
  return to_tuple(locked(self, [&](DifferentiableFit& fit) { return fit.pull_back(cotangent); }));
}

py::tuple push_forward(LockedFit& self, const py::handle& parameters, const py::handle& inputs,
                       const py::handle& counts, const py::handle& global_observables,
                       bool with_covariance) {
  const FullTangent tangent =
      tangent_of(self.fit.likelihood().model(), parameters, inputs, counts, global_observables);
  FitTangent result = locked(
      self, [&](DifferentiableFit& fit) { return fit.push_forward(tangent, with_covariance); });
  return py::make_tuple(own(std::move(result.parameters)), result.value,
                        own(std::move(result.covariance)), own(std::move(result.yields)));
}

py::list blocks_of(const Inputs& inputs) {
  py::list blocks;
  for (const InputBlock& block : inputs.blocks()) {
    blocks.append(py::make_tuple(std::string(to_string(block.kind)), block.channel, block.sample,
                                 block.name, block.begin, block.size));
  }
  return blocks;
}

// --- batches -------------------------------------------------------------------------------------

ObjectiveArguments objective_arguments(const Model& model, std::size_t n, const py::dict& arrays) {
  ObjectiveArguments arguments;
  const std::size_t n_parameters = model.n_parameters();
  arguments.n = n;
  arguments.inputs = rows_of<double, double>(arrays["inputs"], Inputs(model).size(), "inputs");
  arguments.counts = rows_of<double, double>(arrays["counts"], model.n_bins(), "counts");
  arguments.global_observables = rows_of<double, double>(
      arrays["global_observables"], model.constrained_parameters().size(), "global_observables");
  MinimizeArguments box =
      arguments_of(model, arrays["start"], arrays["lower"], arrays["upper"], arrays["fixed"]);
  arguments.point = std::move(box.start);
  arguments.lower = std::move(box.lower);
  arguments.upper = std::move(box.upper);
  arguments.fixed = std::move(box.fixed);
  if (!arrays["direction"].is_none()) {
    const double* direction = require_vector(arrays["direction"], n_parameters, "direction");
    arguments.direction.assign(direction, direction + n_parameters);
  }
  arguments.poi = py::cast<std::size_t>(arrays["poi"]);
  arguments.tested = rows_of<double, double>(arrays["tested"], 1, "tested");
  arguments.alternative = py::cast<double>(arrays["alternative"]);
  return arguments;
}

py::object gradient_rows(std::vector<double>&& values, std::size_t n) {
  if (values.empty()) return py::none();
  const std::size_t n_columns = values.size() / n;
  return own(std::move(values), n, n_columns);
}

py::object to_object(ObjectiveBatch&& batch) {
  if (batch.value.empty()) return py::none();
  const std::size_t n = batch.value.size();
  py::object tested = py::none();
  if (!batch.tested.empty()) tested = own(std::move(batch.tested));
  return py::make_tuple(own(std::move(batch.value)), gradient_rows(std::move(batch.inputs), n),
                        gradient_rows(std::move(batch.counts), n),
                        gradient_rows(std::move(batch.global_observables), n), tested);
}

/// First and second batch, estimates, messages, and the exception that stopped the call or None.
template <typename Function>
py::tuple run_objective(const Model& model, std::size_t n, const py::dict& arrays,
                        std::size_t n_threads, Function&& function) {
  const ObjectiveArguments arguments = objective_arguments(model, n, arrays);
  PythonPoll poll(n_threads, py::none());
  ObjectiveResult result;
  {
    const py::gil_scoped_release release;
    result = function(model, arguments, poll.options());
  }
  return py::make_tuple(to_object(std::move(result.first)), to_object(std::move(result.second)),
                        own(std::move(result.estimate)), result.messages, poll.exception());
}

template <ObjectiveResult (*function)(const Model&, const ObjectiveArguments&, const RunOptions&)>
py::tuple objective(const Model& model, std::size_t n, const py::dict& arrays,
                    std::size_t n_threads) {
  return run_objective(model, n, arrays, n_threads, function);
}

/// Like run_objective, for functions that return gradients with respect to parameters instead of a
/// second batch.
template <typename Function>
py::tuple run_with_parameters(const Model& model, std::size_t n, const py::dict& arrays,
                              std::size_t n_threads, Function&& function) {
  std::vector<double> parameters;
  py::tuple result =
      run_objective(model, n, arrays, n_threads,
                    [&](const Model& m, const ObjectiveArguments& a, const RunOptions& r) {
                      ObjectiveResult found = function(m, a, r);
                      parameters = std::move(found.first.parameters);
                      return found;
                    });
  return py::make_tuple(result[0], own(std::move(parameters), n, model.n_parameters()), result[3],
                        result[4]);
}

py::tuple full_gradients_of(const Model& model, std::size_t n, const py::dict& arrays,
                            const py::handle& x, std::size_t n_threads) {
  const auto points = rows_of<double, double>(x, model.n_parameters(), "x");
  return run_with_parameters(model, n, arrays, n_threads,
                             [&](const Model& m, const ObjectiveArguments& a, const RunOptions& r) {
                               return full_gradients(m, a, points, r);
                             });
}

py::tuple fits(const Model& model, std::size_t n, const py::dict& arrays, const py::handle& starts,
               std::size_t n_threads) {
  const ObjectiveArguments arguments = objective_arguments(model, n, arrays);
  const auto rows = rows_of<double, double>(starts, model.n_parameters(), "starts");
  PythonPoll poll(n_threads, py::none());
  FitsResult result;
  {
    const py::gil_scoped_release release;
    result = fit_inputs(model, arguments, rows, poll.options());
  }
  return py::make_tuple(own(std::move(result.x), n, model.n_parameters()),
                        own(std::move(result.value)), result.messages, poll.exception());
}

py::tuple pull_back_many(const Model& model, std::size_t n, const py::dict& arrays,
                         const py::handle& x, const py::handle& parameters,
                         const py::handle& values, std::size_t n_threads) {
  const std::size_t n_parameters = model.n_parameters();
  const auto starts = rows_of<double, double>(x, n_parameters, "x");
  const auto cotangents = rows_of<double, double>(parameters, n_parameters, "parameters");
  const Rows<double> weights{require_vector(values, n, "values"), n};
  return run_with_parameters(model, n, arrays, n_threads,
                             [&](const Model& m, const ObjectiveArguments& a, const RunOptions& r) {
                               return pull_back_fits(m, a, starts, cotangents, weights, r);
                             });
}

void define_fit(py::module_& module) {
  py::class_<LockedFit>(module, "Fit", "A minimum as a differentiable function.")
      .def(py::init(&make_fit), py::arg("likelihood"), py::kw_only(), py::arg("start"),
           py::arg("lower"), py::arg("upper"), py::arg("fixed"))
      .def_property_readonly("x",
                             [](const py::object& self) {
                               return read_only_view(self.cast<const LockedFit&>().fit.x(), self);
                             })
      .def_property_readonly("value", [](const LockedFit& self) { return self.fit.value(); })
      .def_property_readonly("free",
                             [](const LockedFit& self) {
                               const std::vector<char>& free = self.fit.free();
                               return std::vector<bool>(free.begin(), free.end());
                             })
      .def("covariance",
           [](LockedFit& self) {
             const std::size_t n = self.fit.x().size();
             return own(locked(self, [](DifferentiableFit& fit) { return fit.covariance(); }), n,
                        n);
           })
      .def("pull_back", &pull_back, py::arg("parameters"), py::arg("value"), py::arg("covariance"),
           py::arg("yields"))
      .def("push_forward", &push_forward, py::arg("parameters"), py::arg("inputs"),
           py::arg("counts"), py::arg("global_observables"), py::arg("with_covariance"));
}

void define_batches(py::module_& module) {
  const auto define = [&](const char* name, auto function, const char* doc) {
    module.def(name, function, py::arg("model"), py::arg("n"), py::arg("arrays"),
               py::arg("n_threads"), doc);
  };
  define("expected_variances", &objective<&expected_variances>, "Variances for Asimov data.");
  define("expected_informations", &objective<&expected_informations>,
         "Fisher information along the direction.");
  define("likelihood_ratios", &objective<&likelihood_ratios>, "Profile likelihood ratios.");
  define("goodness_of_fits", &objective<&goodness_of_fits>, "Twice the smallest deviances.");
  module.def("fits", &fits, py::arg("model"), py::arg("n"), py::arg("arrays"), py::arg("starts"),
             py::arg("n_threads"), "Minima, values of -log L there, messages, exception or None.");
  module.def(
      "full_gradients", &full_gradients_of, py::arg("model"), py::arg("n"), py::arg("arrays"),
      py::arg("x"), py::arg("n_threads"),
      "-log L with gradients, those with respect to parameters, messages, exception or None.");
  module.def(
      "pull_back_fits", &pull_back_many, py::arg("model"), py::arg("n"), py::arg("arrays"),
      py::arg("x"), py::arg("parameters"), py::arg("values"), py::arg("n_threads"),
      "Gradients of cotangents times minima and values, those with respect to fixed parameters, "
      "messages, exception or None.");
}

}  // namespace

void bind_diff(py::module_& core) {
  // A separate module beside _core, so that it has its own stub file.
  PyObject* added = PyImport_AddModule("nablafit._diff");
  if (added == nullptr) throw py::error_already_set();
  auto module = py::reinterpret_borrow<py::module_>(added);
  module.doc() = "Derivatives with respect to inputs; use it through nablafit.diff.";
  module.attr("__file__") = py::getattr(core, "__file__", py::none());
  py::class_<Inputs>(module, "Inputs", "The numbers of a model as one vector.")
      .def(py::init<const Model&>(), py::arg("model"), py::call_guard<py::gil_scoped_release>())
      .def_property_readonly("values",
                             [](const py::object& self) {
                               return read_only_view(self.cast<const Inputs&>().values(), self);
                             })
      .def("blocks", &blocks_of, "Kind, channel, sample, name, begin, size of every block.")
      .def(
          "exchange",
          [](const Inputs& self, const py::handle& values) {
            const double* inputs = require_vector(values, self.size(), "inputs");
            return interruptible([&] { return self.exchange({inputs, self.size()}); });
          },
          py::arg("values"), "A model with the same structure and other inputs.");
  module.def("full_gradient", &full_gradient_of, py::arg("likelihood"), py::arg("x"),
             py::arg("deviance"),
             "Gradients with respect to parameters, inputs, counts and global observables.");
  module.def("mixed_product", &mixed_product_of, py::arg("likelihood"), py::arg("x"), py::arg("v"),
             "Gradient of v . dL/dx.");
  module.def("gradient_tangent", &gradient_tangent_of, py::arg("likelihood"), py::arg("x"),
             py::arg("parameters"), py::arg("inputs"), py::arg("counts"),
             py::arg("global_observables"), "Change of dL/dx.");
  module.def("yields_gradient", &yields_gradient_of, py::arg("model"), py::arg("x"),
             py::arg("weights"), "Gradient of weighted expected events.");
  module.def("yields_tangent", &yields_tangent_of, py::arg("model"), py::arg("x"),
             py::arg("parameters"), py::arg("inputs"), "Change of expected events.");
  define_fit(module);
  define_batches(module);
}

}  // namespace nablafit::bindings
