#include "formula/formula.hpp"

#include <algorithm>
#include <string>
#include <tuple>

namespace nablafit {

Function::~Function() = default;

namespace detail {

std::shared_ptr<const Expression> parse_expression(const FormulaFactor& factor) {
  std::vector<std::string> names = factor.parameters;
  for (const BinVariable& variable : factor.variables) names.push_back(variable.name);
  return std::make_shared<const Expression>(factor.expression, names, factor.parameters.size());
}

Formula::Formula(const FormulaFactor& factor, std::size_t n_bins)
    : function_(factor.function),
      n_parameters_(factor.parameters.size()),
      n_variables_(factor.variables.size()),
      n_values_(factor.is_per_bin() ? n_bins : 1),
      weights_(factor.weights) {
  if (function_ == nullptr) expression_ = parse_expression(factor);
  if (!weights_.empty()) n_nodes_ = weights_.size() / n_bins;
  for (const BinVariable& variable : factor.variables) {
    variables_.insert(variables_.end(), variable.values.begin(), variable.values.end());
  }
}

void Formula::differentiate(const double* parameters, FormulaScratch<double>& scratch,
                            double* values, double* slopes) const {
  const std::size_t n_slopes = n_parameters_;
  std::fill_n(values, n_values_, 0.0);
  std::fill_n(slopes, n_values_ * n_slopes, 0.0);
  if (function_ != nullptr) {
    for_each_node(parameters, scratch, 0, n_values_,
                  [&](std::size_t bin, const double* arguments, double weight) {
                    double* first = scratch.first.data();
                    values[bin] += weight * function_->derivatives(arguments, first, nullptr);
                    for (std::size_t i = 0; i < n_slopes; ++i) {
                      slopes[bin * n_slopes + i] += weight * first[i];
                    }
                  });
    return;
  }
  ExpressionTape<double>& tape = scratch.tape;
  tape.begin(*expression_, parameters, n_places());
  scratch.seeds.resize(ExpressionTape<double>::max_lanes);
  for_each_block(tape, 0, n_places(), [&](std::size_t first, std::size_t n, const double* found) {
    for_each_place(first, n, [&](std::size_t l, std::size_t bin) {
      scratch.seeds[l] = weight(first + l);
      values[bin] += scratch.seeds[l] * found[l];
    });
    tape.backward(scratch.seeds.data(), n);
    for (std::size_t i = 0; i < n_slopes; ++i) {
      const double* of_place = tape.adjoint(i);
      if (of_place == nullptr) continue;
      for_each_place(first, n, [&](std::size_t l, std::size_t bin) {
        slopes[bin * n_slopes + i] += of_place[l];
      });
    }
  });
}

void Formula::hessian(const double* parameters, FormulaScratch<HessianNumber>& scratch,
                      const double* adjoints, double* hessian) const {
  constexpr std::size_t n_directions = std::tuple_size_v<decltype(HessianNumber::slopes)>;
  const std::size_t n = n_parameters_;
  scratch.parameters.assign(parameters, parameters + n);
  scratch.adjoints.assign(adjoints, adjoints + n_values_);
  scratch.rows.resize(n);
  for (std::size_t first = 0; first < n; first += n_directions) {
    const std::size_t n_columns = std::min(n_directions, n - first);
    for (std::size_t j = 0; j < n_columns; ++j) scratch.parameters[first + j].slopes[j] = 1.0;
    std::fill(scratch.rows.begin(), scratch.rows.end(), HessianNumber());
    pull_back(scratch.parameters.data(), scratch, scratch.adjoints.data(), scratch.rows.data());
    for (std::size_t j = 0; j < n_columns; ++j) {
      scratch.parameters[first + j].slopes[j] = 0.0;
      for (std::size_t i = 0; i < n; ++i) {
        hessian[i * n + first + j] = scratch.rows[i].slopes[j];
      }
    }
  }
  for (std::size_t i = 0; i < n; ++i) {  // equal up to rounding
    for (std::size_t j = 0; j < i; ++j) {
      hessian[i * n + j] = hessian[j * n + i] = 0.5 * (hessian[i * n + j] + hessian[j * n + i]);
    }
  }
}

}  // namespace detail
}  // namespace nablafit
