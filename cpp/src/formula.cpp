#include "formula.hpp"

#include <string>

#include "hyper_dual.hpp"

namespace nablafit::detail {

namespace {

std::vector<std::string> all_names(const FormulaFactor& factor) {
  std::vector<std::string> names = factor.parameters;
  for (const BinVariable& variable : factor.variables) names.push_back(variable.name);
  return names;
}

}  // namespace

Formula::Formula(const FormulaFactor& factor)
    : expression_(std::make_shared<const Expression>(factor.expression, all_names(factor))),
      n_parameters_(factor.parameters.size()) {}

Formula Formula::at_bin(const FormulaFactor& factor, std::size_t bin, std::size_t n_bins) const {
  Formula result = *this;
  if (factor.is_per_bin()) result.set_nodes(factor, bin, n_bins);
  return result;
}

void Formula::set_nodes(const FormulaFactor& factor, std::size_t bin, std::size_t n_bins) {
  const std::size_t n_nodes = factor.weights.empty() ? 1 : factor.weights.size() / n_bins;
  weights_.assign(n_nodes, 1.0);
  variables_.clear();
  for (std::size_t node = 0; node < n_nodes; ++node) {
    const std::size_t place = bin * n_nodes + node;
    if (!factor.weights.empty()) weights_[node] = factor.weights[place];
    for (const BinVariable& variable : factor.variables) {
      variables_.push_back(variable.values[place]);
    }
  }
}

double Formula::derivatives(const double* parameters, double* gradient, double* hessian) const {
  return differentiate([this](const auto* x) { return evaluate(x); }, n_parameters_, parameters,
                       gradient, hessian);
}

}  // namespace nablafit::detail
