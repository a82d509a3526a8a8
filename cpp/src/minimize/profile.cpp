#include "nablafit/profile.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "minimize/ray_search.hpp"
#include "nablafit/error.hpp"
#include "util/polled_run.hpp"

namespace nablafit {
namespace {

void check_ray(const ProfileRay& ray, const Model& model, const std::vector<char>& fixed) {
  const std::size_t n = ray.parameters.size();
  if (n == 0 || ray.direction.size() != n) {
    throw ArgumentError("expected one component for each of at least one parameter, got " +
                            std::to_string(ray.direction.size()) + " for " + std::to_string(n),
                        "direction");
  }
  if (!(ray.rise > 0.0) || !std::isfinite(ray.rise)) {
    throw ArgumentError("expected a positive number, got " + std::to_string(ray.rise), "rise");
  }
  for (const std::vector<double>& start : ray.starts) {
    if (start.size() == model.n_parameters()) continue;
    throw ArgumentError("expected " + std::to_string(model.n_parameters()) + " values, got " +
                            std::to_string(start.size()),
                        "starts");
  }
  for (std::size_t k = 0; k < n; ++k) {
    const std::size_t parameter = ray.parameters[k];
    if (parameter >= model.n_parameters()) {
      throw ArgumentError("there is no parameter number " + std::to_string(parameter),
                          "parameters");
    }
    const std::string& name = model.parameter_names()[parameter];
    if (fixed[parameter] != 0) {
      throw ArgumentError("is fixed, so it has no profile; release it first", name);
    }
    if (std::count(ray.parameters.begin(), ray.parameters.end(), parameter) > 1) {
      throw ArgumentError("is held twice by one ray", name);
    }
  }
  const auto is_finite = [](double component) { return std::isfinite(component); };
  const auto is_zero = [](double component) { return component == 0.0; };
  if (!std::all_of(ray.direction.begin(), ray.direction.end(), is_finite) ||
      std::all_of(ray.direction.begin(), ray.direction.end(), is_zero)) {
    throw ArgumentError("expected finite components, not all zero", "direction");
  }
}

void check_length(std::size_t found, std::size_t expected, const char* what) {
  if (found == 0 || found == expected) return;
  throw ArgumentError(
      "expected " + std::to_string(expected) + " values, got " + std::to_string(found), what);
}

void check_origin(const ProfileOrigin& origin, std::size_t n) {
  if (origin.x.empty() && n > 0) throw ArgumentError("must be given", "x");
  check_length(origin.x.size(), n, "x");
  check_length(origin.covariance.size(), n * n, "covariance");
  check_length(origin.box.lower.size(), n, "lower");
  check_length(origin.box.upper.size(), n, "upper");
  check_length(origin.box.fixed.size(), n, "fixed");
}

}  // namespace

std::string_view to_string(CrossingStatus status) noexcept {
  switch (status) {
    case CrossingStatus::found:
      return "found";
    case CrossingStatus::at_bound:
      return "at_bound";
    case CrossingStatus::at_edge:
      return "at_edge";
    case CrossingStatus::unlimited:
      return "unlimited";
    case CrossingStatus::new_minimum:
      return "new_minimum";
    case CrossingStatus::failed:
      return "failed";
    case CrossingStatus::not_done:
      break;
  }
  return "not_done";
}

ProfileCrossings profile_crossings(const Likelihood& likelihood, const ProfileOrigin& origin,
                                   const std::vector<ProfileRay>& rays,
                                   const ProfileOptions& options, const RunOptions& run) {
  const Model& model = likelihood.model();
  check_origin(origin, model.n_parameters());
  const std::vector<char>& fixed = origin.box.fixed.empty() ? model.fixed() : origin.box.fixed;
  for (const ProfileRay& ray : rays) check_ray(ray, model, fixed);
  std::vector<double> gradient(model.n_parameters());
  const Evaluation start =
      make_evaluator(likelihood)->value_and_gradient(origin.x.data(), gradient.data());
  if (start.status != EvaluationStatus::ok) {
    throw ArgumentError("the likelihood is zero at the origin of the rays", "x");
  }
  ProfileCrossings result;
  result.crossings.resize(rays.size());
  std::vector<std::unique_ptr<detail::RaySearch>> workers(detail::n_workers(rays.size(), 1, run));
  result.complete =
      detail::run_items(rays.size(), 1, run, [&](std::size_t ray, std::size_t worker) {
        if (!workers[worker]) {
          workers[worker] = std::make_unique<detail::RaySearch>(likelihood, origin, start.value,
                                                                gradient, options);
        }
        result.crossings[ray] = workers[worker]->follow(rays[ray]);
      });
  return result;
}

std::vector<ProfileRay> error_rays(const std::vector<std::size_t>& parameters, double rise) {
  std::vector<ProfileRay> rays;
  for (const std::size_t parameter : parameters) {
    rays.push_back({{parameter}, {-1.0}, rise});
    rays.push_back({{parameter}, {1.0}, rise});
  }
  return rays;
}

}  // namespace nablafit
