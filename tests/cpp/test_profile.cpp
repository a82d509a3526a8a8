// Rays of the profile likelihood: heights at their ends, bounds, threads, misuse.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "batch_models.hpp"
#include "nablafit/error.hpp"
#include "nablafit/profile.hpp"

using namespace nablafit;

namespace {

Likelihood observed() {
  const Model model(tests::batch_spec());
  Data data{{70.0, 66.0, 29.0, 205.0}, {}};
  data.global_observables.resize(model.constrained_parameters().size());
  model.expected_global_observables(model.initial().data(), data.global_observables.data());
  return Likelihood(model, data);
}

ProfileOrigin origin_of(const Likelihood& likelihood) {
  MinimizeOptions options;
  options.covariance = CovarianceKind::full;
  const MinimizeSummary minimum = minimize(likelihood, {}, options);
  REQUIRE(is_minimum(minimum.status));
  return {minimum.x, minimum.covariance, {}};
}

std::vector<std::size_t> all_parameters(const Likelihood& likelihood) {
  std::vector<std::size_t> parameters(likelihood.model().n_parameters());
  for (std::size_t j = 0; j < parameters.size(); ++j) parameters[j] = j;
  return parameters;
}

RunOptions threads(std::size_t n) {
  RunOptions run;
  run.n_threads = n;
  return run;
}

/// Rise of -2 log L with the parameters of a ray held at a distance.
double rise_at(const Likelihood& likelihood, const ProfileOrigin& origin, const ProfileRay& ray,
               double distance) {
  MinimizeArguments arguments;
  arguments.start = origin.x;
  arguments.fixed = likelihood.model().fixed();
  for (std::size_t k = 0; k < ray.parameters.size(); ++k) {
    arguments.start[ray.parameters[k]] += distance * ray.direction[k];
    arguments.fixed[ray.parameters[k]] = 1;
  }
  const double best = make_evaluator(likelihood)->value(origin.x.data()).value;
  return 2.0 * (minimize(likelihood, arguments).value - best);
}

}  // namespace

TEST_CASE("rays end where the profile has risen") {
  const Likelihood likelihood = observed();
  const ProfileOrigin origin = origin_of(likelihood);
  std::vector<ProfileRay> rays = error_rays(all_parameters(likelihood), 2.0);
  rays.push_back({{0, 1}, {0.3, 0.8}, 5.0});
  rays.push_back({{1, 2}, {-1.0, 0.0}, 0.5});
  const ProfileCrossings found = profile_crossings(likelihood, origin, rays);
  CHECK(found.complete);
  REQUIRE(found.crossings.size() == rays.size());
  for (std::size_t i = 0; i < rays.size(); ++i) {
    CAPTURE(i);
    const Crossing& crossing = found.crossings[i];
    REQUIRE(crossing.status == CrossingStatus::found);
    CHECK(crossing.n_fits <= 5);
    const double rise = rise_at(likelihood, origin, rays[i], crossing.distance);
    CHECK(rise == doctest::Approx(rays[i].rise).epsilon(1e-5));
  }
}

TEST_CASE("rays end without a covariance too, after more fits") {
  const Likelihood likelihood = observed();
  ProfileOrigin origin = origin_of(likelihood);
  const std::vector<ProfileRay> rays = error_rays(all_parameters(likelihood));
  const ProfileCrossings guided = profile_crossings(likelihood, origin, rays);
  origin.covariance.clear();
  const ProfileCrossings blind = profile_crossings(likelihood, origin, rays);
  for (std::size_t i = 0; i < rays.size(); ++i) {
    CAPTURE(i);
    REQUIRE(blind.crossings[i].status == CrossingStatus::found);
    CHECK(blind.crossings[i].distance ==
          doctest::Approx(guided.crossings[i].distance).epsilon(1e-5));
  }
}

TEST_CASE("rays are the same, bit for bit, for any number of threads") {
  const Likelihood likelihood = observed();
  const ProfileOrigin origin = origin_of(likelihood);
  const std::vector<ProfileRay> rays = error_rays(all_parameters(likelihood), 4.0);
  const ProfileCrossings one = profile_crossings(likelihood, origin, rays, {}, threads(1));
  for (const std::size_t n : {2U, 3U, 7U}) {
    const ProfileCrossings several = profile_crossings(likelihood, origin, rays, {}, threads(n));
    for (std::size_t i = 0; i < rays.size(); ++i) {
      CHECK(several.crossings[i].distance == one.crossings[i].distance);
      CHECK(several.crossings[i].rise == one.crossings[i].rise);
      CHECK(several.crossings[i].n_gradients == one.crossings[i].n_gradients);
    }
  }
}

TEST_CASE("bounds of held parameters end a ray") {
  const Likelihood likelihood = observed();
  ProfileOrigin origin = origin_of(likelihood);
  origin.box.lower = likelihood.model().lower();
  origin.box.upper = likelihood.model().upper();
  origin.box.upper[0] = origin.x[0] + 0.1;
  origin.box.lower[1] = origin.x[1];
  const ProfileCrossings found = profile_crossings(
      likelihood, origin, {{{0}, {1.0}, 1.0}, {{1}, {-1.0}, 1.0}, {{0, 1}, {2.0, 1.0}, 1.0}});
  CHECK(found.crossings[0].status == CrossingStatus::at_bound);
  CHECK(found.crossings[0].distance == doctest::Approx(0.1));
  CHECK(found.crossings[0].rise < 1.0);
  CHECK(found.crossings[1].status == CrossingStatus::at_bound);
  CHECK(found.crossings[1].distance == 0.0);
  CHECK(found.crossings[1].n_fits == 0);
  CHECK(found.crossings[2].status == CrossingStatus::at_bound);
  CHECK(found.crossings[2].distance == doctest::Approx(0.05));
}

TEST_CASE("a value below the origin's ends a ray with its minimum") {
  const Likelihood likelihood = observed();
  const ProfileOrigin best = origin_of(likelihood);
  ProfileOrigin origin = best;
  origin.x[0] -= 1.0;
  const ProfileCrossings found = profile_crossings(likelihood, origin, {{{0}, {1.0}, 1.0}});
  REQUIRE(found.crossings[0].status == CrossingStatus::new_minimum);
  CHECK(std::isnan(found.crossings[0].distance));
  REQUIRE(found.crossings[0].x.size() == best.x.size());
  CHECK(found.crossings[0].x[0] == doctest::Approx(best.x[0]).epsilon(1e-4));
  CHECK(found.crossings[0].rise < 0.0);
}

TEST_CASE("a stopped call leaves the rest undone") {
  const Likelihood likelihood = observed();
  const ProfileOrigin origin = origin_of(likelihood);
  RunOptions run = threads(1);
  run.poll = [](std::size_t) { return false; };
  std::vector<ProfileRay> rays;
  while (rays.size() < 4000) rays.push_back({{0}, {1.0}, 1.0});
  const ProfileCrossings found = profile_crossings(likelihood, origin, rays, {}, run);
  CHECK_FALSE(found.complete);
  CHECK(found.crossings.front().status == CrossingStatus::found);
  CHECK(found.crossings.back().status == CrossingStatus::not_done);
}

TEST_CASE("misuse throws") {
  const Likelihood likelihood = observed();
  const ProfileOrigin origin = origin_of(likelihood);
  const auto run = [&](const ProfileRay& ray) { profile_crossings(likelihood, origin, {ray}); };
  CHECK_THROWS_AS(run({{}, {}, 1.0}), ArgumentError);
  CHECK_THROWS_AS(run({{0}, {1.0, 2.0}, 1.0}), ArgumentError);
  CHECK_THROWS_AS(run({{99}, {1.0}, 1.0}), ArgumentError);
  CHECK_THROWS_AS(run({{0}, {0.0}, 1.0}), ArgumentError);
  CHECK_THROWS_AS(run({{0}, {std::nan("")}, 1.0}), ArgumentError);
  CHECK_THROWS_AS(run({{0, 0}, {1.0, 1.0}, 1.0}), ArgumentError);
  CHECK_THROWS_AS(run({{0}, {1.0}, 0.0}), ArgumentError);
  ProfileOrigin bad = origin;
  bad.box.fixed.assign(origin.x.size(), 1);
  CHECK_THROWS_AS(profile_crossings(likelihood, bad, {{{0}, {1.0}, 1.0}}), ArgumentError);
  bad = origin;
  bad.x.pop_back();
  CHECK_THROWS_AS(profile_crossings(likelihood, bad, {}), ArgumentError);
  bad = origin;
  bad.covariance.pop_back();
  CHECK_THROWS_AS(profile_crossings(likelihood, bad, {}), ArgumentError);
  bad = origin;
  bad.x[0] = -1e6;
  CHECK_THROWS_AS(profile_crossings(likelihood, bad, {}), ArgumentError);
}
