#include <Eigen/Eigenvalues>
#include <cmath>
#include <string>
#include <utility>

#include "differentiate/implicit_fit.hpp"
#include "differentiate/input_derivatives.hpp"
#include "evaluate/fused_evaluator.hpp"
#include "nablafit/differentiate.hpp"
#include "nablafit/error.hpp"

namespace nablafit {
namespace {

using detail::ImplicitFit;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Eigenvalues below this fraction of the largest are rounding.
constexpr double smallest_eigenvalue = 1e-15;

/// Adds the derivatives of <cotangent, H^-1>: one third-order sweep for each eigenvector of the
/// cotangent restricted to the free parameters.
void add_covariance(ImplicitFit& fit, const double* cotangent, FullGradient& total) {
  const std::size_t n = fit.x().size();
  std::vector<std::size_t> free;
  for (std::size_t p = 0; p < n; ++p) {
    bool any = false;
    for (std::size_t q = 0; q < n; ++q) {
      any = any || cotangent[p * n + q] != 0.0 || cotangent[q * n + p] != 0.0;
    }
    if (fit.free()[p] != 0 && any) free.push_back(p);
  }
  if (free.empty()) return;
  const auto size = static_cast<Eigen::Index>(free.size());
  Matrix symmetric(size, size);
  for (Eigen::Index i = 0; i < size; ++i) {
    for (Eigen::Index j = 0; j < size; ++j) {
      const std::size_t p = free[static_cast<std::size_t>(i)];
      const std::size_t q = free[static_cast<std::size_t>(j)];
      symmetric(i, j) = 0.5 * (cotangent[p * n + q] + cotangent[q * n + p]);
    }
  }
  const Eigen::SelfAdjointEigenSolver<Matrix> spectrum(symmetric);
  const double largest = spectrum.eigenvalues().cwiseAbs().maxCoeff();
  std::vector<double> direction(n);
  for (Eigen::Index k = 0; k < size; ++k) {
    const double eigenvalue = spectrum.eigenvalues()[k];
    if (std::abs(eigenvalue) <= smallest_eigenvalue * largest) continue;
    for (Eigen::Index i = 0; i < size; ++i) {
      direction[free[static_cast<std::size_t>(i)]] = spectrum.eigenvectors()(i, k);
    }
    fit.add_variance(eigenvalue, direction, total);
  }
}

double dot(const std::vector<double>& a, const double* b) {
  double sum = 0.0;
  if (b == nullptr) return sum;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void require_length(const char* name, Span<const double> values, std::size_t size) {
  if (values.size() == size) return;
  throw ArgumentError(
      "expected " + std::to_string(size) + " values, got " + std::to_string(values.size()), name);
}

void require_likelihood(const Likelihood& likelihood, Span<const double> x) {
  require_length("x", x, likelihood.model().n_parameters());
  detail::FusedEvaluator evaluator(likelihood);
  const Evaluation evaluation = evaluator.value(x.data());
  if (evaluation.status == EvaluationStatus::ok) return;
  throw ArgumentError("the likelihood is not defined at this point and has no derivative: " +
                          std::string(to_string(evaluation.status)),
                      "x");
}

/// Yields do not depend on the data, so any data can be used.
Likelihood without_events(const Model& model, Span<const double> x) {
  require_length("x", x, model.n_parameters());
  Data data{std::vector<double>(model.n_bins(), 0.0), {}};
  for (const std::size_t p : model.constrained_parameters()) {
    data.global_observables.push_back(detail::stored_observable(model.compiled().constraints[p]));
  }
  return {model, std::move(data)};
}

}  // namespace

struct DifferentiableFit::Implementation : ImplicitFit {
  using ImplicitFit::ImplicitFit;
};

DifferentiableFit::DifferentiableFit(const Likelihood& likelihood,
                                     const MinimizeArguments& arguments)
    : implementation_(std::make_unique<Implementation>(likelihood, arguments)) {}
DifferentiableFit::~DifferentiableFit() = default;
DifferentiableFit::DifferentiableFit(DifferentiableFit&&) noexcept = default;
DifferentiableFit& DifferentiableFit::operator=(DifferentiableFit&&) noexcept = default;

const Likelihood& DifferentiableFit::likelihood() const noexcept {
  return implementation_->likelihood();
}
const std::vector<double>& DifferentiableFit::x() const noexcept { return implementation_->x(); }
double DifferentiableFit::value() const noexcept { return implementation_->value(); }
const std::vector<char>& DifferentiableFit::free() const noexcept {
  return implementation_->free();
}
std::vector<double> DifferentiableFit::covariance() {
  return implementation_->hessian().covariance();
}

FullGradient DifferentiableFit::pull_back(const FitCotangent& cotangent) {
  ImplicitFit& fit = *implementation_;
  const std::size_t n = fit.x().size();
  FullGradient total;
  total.parameters.assign(n, 0.0);
  total.inputs.assign(fit.derivatives().structure().layout.size, 0.0);
  total.counts.assign(fit.likelihood().model().n_bins(), 0.0);
  total.global_observables.assign(fit.likelihood().data().global_observables.size(), 0.0);
  if (cotangent.parameters != nullptr) {
    for (std::size_t p = 0; p < n; ++p) total.parameters[p] += cotangent.parameters[p];
  }
  if (cotangent.yields != nullptr) {
    total.add(1.0, fit.derivatives().yields(fit.x().data(), cotangent.yields));
  }
  if (cotangent.covariance != nullptr) add_covariance(fit, cotangent.covariance, total);
  fit.pull_back_minimum(total);
  if (cotangent.value != 0.0) total.add(cotangent.value, fit.envelope());
  return total;
}

FitTangent DifferentiableFit::push_forward(const FullTangent& tangent, bool with_covariance) {
  ImplicitFit& fit = *implementation_;
  const double* x = fit.x().data();
  const std::size_t n = fit.x().size();
  FitTangent result;
  const FullGradient envelope = fit.envelope();
  result.parameters.assign(n, 0.0);
  for (std::size_t p = 0; p < n; ++p) {
    const bool fixed = tangent.parameters != nullptr && fit.is_fixed(p);
    if (fixed) result.parameters[p] = tangent.parameters[p];
  }
  result.value = dot(envelope.parameters, result.parameters.data()) +
                 dot(envelope.inputs, tangent.inputs) + dot(envelope.counts, tangent.counts) +
                 dot(envelope.global_observables, tangent.global_observables);
  FullTangent whole = tangent;
  whole.parameters = result.parameters.data();
  const std::vector<double> change =
      fit.hessian().solve(fit.derivatives().tangent_of_gradient(x, whole));
  for (std::size_t p = 0; p < n; ++p) {
    if (fit.free()[p] != 0) result.parameters[p] = -change[p];
  }
  result.yields = fit.derivatives().tangent_of_yields(x, whole);
  if (!with_covariance) return result;
  result.covariance.assign(n * n, 0.0);
  std::vector<double> unit(n, 0.0);
  for (std::size_t p = 0; p < n; ++p) {
    if (fit.free()[p] == 0) continue;
    unit[p] = 1.0;
    const std::vector<double> column = fit.hessian().solve(unit);
    unit[p] = 0.0;
    const std::vector<double> changed =
        fit.hessian().solve(fit.derivatives().tangent_of_product(x, column.data(), whole));
    for (std::size_t q = 0; q < n; ++q) result.covariance[q * n + p] = -changed[q];
  }
  return result;
}

FullGradient full_gradient(const Likelihood& likelihood, Span<const double> x, bool deviance) {
  require_likelihood(likelihood, x);
  detail::InputDerivatives derivatives(likelihood);
  FullGradient gradient = derivatives.gradient(x.data());
  if (deviance) gradient.add(-1.0, derivatives.constant());
  return gradient;
}

FullGradient mixed_product(const Likelihood& likelihood, Span<const double> x,
                           Span<const double> v) {
  require_likelihood(likelihood, x);
  require_length("v", v, x.size());
  return detail::InputDerivatives(likelihood).mixed(x.data(), v.data());
}

std::vector<double> gradient_tangent(const Likelihood& likelihood, Span<const double> x,
                                     const FullTangent& tangent) {
  require_likelihood(likelihood, x);
  return detail::InputDerivatives(likelihood).tangent_of_gradient(x.data(), tangent);
}

FullGradient yields_gradient(const Model& model, Span<const double> x, Span<const double> weights) {
  require_length("weights", weights, model.n_bins());
  return detail::InputDerivatives(without_events(model, x)).yields(x.data(), weights.data());
}

std::vector<double> yields_tangent(const Model& model, Span<const double> x,
                                   const FullTangent& tangent) {
  return detail::InputDerivatives(without_events(model, x)).tangent_of_yields(x.data(), tangent);
}

}  // namespace nablafit
