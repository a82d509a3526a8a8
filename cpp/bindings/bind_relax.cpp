/// \file
/// Relaxed histograms and the smoothed step.
#include <pybind11/stl.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "matrices.hpp"
#include "nablafit/relax.hpp"

namespace nablafit::bindings {
namespace {

using Options = std::tuple<std::string, std::string, std::size_t>;
/// Values (1 or n_histograms, n_events), weights (n_histograms, n_events), edges, bandwidths (1 or
/// n_events).
using Arrays = std::tuple<py::object, py::object, py::object, py::object>;

SmoothingKernel kernel_of(const std::string& name) {
  if (name == "gaussian") return SmoothingKernel::gaussian;
  if (name == "logistic") return SmoothingKernel::logistic;
  throw ArgumentError("expected 'gaussian' or 'logistic', got '" + name + "'", "kernel");
}

OutsideBins outside_of(const std::string& name) {
  if (name == "separate") return OutsideBins::separate;
  if (name == "fold") return OutsideBins::fold;
  if (name == "drop") return OutsideBins::drop;
  throw ArgumentError("expected 'separate', 'fold' or 'drop', got '" + name + "'", "outside");
}

HistogramOptions options_of(const Options& options) {
  return {kernel_of(std::get<0>(options)), outside_of(std::get<1>(options)), std::get<2>(options)};
}

/// All numbers of a C-contiguous float64 array of `n_axes` axes.
Span<const double> numbers_of(const py::object& object, int n_axes, const char* name) {
  if (is_readable<double>(object)) {
    const auto array = py::reinterpret_borrow<Matrix<double>>(object);
    if (array.ndim() == n_axes) return {array.data(), static_cast<std::size_t>(array.size())};
  }
  throw ArgumentError("expected a C-contiguous float64 array with " + std::to_string(n_axes) +
                          " axes, got " + describe(object),
                      name);
}

HistogramInputs inputs_of(const Arrays& arrays) {
  HistogramInputs inputs;
  inputs.values = numbers_of(std::get<0>(arrays), 2, "values");
  inputs.weights = numbers_of(std::get<1>(arrays), 2, "weights");
  inputs.edges = numbers_of(std::get<2>(arrays), 1, "edges");
  inputs.bandwidths = numbers_of(std::get<3>(arrays), 1, "bandwidth");
  inputs.n_histograms = py::len(std::get<1>(arrays));
  return inputs;
}

py::object rows(std::vector<double>&& numbers, std::size_t n_rows) {
  const std::size_t n_columns = n_rows == 0 ? 0 : numbers.size() / n_rows;
  return own(std::move(numbers), n_rows, n_columns);
}

py::object histogram_of(const Arrays& arrays, const Options& choices) {
  const HistogramInputs inputs = inputs_of(arrays);
  const HistogramOptions options = options_of(choices);
  std::vector<double> bins;
  {
    const py::gil_scoped_release release;
    bins = soft_histogram(inputs, options);
  }
  return rows(std::move(bins), inputs.n_histograms);
}

py::tuple vjp_of(const Arrays& arrays, const py::object& cotangents, const Options& choices) {
  const HistogramInputs inputs = inputs_of(arrays);
  const HistogramOptions options = options_of(choices);
  const Span<const double> bins = numbers_of(cotangents, 2, "cotangents");
  HistogramGradients gradients;
  {
    const py::gil_scoped_release release;
    gradients = soft_histogram_vjp(inputs, bins, options);
  }
  return py::make_tuple(rows(std::move(gradients.values), py::len(std::get<0>(arrays))),
                        rows(std::move(gradients.weights), inputs.n_histograms),
                        own(std::move(gradients.edges)), own(std::move(gradients.bandwidths)));
}

py::object jvp_of(const Arrays& arrays, const Arrays& along, const Options& choices) {
  const HistogramInputs inputs = inputs_of(arrays);
  const HistogramOptions options = options_of(choices);
  HistogramDirections directions;
  const auto direction = [](const py::object& array, int n_axes, const char* name) {
    return array.is_none() ? Span<const double>() : numbers_of(array, n_axes, name);
  };
  directions.values = direction(std::get<0>(along), 2, "values");
  directions.weights = direction(std::get<1>(along), 2, "weights");
  directions.edges = direction(std::get<2>(along), 1, "edges");
  directions.bandwidths = direction(std::get<3>(along), 1, "bandwidth");
  std::vector<double> bins;
  {
    const py::gil_scoped_release release;
    bins = soft_histogram_jvp(inputs, directions, options);
  }
  return rows(std::move(bins), inputs.n_histograms);
}

py::tuple step_of(const py::object& distances, const py::object& widths, const std::string& kernel,
                  std::size_t n_threads) {
  const Span<const double> all = numbers_of(distances, 1, "distances");
  const Span<const double> scales = numbers_of(widths, 1, "width");
  const SmoothingKernel smoothing = kernel_of(kernel);
  SmoothStep step;
  {
    const py::gil_scoped_release release;
    step = smooth_step(all, scales, smoothing, n_threads);
  }
  return py::make_tuple(own(std::move(step.values)), own(std::move(step.slopes)));
}

}  // namespace

void bind_relax(py::module_& module) {
  module.def("soft_histogram", &histogram_of, py::arg("arrays"), py::arg("options"),
             "Histograms, shape (n_histograms, n_bins).");
  module.def("soft_histogram_vjp", &vjp_of, py::arg("arrays"), py::arg("cotangents"),
             py::arg("options"), "Derivatives, in the shapes of the arrays.");
  module.def("soft_histogram_jvp", &jvp_of, py::arg("arrays"), py::arg("directions"),
             py::arg("options"), "Change of the histograms, shape (n_histograms, n_bins).");
  module.def("smooth_step", &step_of, py::arg("distances"), py::arg("widths"), py::arg("kernel"),
             py::arg("n_threads"), "Values and slopes of the smoothed step.");
}

}  // namespace nablafit::bindings
