// Fits the slope of a falling background given by a function in this program, with exact
// derivatives, and again with a hand-written pullback.
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <utility>

#include "nablafit/builder.hpp"
#include "nablafit/error.hpp"
#include "nablafit/function.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/minimize.hpp"
#include "nablafit/model.hpp"

namespace {

/// exp(-slope x) of a[0] = slope and a[1] = x, for any scalar: nablafit differentiates it.
struct Falling {
  template <typename T>
  T operator()(const T* a) const {
    using std::exp;
    return exp(-a[0] * a[1]);
  }
};

double falling(const double* a) { return std::exp(-a[0] * a[1]); }

/// Adds seed times the derivatives; Clad writes functions of this form.
void falling_pullback(const double* a, double seed, double* adjoints) {
  const double value = falling(a);
  adjoints[0] -= seed * a[1] * value;
  adjoints[1] -= seed * a[0] * value;
}

void fit(const char* name, nablafit::FormulaFactor factor) {
  nablafit::ModelBuilder builder;
  nablafit::Parameter slope;
  slope.name = "slope";
  slope.initial = 0.5;
  slope.upper = 5.0;
  builder.add_parameter(slope);
  auto channel = builder.channel("mass");
  channel.sample("background", {200.0, 200.0, 200.0, 200.0})
      .norm_factor("norm")
      .formula(std::move(factor));
  channel.sample("signal", {0.0, 5.0, 10.0, 5.0}).norm_factor("mu");
  channel.observed({180.0, 133.0, 111.0, 75.0});
  const nablafit::Model model(builder.build());
  const nablafit::Likelihood likelihood(model, model.data(builder.observations()));
  const nablafit::MinimizeSummary found = nablafit::minimize(likelihood);
  std::printf("%s", name);
  for (const char* parameter : {"slope", "norm", "mu"}) {
    const std::size_t i = model.parameter_index(parameter);
    std::printf(" %.10g %.6g", found.x[i], found.errors[i]);
  }
  std::printf("\n");
}

}  // namespace

int main() {
  try {
    nablafit::FormulaFactor factor{"falling", "", {"slope"}, {{"x", {0.5, 1.5, 2.5, 3.5}}}};
    factor.function = nablafit::make_function(2, Falling());
    fit("forward", factor);
    factor.function = nablafit::make_function(2, &falling, &falling_pullback);
    fit("pullback", factor);
  } catch (const nablafit::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
