/// \file
/// The function that is minimised. A call costs about as much as evaluating a small model, so this
/// file avoids argument casters, array_t constructors and Python wrappers.
#include <pybind11/native_enum.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "evaluator_pool.hpp"
#include "python_poll.hpp"

namespace nablafit::bindings {
namespace {

/// A parameter vector given as one array or as one float per parameter. The fast paths are an exact
/// float64 array and Python floats; everything else first goes through the likelihood's method
/// `_as_vector`, which the façade overrides to convert, and must be exact afterwards.
class ParameterVector {
 public:
  ParameterVector(py::handle self, py::handle x, std::size_t size)
      : data_(vector_or_null(x, size)) {
    if (data_ == nullptr) convert(self, x, size);
  }

  ParameterVector(py::handle self, const py::tuple& values, std::size_t size) {
    if (values.size() == 1) data_ = vector_or_null(values[0], size);
    if (data_ != nullptr || from_floats(values, size)) return;
    convert(self, values.size() == 1 ? py::object(values[0]) : py::object(values), size);
  }

  const double* data() const noexcept { return data_; }

 private:
  bool from_floats(const py::tuple& values, std::size_t size) {
    if (values.size() != size) return false;
    values_.resize(size);
    for (std::size_t i = 0; i < size; ++i) {
      PyObject* item = PyTuple_GET_ITEM(values.ptr(), static_cast<Py_ssize_t>(i));
      if (!PyFloat_Check(item)) return false;
      values_[i] = PyFloat_AS_DOUBLE(item);
    }
    data_ = values_.data();
    return true;
  }

  void convert(py::handle self, const py::handle& x, std::size_t size) {
    owner_ = self.attr("_as_vector")(x);
    data_ = require_vector(owner_, size, "x");
  }

  const double* data_ = nullptr;
  std::vector<double> values_;
  py::object owner_;
};

/// Runs `evaluate(evaluator)` with the GIL released, then checks for Ctrl-C: a minimiser in C++ may
/// call us for minutes without executing a line of Python.
template <class Function>
Evaluation run(EvaluatorPool& pool, Function&& evaluate) {
  Evaluation result;
  {
    const EvaluatorPool::Lease evaluator(pool);
    const py::gil_scoped_release release;
    result = evaluate(evaluator);
  }
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  return result;
}

/// Parameters from which on a Hessian may take so long that one waits for it.
constexpr std::size_t large = 200;

/// The same for what may take seconds: Ctrl-C stops it.
template <class Function>
Evaluation run_long(EvaluatorPool& pool, Function&& evaluate) {
  const EvaluatorPool::Lease evaluator(pool);
  return interruptible([&] { return evaluate(evaluator); });
}

EvaluatorPool& pool_of(const py::handle& self) { return self.cast<EvaluatorPool&>(); }

std::size_t n_parameters(const EvaluatorPool& pool) {
  return pool.likelihood().model().n_parameters();
}

template <class X>
Evaluation evaluate_value(const py::handle& self, const X& x) {
  EvaluatorPool& pool = pool_of(self);
  const ParameterVector vector(self, x, n_parameters(pool));
  return run(pool, [&](const auto& evaluator) { return evaluator->value(vector.data()); });
}

template <class X>
std::pair<double, py::object> evaluate_gradient(const py::handle& self, const X& x) {
  EvaluatorPool& pool = pool_of(self);
  const std::size_t size = n_parameters(pool);
  const ParameterVector vector(self, x, size);
  py::object gradient = new_vector(size);
  double* values = data_of(gradient);
  const Evaluation result = run(pool, [&](const auto& evaluator) {
    return evaluator->value_and_gradient(vector.data(), values);
  });
  return {result.value, std::move(gradient)};
}

void fill_if_undefined(const Evaluation& result, double* values, std::size_t size) {
  if (result.status == EvaluationStatus::ok) return;
  std::fill_n(values, size, std::numeric_limits<double>::quiet_NaN());
}

py::object hessian(const py::handle& self, const py::tuple& x) {
  EvaluatorPool& pool = pool_of(self);
  const std::size_t size = n_parameters(pool);
  const ParameterVector vector(self, x, size);
  py::object matrix = new_square_matrix(size);
  double* values = data_of(matrix);
  const auto evaluate = [&](const auto& evaluator) {
    return evaluator->hessian(vector.data(), values);
  };
  const Evaluation result = size < large ? run(pool, evaluate) : run_long(pool, evaluate);
  fill_if_undefined(result, values, size * size);
  return matrix;
}

py::object hessian_vector_product(const py::handle& self, const py::handle& x,
                                  const py::handle& v) {
  EvaluatorPool& pool = pool_of(self);
  const std::size_t size = n_parameters(pool);
  const ParameterVector point(self, x, size);
  const ParameterVector direction(self, v, size);
  py::object product = new_vector(size);
  double* values = data_of(product);
  const Evaluation result = run(pool, [&](const auto& evaluator) {
    return evaluator->hessian_vector_product(point.data(), direction.data(), values);
  });
  fill_if_undefined(result, values, size);
  return product;
}

py::object expected(const py::handle& self, const py::handle& x) {
  const Model& model = pool_of(self).likelihood().model();
  const ParameterVector vector(self, x, model.n_parameters());
  py::object yields = new_vector(model.n_bins());
  double* values = data_of(yields);
  const py::gil_scoped_release release;
  model.expected(vector.data(), values);
  return yields;
}

py::tuple deviances(const py::handle& self, const py::handle& x) {
  const Likelihood& likelihood = pool_of(self).likelihood();
  const Model& model = likelihood.model();
  const ParameterVector vector(self, x, model.n_parameters());
  py::object bins = new_vector(model.n_bins());
  py::object constraints = new_vector(model.constrained_parameters().size());
  double* of_bins = data_of(bins);
  double* of_constraints = data_of(constraints);
  {
    const py::gil_scoped_release release;
    likelihood.deviances(vector.data(), of_bins, of_constraints);
  }
  return py::make_tuple(std::move(bins), std::move(constraints));
}

py::tuple as_tuple(const py::handle& values) { return py::reinterpret_borrow<py::object>(values); }

std::unique_ptr<EvaluatorPool> make_pool(const Model& model, const py::handle& counts,
                                         const py::handle& global_observables,
                                         const std::string& backend) {
  const std::size_t n_observables = model.constrained_parameters().size();
  const double* n = require_vector(counts, model.n_bins(), "counts");
  const double* a = require_vector(global_observables, n_observables, "global_observables");
  Data data{{n, n + model.n_bins()}, {a, a + n_observables}};
  return std::make_unique<EvaluatorPool>(Likelihood(model, std::move(data)),
                                         backend_from_name(backend));
}

void bind_status(py::module_& module) {
  py::native_enum<EvaluationStatus>(module, "EvaluationStatus", "enum.Enum",
                                    "Whether an evaluation has a finite value, and why not.")
      .value("ok", EvaluationStatus::ok)
      .value("negative_yield", EvaluationStatus::negative_yield)
      .value("not_finite", EvaluationStatus::not_finite)
      .value("outside_support", EvaluationStatus::outside_support)
      .value("invalid_parameter", EvaluationStatus::invalid_parameter)
      .value("overflow", EvaluationStatus::overflow)
      .finalize();
}

/// The names that iminuit's cost protocol requires.
void define_cost_protocol(py::class_<EvaluatorPool>& type) {
  type.def("_value",
           [](const py::handle& self, const py::handle& values) {
             return evaluate_value(self, as_tuple(values)).value;
           })
      .def("_grad",
           [](const py::handle& self, const py::handle& values) {
             return evaluate_gradient(self, as_tuple(values)).second;
           })
      .def("grad", [](const py::handle& self, const py::args& x) {
        return evaluate_gradient(self, static_cast<const py::tuple&>(x)).second;
      });
}

}  // namespace

void bind_likelihood(py::module_& module) {
  bind_status(module);
  py::class_<EvaluatorPool> type(module, "Likelihood",
                                 "A Model with data: -log(L / L_saturated) and its derivatives.");
  type.def(py::init(&make_pool), py::arg("model"), py::arg("counts"), py::arg("global_observables"),
           py::arg("backend") = std::string(to_string(default_backend())))
      .def("__call__",
           [](const py::handle& self, const py::args& x) {
             return evaluate_value(self, static_cast<const py::tuple&>(x)).value;
           })
      .def(
          "gradient",
          [](const py::handle& self, const py::handle& x) {
            return evaluate_gradient(self, x).second;
          },
          py::arg("x"))
      .def(
          "value_and_gradient",
          [](const py::handle& self, const py::handle& x) { return evaluate_gradient(self, x); },
          py::arg("x"))
      .def("hessian", [](const py::handle& self, const py::args& x) { return hessian(self, x); })
      .def("hvp", &hessian_vector_product, py::arg("x"), py::arg("v"))
      .def(
          "logpdf",
          [](const py::handle& self, const py::handle& x) {
            return -(evaluate_value(self, x).value + pool_of(self).likelihood().constant());
          },
          py::arg("x"))
      .def("expected", &expected, py::arg("x"))
      .def("deviances", &deviances, py::arg("x"),
           "The terms whose sum is the value: one per bin, one per constrained parameter.")
      .def(
          "_evaluation",
          [](const py::handle& self, const py::handle& x) {
            const Evaluation result = evaluate_value(self, x);
            return py::make_tuple(result.value, result.status, result.index);
          },
          py::arg("x"))
      .def(
          "_as_vector", [](const py::object&, const py::object& x) { return x; }, py::arg("x"))
      .def_property_readonly(
          "constant", [](const EvaluatorPool& self) { return self.likelihood().constant(); });
  define_cost_protocol(type);
}

}  // namespace nablafit::bindings
