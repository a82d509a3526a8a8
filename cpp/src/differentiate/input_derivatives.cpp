#include "differentiate/input_derivatives.hpp"

#include <cmath>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "ad/derivatives.hpp"
#include "differentiate/input_sweep.hpp"
#include "evaluate/compiled_likelihood.hpp"
#include "kernels/terms.hpp"
#include "nablafit/error.hpp"
#include "util/finite.hpp"
#include "util/one_of.hpp"

namespace nablafit {

void FullGradient::add(double factor, const FullGradient& other) {
  const auto add_vector = [factor](std::vector<double>& target, const std::vector<double>& source) {
    target.resize(source.size(), 0.0);
    for (std::size_t i = 0; i < source.size(); ++i) target[i] += factor * source[i];
  };
  add_vector(parameters, other.parameters);
  add_vector(inputs, other.inputs);
  add_vector(counts, other.counts);
  add_vector(global_observables, other.global_observables);
}

namespace detail {
namespace {

namespace derivatives = kernels::derivatives;
using First = Dual<double>;
using Second = Dual<First>;

// --- constraint terms ----------------------------------------------------------------------------

/// -log of the density of a global observable. `width` is sigma, tau, kappa or scale.
template <typename T>
struct ConstraintNll {
  const T &observed, &x, &width;

  T operator()(const GaussianConstraint& c) const {
    if (!c.observable_range) return kernels::gaussian_nll(observed, x, width);
    return kernels::truncated_gaussian_nll(observed, x, width, c.observable_range->lower,
                                           c.observable_range->upper);
  }
  T operator()(const PoissonConstraint&) const {
    return kernels::poisson_constraint_nll(observed, x, width);
  }
  T operator()(const LogNormalConstraint&) const {
    using std::log;
    const T log_kappa = log(width);
    return kernels::lognormal_nll(observed, x, log_kappa);
  }
  T operator()(const GammaConstraint&) const { return kernels::gamma_nll(observed, x, width); }
  template <typename Other, typename = OneOf<Other, Unconstrained, UniformConstraint>>
  T operator()(const Other&) const {
    return T(0.0);
  }
};

/// Its first derivatives, by Clad.
struct ConstraintGradient {
  double observed, x, width;
  using Result = derivatives::ConstraintGradient;

  Result operator()(const GaussianConstraint& c) const {
    if (!c.observable_range) return derivatives::gaussian_nll_gradient(observed, x, width);
    return derivatives::truncated_gaussian_nll_gradient(
        observed, x, width, c.observable_range->lower, c.observable_range->upper);
  }
  Result operator()(const PoissonConstraint&) const {
    return derivatives::poisson_constraint_nll_gradient(observed, x, width);
  }
  Result operator()(const LogNormalConstraint&) const {
    Result result = derivatives::lognormal_nll_gradient(observed, x, std::log(width));
    result.by_width /= width;
    return result;
  }
  Result operator()(const GammaConstraint&) const {
    return derivatives::gamma_nll_gradient(observed, x, width);
  }
  template <typename Other, typename = OneOf<Other, Unconstrained, UniformConstraint>>
  Result operator()(const Other&) const {
    return {0.0, 0.0, 0.0};
  }
};

/// Derivatives of a constraint term with respect to its three arguments, in T: for types other than
/// double by Taylor arithmetic through the kernel.
template <typename T>
struct TermAdjoints {
  T observed, parameter, width;
};

template <typename T>
TermAdjoints<T> term_adjoints(const Constraint& constraint, const T& observed, const T& x,
                              const T& width) {
  if constexpr (std::is_same_v<T, double>) {
    const auto gradient = std::visit(ConstraintGradient{observed, x, width}, constraint);
    return {gradient.by_observed, gradient.by_parameter, gradient.by_width};
  } else {
    const auto along = [&](double a, double b, double c) {
      const Dual<T> at_observed(observed, T(a)), at_x(x, T(b)), at_width(width, T(c));
      return std::visit(ConstraintNll<Dual<T>>{at_observed, at_x, at_width}, constraint).slope;
    };
    return {along(1.0, 0.0, 0.0), along(0.0, 1.0, 0.0), along(0.0, 0.0, 1.0)};
  }
}

// --- bins ----------------------------------------------------------------------------------------

/// Derivative of a Poisson term with respect to its mean.
template <typename T, typename D>
T bin_weight(const D& count, const T& lambda) {
  if constexpr (std::is_same_v<T, double>) {
    return derivatives::poisson_deviance_first(count, lambda);
  } else {
    if (count == 0.0 && lambda == 0.0) return T(1.0);
    return 1.0 - count / lambda;
  }
}

/// Top derivative of a Poisson term with respect to its count.
template <typename T>
double count_adjoint(double count, const T& lambda) {
  using std::log;
  if (!(lambda > 0.0)) return 0.0;
  if constexpr (std::is_same_v<T, double>) {
    return derivatives::poisson_nll_by_n(count, lambda);
  } else {
    return -top(log(lambda));
  }
}

template <typename T>
std::vector<double> tops(const std::vector<T>& numbers) {
  std::vector<double> result(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) result[i] = top(numbers[i]);
  return result;
}

/// `values` as first-level numbers with the slopes of `direction` (null: none).
std::vector<First> along(const std::vector<double>& values, const double* direction) {
  std::vector<First> result(values.begin(), values.end());
  if (direction == nullptr) return result;
  for (std::size_t i = 0; i < result.size(); ++i) result[i].slope = direction[i];
  return result;
}

/// The data of a likelihood as D.
template <typename D>
struct DataValues {
  const std::vector<D>& counts;
  const std::vector<D>& observed;
};

}  // namespace

/// Sweeps are created on first use.
struct InputDerivatives::Sweeps {
  explicit Sweeps(const InputDerivatives& owner)
      : structure(*owner.structure_),
        model(owner.likelihood_.model().compiled()),
        data(owner.likelihood_.data()),
        inputs(inputs_of(model)),
        slots(make_slots(structure, inputs.data())) {}

  template <typename T, typename D>
  static InputSweep<T, D>& made(std::optional<InputSweep<T, D>>& sweep,
                                const InputStructure& structure) {
    if (!sweep) sweep.emplace(structure);
    return *sweep;
  }

  /// Derivatives of L: all levels with respect to parameters; top ones to the rest if not null.
  template <typename T, typename D>
  std::vector<T> differentiate(InputSweep<T, D>& sweep, const std::vector<T>& x,
                               const InputSlots<D>& at, const DataValues<D>& values,
                               InputSlots<double>* slot_adjoints, FullGradient* gradient) {
    const std::vector<T>& lambda = sweep.forward(x.data(), at);
    std::vector<T> weights(lambda.size()), parameters(x.size(), T(0.0));
    for (std::size_t b = 0; b < weights.size(); ++b) {
      const bool floored =
          !model.bin_floor.empty() && is_floored(innermost(lambda[b]), model.bin_floor[b]);
      const T yield = floored ? T(model.bin_floor[b]) : lambda[b];
      weights[b] = floored ? T(0.0) : bin_weight(values.counts[b], yield);
      if (gradient != nullptr) gradient->counts[b] = count_adjoint(data.counts[b], yield);
    }
    sweep.backward(weights.data(), parameters.data(), slot_adjoints);
    for (std::size_t i = 0; i < model.constrained.size(); ++i) {
      const std::size_t p = model.constrained[i];
      const auto term =
          term_adjoints<T>(model.constraints[p], T(values.observed[i]), x[p], T(at.widths[i]));
      parameters[p] += term.parameter;
      if (gradient == nullptr) continue;
      gradient->global_observables[i] = top(term.observed);
      slot_adjoints->widths[i] += top(term.width);
    }
    return parameters;
  }

  /// The full gradient of the derivative of L along the directions in `x`.
  template <typename T>
  FullGradient full(std::optional<InputSweep<T, double>>& sweep, const std::vector<T>& x,
                    FullGradient result) {
    InputSlots<double> adjoints = empty_slots(structure);
    const DataValues<double> values{data.counts, data.global_observables};
    result.parameters =
        tops(differentiate(made(sweep, structure), x, slots, values, &adjoints, &result));
    pull_back_slots(structure, inputs.data(), adjoints, result.inputs.data());
    return result;
  }

  InputSlots<First> slots_along(const FullTangent& along) const {
    const std::vector<double> none(inputs.size(), 0.0);
    return make_slots(structure, inputs.data(),
                      along.inputs == nullptr ? none.data() : along.inputs);
  }

  const InputStructure& structure;
  const CompiledModel& model;
  const Data& data;
  const std::vector<double>& inputs;
  const InputSlots<double> slots;
  std::optional<InputSweep<double, double>> plain;
  std::optional<InputSweep<First, double>> first;
  std::optional<InputSweep<Second, double>> second;
  std::optional<InputSweep<First, First>> tangent;
  std::optional<InputSweep<Second, First>> tangent_of_product;
};

InputDerivatives::InputDerivatives(const Likelihood& likelihood)
    : likelihood_(likelihood),
      structure_(likelihood.model().compiled().input_structure()),
      sweeps_(std::make_unique<Sweeps>(*this)) {}

InputDerivatives::~InputDerivatives() = default;

FullGradient InputDerivatives::zero() const {
  const CompiledModel& model = sweeps_->model;
  FullGradient result;
  result.parameters.assign(model.names.size(), 0.0);
  result.inputs.assign(structure_->layout.size, 0.0);
  result.counts.assign(model.n_bins, 0.0);
  result.global_observables.assign(model.constrained.size(), 0.0);
  return result;
}

FullGradient InputDerivatives::gradient(const double* x) {
  const std::vector<double> point(x, x + sweeps_->model.names.size());
  return sweeps_->full(sweeps_->plain, point, zero());
}

FullGradient InputDerivatives::mixed(const double* x, const double* v) {
  std::vector<First> point(sweeps_->model.names.size());
  for (std::size_t p = 0; p < point.size(); ++p) point[p] = {x[p], v[p]};
  return sweeps_->full(sweeps_->first, point, zero());
}

/// Third derivatives exist unless a factor is a function in C++.
void InputDerivatives::require_third_derivatives() const {
  for (const Channel& channel : sweeps_->model.source->channels) {
    for (const Sample& sample : channel.samples) {
      for (const Modifier& modifier : sample.modifiers) {
        const auto* factor = std::get_if<FormulaFactor>(&modifier);
        if (factor == nullptr || factor->function == nullptr) continue;
        throw Error(
            "the factor '" + factor->name +
                "' is a function in C++, which has no third derivative: covariances and "
                "expected uncertainties cannot be differentiated; write it as an expression",
            "channel '" + channel.name + "', sample '" + sample.name + "'");
      }
    }
  }
}

FullGradient InputDerivatives::curvature(const double* x, const double* h) {
  require_third_derivatives();
  std::vector<Second> point(sweeps_->model.names.size());
  for (std::size_t p = 0; p < point.size(); ++p) point[p] = {{x[p], h[p]}, {h[p], 0.0}};
  return sweeps_->full(sweeps_->second, point, zero());
}

FullGradient InputDerivatives::yields(const double* x, const double* weights) {
  FullGradient result = zero();
  InputSlots<double> adjoints = empty_slots(*structure_);
  auto& sweep = Sweeps::made(sweeps_->plain, *structure_);
  const std::vector<double>& lambda = sweep.forward(x, sweeps_->slots);
  std::vector<double> unfloored(weights, weights + lambda.size());
  const AlignedVector<double>& floors = sweeps_->model.bin_floor;
  for (std::size_t b = 0; b < floors.size(); ++b) {
    if (is_floored(lambda[b], floors[b])) unfloored[b] = 0.0;
  }
  sweep.backward(unfloored.data(), result.parameters.data(), &adjoints);
  pull_back_slots(*structure_, sweeps_->inputs.data(), adjoints, result.inputs.data());
  return result;
}

FullGradient InputDerivatives::constant() {
  FullGradient result = zero();
  const auto by_count = [](double n) {
    return derivatives::log_factorial_by_n(n) - std::log(n);  // infinite at n = 0
  };
  const Data& data = sweeps_->data;
  for (std::size_t b = 0; b < data.counts.size(); ++b) result.counts[b] = by_count(data.counts[b]);
  const CompiledModel& model = sweeps_->model;
  for (std::size_t i = 0; i < model.constrained.size(); ++i) {
    const Constraint& constraint = model.constraints[model.constrained[i]];
    const double observed = data.global_observables[i], width = sweeps_->slots.widths[i];
    double by_observed = 0.0, by_width = 0.0;
    if (std::holds_alternative<GaussianConstraint>(constraint)) by_width = 1.0 / width;
    if (std::holds_alternative<PoissonConstraint>(constraint)) by_observed = by_count(observed);
    if (std::holds_alternative<GammaConstraint>(constraint)) {
      by_observed = by_count(observed);
      by_width = 1.0 / width;
    }
    if (std::holds_alternative<LogNormalConstraint>(constraint)) {
      by_observed = 1.0 / observed;
      by_width = 1.0 / (width * std::log(width));
    }
    result.global_observables[i] = by_observed;
    add_width_gradient(structure_->layout.widths[i], sweeps_->inputs.data(), by_width,
                       result.inputs.data());
  }
  return result;
}

std::vector<double> InputDerivatives::tangent_of_gradient(const double* x,
                                                          const FullTangent& tangent) {
  Sweeps& s = *sweeps_;
  const std::vector<First> point = along({x, x + s.model.names.size()}, tangent.parameters);
  const std::vector<First> counts = along(s.data.counts, tangent.counts);
  const std::vector<First> observed = along(s.data.global_observables, tangent.global_observables);
  const InputSlots<First> slots = s.slots_along(tangent);
  return tops(s.differentiate(Sweeps::made(s.tangent, *structure_), point, slots,
                              DataValues<First>{counts, observed}, nullptr, nullptr));
}

std::vector<double> InputDerivatives::tangent_of_product(const double* x, const double* v,
                                                         const FullTangent& tangent) {
  require_third_derivatives();
  Sweeps& s = *sweeps_;
  const std::vector<First> inner = along({x, x + s.model.names.size()}, tangent.parameters);
  std::vector<Second> point(inner.size());
  for (std::size_t p = 0; p < point.size(); ++p) point[p] = {inner[p], First(v[p])};
  const std::vector<First> counts = along(s.data.counts, tangent.counts);
  const std::vector<First> observed = along(s.data.global_observables, tangent.global_observables);
  const InputSlots<First> slots = s.slots_along(tangent);
  return tops(s.differentiate(Sweeps::made(s.tangent_of_product, *structure_), point, slots,
                              DataValues<First>{counts, observed}, nullptr, nullptr));
}

std::vector<double> InputDerivatives::tangent_of_yields(const double* x,
                                                        const FullTangent& tangent) {
  Sweeps& s = *sweeps_;
  const std::vector<First> point = along({x, x + s.model.names.size()}, tangent.parameters);
  const InputSlots<First> slots = s.slots_along(tangent);
  auto& sweep = Sweeps::made(s.tangent, *structure_);
  std::vector<double> result = tops(sweep.forward(point.data(), slots));
  for (std::size_t b = 0; b < s.model.bin_floor.size(); ++b) {
    if (is_floored(innermost(sweep.yields()[b]), s.model.bin_floor[b])) result[b] = 0.0;
  }
  return result;
}

}  // namespace detail
}  // namespace nablafit
