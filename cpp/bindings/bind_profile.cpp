/// \file
/// Profile likelihood: rays from a minimum.
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "evaluator_pool.hpp"
#include "matrices.hpp"
#include "minimize_arguments.hpp"
#include "nablafit/profile.hpp"
#include "python_poll.hpp"

namespace nablafit::bindings {
namespace {

std::vector<ProfileRay> rays_of(const py::handle& parameters, const py::handle& directions,
                                const py::handle& rises) {
  if (!is_readable<std::int64_t>(parameters) || !is_readable<double>(directions)) {
    throw ArgumentError("expected C-contiguous matrices of int64 and float64", "rays");
  }
  const auto held = py::reinterpret_borrow<Matrix<std::int64_t>>(parameters);
  const auto changes = py::reinterpret_borrow<Matrix<double>>(directions);
  if (held.ndim() != 2 || changes.ndim() != 2 || held.shape(0) != changes.shape(0) ||
      held.shape(1) != changes.shape(1)) {
    throw ArgumentError("expected two matrices of the same shape", "rays");
  }
  const auto n_rays = static_cast<std::size_t>(held.shape(0));
  const auto n_held = static_cast<std::size_t>(held.shape(1));
  const double* heights = require_vector(rises, n_rays, "rises");
  std::vector<ProfileRay> rays(n_rays);
  for (std::size_t i = 0; i < n_rays; ++i) {
    for (std::size_t k = 0; k < n_held; ++k) {
      rays[i].parameters.push_back(static_cast<std::size_t>(held.data()[i * n_held + k]));
      rays[i].direction.push_back(changes.data()[i * n_held + k]);
    }
    rays[i].rise = heights[i];
  }
  return rays;
}

/// Assigns every row of `starts` to the ray whose number is in `owners`.
void add_starts(std::vector<ProfileRay>& rays, const py::handle& starts, const py::handle& owners,
                std::size_t n_parameters) {
  const Rows<double> rows = rows_of<double, double>(starts, n_parameters, "starts");
  const auto numbers = rows_of<std::int64_t, std::int64_t>(owners, 1, "start_rays");
  if (rows.n_rows != numbers.n_rows) {
    throw ArgumentError("expected one ray for each start", "start_rays");
  }
  for (std::size_t i = 0; i < rows.n_rows; ++i) {
    const auto ray = static_cast<std::size_t>(numbers.values[i]);
    if (ray >= rays.size()) {
      throw ArgumentError("there is no ray number " + std::to_string(ray), "start_rays");
    }
    const double* values = rows.values + i * n_parameters;
    rays[ray].starts.emplace_back(values, values + n_parameters);
  }
}

ProfileOrigin origin_of(const Model& model, const py::handle& x, const py::handle& covariance,
                        const py::handle& lower, const py::handle& upper, const py::handle& fixed) {
  const std::size_t n = model.n_parameters();
  ProfileOrigin origin;
  origin.box = arguments_of(model, x, lower, upper, fixed);
  origin.x = origin.box.start;
  const Rows<double> matrix = rows_of<double, double>(covariance, n, "covariance");
  origin.covariance.assign(matrix.values, matrix.values + matrix.n_rows * n);
  return origin;
}

py::dict to_dict(const std::vector<Crossing>& crossings) {
  std::vector<double> distances, rises;
  std::vector<std::int64_t> n_fits, n_gradients;
  py::list status, fit_status;
  py::dict lower_minima;
  for (std::size_t i = 0; i < crossings.size(); ++i) {
    const Crossing& crossing = crossings[i];
    distances.push_back(crossing.distance);
    rises.push_back(crossing.rise);
    n_fits.push_back(crossing.n_fits);
    n_gradients.push_back(crossing.n_gradients);
    status.append(std::string(to_string(crossing.status)));
    fit_status.append(std::string(to_string(crossing.fit_status)));
    if (crossing.x.empty()) continue;
    lower_minima[py::int_(i)] = own(std::vector<double>(crossing.x));
  }
  py::dict result;
  result["distance"] = own(std::move(distances));
  result["rise"] = own(std::move(rises));
  result["n_fits"] = own(std::move(n_fits));
  result["n_gradients"] = own(std::move(n_gradients));
  result["status"] = py::tuple(status);
  result["fit_status"] = py::tuple(fit_status);
  result["lower_minima"] = lower_minima;
  return result;
}

py::tuple crossings_of(const EvaluatorPool& pool, const py::handle& x, const py::handle& covariance,
                       const py::handle& lower, const py::handle& upper, const py::handle& fixed,
                       const py::handle& parameters, const py::handle& directions,
                       const py::handle& rises, const py::handle& starts,
                       const py::handle& start_rays, const MinimizeOptions& minimize,
                       std::size_t n_threads, py::object progress) {
  const Likelihood& likelihood = pool.likelihood();
  const ProfileOrigin origin = origin_of(likelihood.model(), x, covariance, lower, upper, fixed);
  std::vector<ProfileRay> rays = rays_of(parameters, directions, rises);
  add_starts(rays, starts, start_rays, likelihood.model().n_parameters());
  ProfileOptions options;
  options.minimize = minimize;
  PythonPoll poll(n_threads, std::move(progress));
  ProfileCrossings found;
  {
    const py::gil_scoped_release release;
    found = profile_crossings(likelihood, origin, rays, options, poll.options());
  }
  return py::make_tuple(to_dict(found.crossings), poll.exception());
}

}  // namespace

void bind_profile(py::module_& module) {
  module.def(
      "profile_crossings", &crossings_of, py::arg("likelihood"), py::kw_only(), py::arg("x"),
      py::arg("covariance"), py::arg("lower"), py::arg("upper"), py::arg("fixed"),
      py::arg("parameters"), py::arg("directions"), py::arg("rises"), py::arg("starts"),
      py::arg("start_rays"), py::arg("options"), py::arg("n_threads"), py::arg("progress"),
      "Crossings of all rays as a dictionary, and the exception that stopped the call or None.");
}

}  // namespace nablafit::bindings
