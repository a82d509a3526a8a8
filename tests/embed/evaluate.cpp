// Prints -log L / L_saturated of a workspace at its initial point and the gradient, one per line.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "nablafit/error.hpp"
#include "nablafit/io/pyhf.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/model.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s WORKSPACE.json\n", argv[0]);
    return 2;
  }
  try {
    std::ifstream file(argv[1]);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const auto workspace = nablafit::io::PyhfWorkspace::parse(text, argv[1]);
    const nablafit::Model model(workspace.model_spec());
    const nablafit::Likelihood likelihood(model, model.data(workspace.observations()));
    const auto evaluator = nablafit::make_evaluator(likelihood);
    std::vector<double> gradient(model.n_parameters());
    const auto result = evaluator->value_and_gradient(model.initial().data(), gradient.data());
    std::printf("value %.17g\n", result.value);
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      std::printf("%s %.17g\n", model.parameter_names()[i].c_str(), gradient[i]);
    }
  } catch (const nablafit::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
