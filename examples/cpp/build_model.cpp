// Builds a model in code, evaluates it in every possible way, fits it, and fits 1000 toys.
#include <cstddef>
#include <cstdio>
#include <vector>

#include "nablafit/batch.hpp"
#include "nablafit/builder.hpp"
#include "nablafit/digest.hpp"
#include "nablafit/error.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/minimize.hpp"
#include "nablafit/model.hpp"
#include "nablafit/toys.hpp"

namespace {

/// A signal region with two bins and a control region that measures the background.
void fill(nablafit::ModelBuilder& builder) {
  auto signal_region = builder.channel("signal_region");
  signal_region.sample("signal", {6.0, 12.0}).norm_factor("mu").norm_sys("acceptance", 0.97, 1.03);
  signal_region.sample("background", {60.0, 40.0})
      .norm_factor("background_norm")
      .histo_sys("energy_scale", {57.0, 42.0}, {64.0, 38.5})
      .stat_error({2.5, 2.0});
  signal_region.observed({71.0, 55.0});

  auto control_region = builder.channel("control_region");
  control_region.sample("background", {500.0})
      .norm_factor("background_norm")
      .norm_sys("energy_scale", 0.98, 1.02);
  control_region.observed({523.0});

  builder.parameter("mu").upper = 20.0;
  builder.parameter_of_interest("mu");
}

/// Value, gradient, Hessian, Hessian times vector, expected events, at the initial point.
void evaluate(const nablafit::Likelihood& likelihood) {
  const nablafit::Model& model = likelihood.model();
  const std::size_t n = model.n_parameters();
  const std::vector<double>& x = model.initial();
  std::vector<double> gradient(n);
  std::vector<double> hessian(n * n);
  std::vector<double> product(n);
  std::vector<double> yields(model.n_bins());

  const auto evaluator = nablafit::make_evaluator(likelihood);
  const nablafit::Evaluation result = evaluator->value_and_gradient(x, gradient);
  evaluator->hessian(x, hessian);
  evaluator->hessian_vector_product(x, gradient, product);
  model.expected(x, yields);

  const std::size_t mu = model.parameter_index("mu");
  std::printf("value %.10g\n", result.value);
  std::printf("d/dmu %.10g\n", gradient[mu]);
  std::printf("d2/dmu2 %.10g\n", hessian[mu * n + mu]);
  std::printf("hessian_times_gradient[mu] %.10g\n", product[mu]);
  std::printf("expected %.10g %.10g %.10g\n", yields[0], yields[1], yields[2]);
}

/// Mean pull of mu in toys drawn at the fitted parameters.
void fit_toys(const nablafit::Model& model, const std::vector<double>& x) {
  constexpr std::size_t n_toys = 1000;
  const nablafit::Toys toys = nablafit::generate_toys(model, x, n_toys, /*seed=*/1);
  nablafit::FitManyArguments arguments;
  arguments.n_fits = toys.n;
  arguments.counts = nablafit::make_rows(toys.counts, model.n_bins());
  arguments.global_observables =
      nablafit::make_rows(toys.global_observables, model.constrained_parameters().size());
  nablafit::FitManyOptions options;
  options.kept_parameters = {model.parameter_index("mu")};
  const nablafit::FitManyResult fits = nablafit::fit_many(model, arguments, options);

  double sum = 0.0;
  std::size_t n_valid = 0;
  for (std::size_t i = 0; i < fits.n_fits; ++i) {
    if (!nablafit::is_minimum(fits.status[i]) || !(fits.errors[i] > 0.0)) continue;
    sum += (fits.x[i] - x[model.parameter_index("mu")]) / fits.errors[i];
    ++n_valid;
  }
  std::printf("toys %zu mean_pull %.3f\n", n_valid, sum / static_cast<double>(n_valid));
}

}  // namespace

int main() {
  try {
    nablafit::ModelBuilder builder("example");
    fill(builder);
    const nablafit::Model model(builder.build());
    const nablafit::Likelihood likelihood(model, model.data(builder.observations()));
    std::printf("model %s\n", nablafit::digest(model.spec()).c_str());
    evaluate(likelihood);
    const nablafit::MinimizeSummary fit = nablafit::minimize(likelihood);
    const std::size_t mu = model.parameter_index("mu");
    std::printf("mu %.10g +- %.10g\n", fit.x[mu], fit.errors[mu]);
    fit_toys(model, fit.x);
  } catch (const nablafit::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
