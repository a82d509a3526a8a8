// Fits a workspace (pyhf or HS3 JSON) and prints the parameters.
//
//   fit_workspace WORKSPACE.json [MEASUREMENT]
#include <cstddef>
#include <cstdio>
#include <string>

#include "nablafit/error.hpp"
#include "nablafit/io/workspace.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/minimize.hpp"
#include "nablafit/model.hpp"

namespace {

int fit(const std::string& path, const std::string& measurement) {
  const auto workspace = nablafit::io::Workspace::load(path);
  const nablafit::Model model(workspace.model_spec(measurement));
  for (const std::string& warning : model.warnings()) std::printf("note: %s\n", warning.c_str());
  const nablafit::Likelihood likelihood(model, model.data(workspace.observations()));

  const nablafit::MinimizeSummary fit = nablafit::minimize(likelihood);

  std::printf("%s\n", fit.message.c_str());
  std::printf("-2 log L = %.10g after %d iterations\n", 2.0 * (fit.value + likelihood.constant()),
              fit.iterations);
  for (std::size_t i = 0; i < model.n_parameters(); ++i) {
    std::printf("%s = %.10g +- %.10g\n", model.parameter_names()[i].c_str(), fit.x[i],
                fit.errors[i]);
  }
  // A fit that fails is an outcome, not an exception.
  return nablafit::is_minimum(fit.status) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    std::fprintf(stderr, "usage: %s WORKSPACE.json [MEASUREMENT]\n", argv[0]);
    return 2;
  }
  try {
    return fit(argv[1], argc == 3 ? argv[2] : "");
  } catch (const nablafit::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
