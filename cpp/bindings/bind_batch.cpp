/// \file
/// Many fits at once, toys and start points.
#include <pybind11/stl.h>

#include <cstring>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "evaluator_pool.hpp"
#include "matrices.hpp"
#include "minimize_arguments.hpp"
#include "nablafit/batch.hpp"
#include "nablafit/find_minima.hpp"
#include "nablafit/toys.hpp"
#include "python_poll.hpp"

namespace nablafit::bindings {
namespace {

Rows<double> numbers_of(const py::dict& arguments, const char* name, std::size_t length) {
  return rows_of<double, double>(arguments[name], length, name);
}

py::object codes_of(const std::vector<FitStatus>& status) {
  py::array_t<std::int8_t> codes(length_of(status));
  std::memcpy(codes.mutable_data(), status.data(), status.size());
  return codes;
}

py::dict to_dict(FitManyResult&& result) {
  py::dict arrays;
  arrays["complete"] = result.complete;
  arrays["status"] = codes_of(result.status);
  const bool has_errors = !result.errors.empty() || result.n_fits * result.n_kept == 0;
  arrays["x"] = own(std::move(result.x), result.n_fits, result.n_kept);
  arrays["errors"] = has_errors ? own(std::move(result.errors), result.n_fits, result.n_kept)
                                : py::object(py::none());
  arrays["value"] = own(std::move(result.value));
  arrays["constant"] = own(std::move(result.constant));
  arrays["edm"] = own(std::move(result.edm));
  arrays["iterations"] = own(std::move(result.iterations));
  arrays["n_gradients"] = own(std::move(result.n_gradients));
  arrays["n_starts"] = own(std::move(result.n_starts));
  arrays["lowered"] = own(std::move(result.lowered));
  arrays["apart"] = own(std::move(result.apart));
  return arrays;
}

using Sides = std::vector<std::tuple<std::size_t, double, double, std::vector<double>>>;

/// Parameters, centres, widths and even changes per bin of what is tried on other sides.
std::vector<TwoSided> sides_of(const Sides& sides) {
  std::vector<TwoSided> result;
  for (const auto& [parameter, center, width, even] : sides) {
    result.push_back({parameter, center, width, even});
  }
  return result;
}

py::tuple fit_many_of(const Model& model, std::size_t n_fits, const py::dict& arrays,
                      const MinimizeOptions& options, std::vector<std::size_t> kept_parameters,
                      std::size_t n_random, std::uint64_t seed, std::size_t n_retries,
                      const Sides& sides, bool look_around, std::size_t n_threads,
                      py::object progress) {
  const std::size_t n = model.n_parameters();
  FitManyArguments arguments;
  arguments.n_fits = n_fits;
  arguments.counts = numbers_of(arrays, "counts", model.n_bins());
  arguments.global_observables =
      numbers_of(arrays, "global_observables", model.constrained_parameters().size());
  arguments.starts = numbers_of(arrays, "starts", n);
  arguments.fixed = rows_of<char, bool>(arrays["fixed"], n, "fixed");
  arguments.lower = numbers_of(arrays, "lower", n);
  arguments.upper = numbers_of(arrays, "upper", n);
  FurtherStarts elsewhere{n_random, seed, 1.0, n_retries, sides_of(sides), look_around};
  const FitManyOptions settings{options, std::move(kept_parameters), std::move(elsewhere)};
  PythonPoll poll(n_threads, std::move(progress));
  FitManyResult result;
  {
    const py::gil_scoped_release release;
    result = fit_many(model, arguments, settings, poll.options());
  }
  return py::make_tuple(to_dict(std::move(result)), poll.exception());
}

py::tuple toys_of(const Model& model, const py::handle& x, std::size_t n, std::uint64_t seed,
                  std::uint64_t start, bool randomize, const py::handle& global_observables,
                  std::size_t n_threads, py::object progress) {
  const std::size_t n_observables = model.constrained_parameters().size();
  const double* point = require_vector(x, model.n_parameters(), "x");
  ToyOptions options;
  options.randomize_global_observables = randomize;
  if (!global_observables.is_none()) {
    const double* values = require_vector(global_observables, n_observables, "global_observables");
    options.global_observables.assign(values, values + n_observables);
  }
  PythonPoll poll(n_threads, std::move(progress));
  Toys toys;
  {
    const py::gil_scoped_release release;
    toys = generate_toys(model, point, n, seed, start, options, poll.options());
  }
  return py::make_tuple(own(std::move(toys.counts), toys.n, model.n_bins()),
                        own(std::move(toys.global_observables), toys.n, n_observables),
                        poll.exception());
}

py::object starts_of(const Model& model, const py::handle& global_observables, std::size_t n,
                     std::uint64_t seed, double spread) {
  const std::size_t n_observables = model.constrained_parameters().size();
  const double* values = require_vector(global_observables, n_observables, "global_observables");
  const Data data{{}, {values, values + n_observables}};
  return own(draw_starts(model, data, n, seed, spread), n, model.n_parameters());
}

/// One tuple (summary, height, starts, differing parameters) per minimum, and the exception that
/// stopped the call or None.
py::tuple minima_of(const EvaluatorPool& pool, const py::handle& start, const py::handle& lower,
                    const py::handle& upper, const py::handle& fixed,
                    const MinimizeOptions& options, std::size_t n_starts, std::uint64_t seed) {
  const MinimizeArguments arguments =
      arguments_of(pool.likelihood().model(), start, lower, upper, fixed);
  MinimaOptions search;
  search.n_starts = n_starts;
  search.seed = seed;
  PythonPoll poll(0, py::none());
  MinimaSummary found;
  {
    const py::gil_scoped_release release;
    found = find_minima(pool.likelihood(), arguments, search, options, poll.options());
  }
  py::list minima;
  for (DistinctMinimum& minimum : found.minima) {
    minima.append(py::make_tuple(std::move(minimum.summary), minimum.height,
                                 py::tuple(py::cast(minimum.starts)),
                                 py::tuple(py::cast(minimum.differing_parameters))));
  }
  return py::make_tuple(py::tuple(minima), poll.exception());
}

py::tuple status_names() {
  py::tuple names(n_fit_statuses);
  for (std::size_t i = 0; i < n_fit_statuses; ++i) {
    names[i] = std::string(to_string(static_cast<FitStatus>(i)));
  }
  return names;
}

}  // namespace

void bind_batch(py::module_& module) {
  module.attr("FIT_STATUSES") = status_names();
  module.def("fit_many", &fit_many_of, py::arg("model"), py::arg("n_fits"), py::kw_only(),
             py::arg("arrays"), py::arg("options"), py::arg("kept_parameters"), py::arg("n_random"),
             py::arg("seed"), py::arg("n_retries"), py::arg("sides"), py::arg("look_around"),
             py::arg("n_threads"), py::arg("progress"),
             "Results as a dictionary of arrays, and the exception that stopped the call or None.");
  module.def("generate_toys", &toys_of, py::arg("model"), py::arg("x"), py::kw_only(), py::arg("n"),
             py::arg("seed"), py::arg("start"), py::arg("randomize"), py::arg("global_observables"),
             py::arg("n_threads"), py::arg("progress"),
             "Counts, global observables, and the exception that stopped the call or None.");
  module.def("find_minima", &minima_of, py::arg("likelihood"), py::kw_only(), py::arg("start"),
             py::arg("lower"), py::arg("upper"), py::arg("fixed"), py::arg("options"),
             py::arg("n_starts"), py::arg("seed"),
             "Distinct minima as tuples (summary, height in -2 log L, starts, differing "
             "parameters), and the exception that stopped the call or None.");
  module.def("draw_starts", &starts_of, py::arg("model"), py::arg("global_observables"),
             py::kw_only(), py::arg("n"), py::arg("seed"), py::arg("spread"),
             "Start points, shape (n, n_parameters).");
}

}  // namespace nablafit::bindings
