#include "formula.hpp"

#include <algorithm>
#include <string>

#include "nablafit/hyper_dual.hpp"

namespace nablafit::detail {

namespace {

std::vector<std::string> all_names(const FormulaFactor& factor) {
  std::vector<std::string> names = factor.parameters;
  for (const BinVariable& variable : factor.variables) names.push_back(variable.name);
  return names;
}

}  // namespace

Formula::Formula(const FormulaFactor& factor)
    : function_(factor.function),
      n_parameters_(factor.parameters.size()),
      n_variables_(factor.variables.size()) {
  if (function_ == nullptr) {
    expression_ = std::make_shared<const Expression>(factor.expression, all_names(factor));
  }
}

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
  if (function_ != nullptr) return derivatives_of_function(parameters, gradient, hessian);
  return differentiate([this](const auto* x) { return evaluate_expression(x); }, n_parameters_,
                       parameters, gradient, hessian);
}

template <typename Use>
void Formula::for_each_node(const double* parameters, const Use& use) const {
  std::vector<double> arguments(parameters, parameters + n_parameters_);
  arguments.resize(n_parameters_ + n_variables_);
  if (weights_.empty()) return use(arguments.data(), 1.0);
  for (std::size_t node = 0; node < weights_.size(); ++node) {
    std::copy_n(variables_.begin() + static_cast<std::ptrdiff_t>(node * n_variables_), n_variables_,
                arguments.begin() + static_cast<std::ptrdiff_t>(n_parameters_));
    use(arguments.data(), weights_[node]);
  }
}

double Formula::value_of_function(const double* parameters) const {
  double sum = 0.0;
  for_each_node(parameters, [&](const double* arguments, double weight) {
    sum += weight * function_->value(arguments);
  });
  return sum;
}

double Formula::derivatives_of_function(const double* parameters, double* gradient,
                                        double* hessian) const {
  const std::size_t n = n_parameters_, n_arguments = n_parameters_ + n_variables_;
  std::vector<double> first(n_arguments);
  std::vector<double> second(hessian == nullptr ? 0 : n_arguments * n_arguments);
  std::fill_n(gradient, n, 0.0);
  if (hessian != nullptr) std::fill_n(hessian, n * n, 0.0);
  double sum = 0.0;
  for_each_node(parameters, [&](const double* arguments, double weight) {
    double* wanted = hessian == nullptr ? nullptr : second.data();
    sum += weight * function_->derivatives(arguments, first.data(), wanted);
    for (std::size_t i = 0; i < n; ++i) {
      gradient[i] += weight * first[i];
      for (std::size_t j = 0; hessian != nullptr && j < n; ++j) {
        hessian[i * n + j] += weight * second[i * n_arguments + j];
      }
    }
  });
  return sum;
}

}  // namespace nablafit::detail
