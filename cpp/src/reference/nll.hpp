/// \file
/// The likelihood, written as plainly as its definition in nablafit/spec.hpp, for any scalar type.
///
/// Every fast evaluator is checked against this one, so it shares only the kernels with them and is
/// deliberately not optimised: it loops over the specification itself.
#ifndef NABLAFIT_SRC_REFERENCE_NLL_HPP
#define NABLAFIT_SRC_REFERENCE_NLL_HPP

#include <cmath>
#include <cstddef>
#include <variant>
#include <vector>

#include "kernels/interpolation.hpp"
#include "kernels/terms.hpp"
#include "kernels/transforms.hpp"
#include "nablafit/likelihood.hpp"
#include "reference/model.hpp"
#include "util/finite.hpp"
#include "util/plain_number.hpp"

namespace nablafit::detail {

// --- yields --------------------------------------------------------------------------------------

/// Argument of the interpolations that belong to a parameter with value `x`.
template <typename T>
T reference_transformed(const Parameter& parameter, const T& x) {
  if (const auto* t = std::get_if<GammaTransformation>(&parameter.transformation)) {
    return kernels::gamma_transformation(x, t->relative);
  }
  if (const auto* t = std::get_if<LogNormalTransformation>(&parameter.transformation)) {
    return kernels::lognormal_transformation(x, std::log1p(t->relative), t->relative);
  }
  return x;
}

/// Change of a quantity that is `low`, `nominal`, `high` at alpha = -1, 0, +1; additive codes.
template <typename T>
T reference_change(Interpolation code, const T& alpha, double low, double nominal, double high) {
  const double symmetric = (high - low) / 2.0;
  const double asymmetric = (high + low - 2.0 * nominal) / 16.0;
  T shape = kernels::additive_polynomial(alpha);
  if (code == Interpolation::piecewise_linear) shape = kernels::additive_piecewise_linear(alpha);
  if (code == Interpolation::quadratic_linear) shape = kernels::additive_quadratic(alpha);
  return alpha * symmetric + shape * asymmetric;
}

/// Factor that is `low`, 1, `high` at alpha = -1, 0, +1; multiplicative codes.
template <typename T>
T reference_factor(Interpolation code, const T& alpha, double low, double high) {
  const double log_low = kernels::bounded_log(low);
  const double log_high = kernels::bounded_log(high);
  if (code == Interpolation::piecewise_exponential) {
    return kernels::factor_exponential(alpha, log_low, log_high);
  }
  if (code == Interpolation::polynomial_linear_multiplicative) {
    return kernels::factor_polynomial_linear(alpha, (high - low) / 2.0, (high + low - 2.0) / 16.0);
  }
  const auto c = kernels::polynomial_exponential_coefficients(low, high);
  return kernels::factor_polynomial_exponential(alpha, log_low, log_high, c[0], c[1], c[2], c[3],
                                                c[4], c[5]);
}

/// Expected yield of one sample in one bin at the point `x`: visits its modifiers one by one.
template <typename T>
class ReferenceRow {
 public:
  ReferenceRow(const ReferenceModel& model, const Sample& sample, std::size_t bin, const T* x)
      : model_(model), sample_(sample), bin_(bin), x_(x) {}

  T yield(const std::vector<ReferenceModifier>& modifiers) {
    for (const ReferenceModifier& modifier : modifiers) {
      current_ = &modifier;
      std::visit([this](const auto& m) { this->apply(m); }, *modifier.modifier);
    }
    T histogram = sample_.nominal[bin_] + change_;
    if (sample_.yield_floor && histogram < *sample_.yield_floor) {
      histogram = T(*sample_.yield_floor);
    }
    T norm_sys = norm_sys_product_ * norm_sys_sum_;
    if (sample_.factor_floor && norm_sys < *sample_.factor_floor) {
      norm_sys = T(*sample_.factor_floor);
    }
    return histogram * norm_sys * factor_;
  }

 private:
  const T& parameter(std::size_t i) const { return x_[current_->parameters[i]]; }
  T alpha() const {
    return reference_transformed(model_.spec().parameters[current_->parameters[0]], parameter(0));
  }

  void apply(const NormFactor&) { factor_ = factor_ * parameter(0); }
  void apply(const Lumi&) { factor_ = factor_ * parameter(0); }
  void apply(const StatError&) { factor_ = factor_ * parameter(bin_); }
  void apply(const ShapeSys&) { factor_ = factor_ * parameter(bin_); }
  void apply(const ShapeFactor&) { factor_ = factor_ * parameter(bin_); }

  void apply(const NormSys& m) {
    if (is_additive(m.interpolation)) {
      const T change = reference_change(m.interpolation, alpha(), m.low, 1.0, m.high);
      norm_sys_sum_ = norm_sys_sum_ + change;
    } else {
      const T factor = reference_factor(m.interpolation, alpha(), m.low, m.high);
      norm_sys_product_ = norm_sys_product_ * factor;
    }
  }

  void apply(const HistoSys& m) {
    const double nominal = sample_.nominal[bin_];
    if (is_additive(m.interpolation)) {
      const T change =
          reference_change(m.interpolation, alpha(), m.low[bin_], nominal, m.high[bin_]);
      change_ = change_ + change;
    } else if (nominal != 0.0) {
      const T factor =
          reference_factor(m.interpolation, alpha(), m.low[bin_] / nominal, m.high[bin_] / nominal);
      factor_ = factor_ * factor;
    }
  }

  void apply(const FormulaFactor&) {
    std::vector<T> arguments;
    for (const std::size_t index : current_->parameters) arguments.push_back(x_[index]);
    // NOLINTNEXTLINE(bugprone-unchecked-optional-access): ReferenceModel makes one for each
    const T factor = current_->formula->evaluate_at(arguments.data(), bin_);
    factor_ = factor_ * factor;
  }

  const ReferenceModel& model_;
  const Sample& sample_;
  std::size_t bin_;
  const T* x_;
  const ReferenceModifier* current_ = nullptr;
  T change_ = T(0.0);            ///< sum of the additive HistoSys
  T norm_sys_product_ = T(1.0);  ///< of the multiplicative NormSys
  T norm_sys_sum_ = T(1.0);      ///< 1 + the sum of the additive NormSys
  T factor_ = T(1.0);            ///< product of everything else
};

/// Expected yields per row (channel, sample, bin) in the order of nablafit/model.hpp, into
/// `yields[n_rows()]`.
template <typename T>
void reference_expected_by_sample(const ReferenceModel& model, const T* x, T* yields) {
  for (const ReferenceChannel& channel : model.channels()) {
    for (const ReferenceSample& sample : channel.samples) {
      for (std::size_t bin = 0; bin < channel.channel->n_bins(); ++bin) {
        *yields++ = ReferenceRow<T>(model, *sample.sample, bin, x).yield(sample.modifiers);
      }
    }
  }
}

/// Expected yields per bin, into `yields[n_bins()]`.
template <typename T>
void reference_expected(const ReferenceModel& model, const T* x, T* yields) {
  std::vector<T> rows(model.n_rows(), T(0.0));
  reference_expected_by_sample(model, x, rows.data());
  const T* row = rows.data();
  for (const ReferenceChannel& channel : model.channels()) {
    const std::size_t n_bins = channel.channel->n_bins();
    T* const lambda = yields + channel.first_bin;
    for (std::size_t bin = 0; bin < n_bins; ++bin) lambda[bin] = T(0.0);
    for (std::size_t sample = 0; sample < channel.samples.size(); ++sample) {
      for (std::size_t bin = 0; bin < n_bins; ++bin) lambda[bin] = lambda[bin] + *row++;
    }
    if (!channel.channel->yield_floor) continue;
    const double floor = *channel.channel->yield_floor;
    for (std::size_t bin = 0; bin < n_bins; ++bin) {
      if (is_floored(plain_number(lambda[bin]), floor)) lambda[bin] = T(floor);
    }
  }
}

// --- likelihood ----------------------------------------------------------------------------------

template <typename T>
struct ReferenceConstraint {
  double observed;
  const T& x;

  T operator()(const GaussianConstraint& c) const {
    if (!c.observable_range) return kernels::gaussian_deviance(observed, x, c.sigma);
    const Range& range = *c.observable_range;
    return kernels::truncated_gaussian_deviance(observed, x, c.sigma, range.lower, range.upper);
  }
  T operator()(const PoissonConstraint& c) const {
    const T mean = c.tau * x;
    return kernels::poisson_deviance(observed, mean);
  }
  T operator()(const LogNormalConstraint& c) const {
    return kernels::lognormal_deviance(observed, x, std::log(c.kappa));
  }
  T operator()(const GammaConstraint& c) const {
    return kernels::gamma_deviance(observed, x, c.scale);
  }
  T operator()(const Unconstrained&) const { return T(0.0); }
  T operator()(const UniformConstraint&) const { return T(0.0); }
};

/// Deviance of one constraint term; zero for parameters without one.
template <typename T>
T reference_constraint(const Parameter& parameter, double observed, const T& x) {
  return std::visit(ReferenceConstraint<T>{observed, x}, parameter.constraint);
}

/// Why the likelihood is not defined at a point, or status ok.
struct Offence {
  EvaluationStatus status = EvaluationStatus::ok;
  /// Every offending bin (negative_yield, not_finite) or parameter, ascending; empty only if ok.
  std::vector<std::size_t> indices;
};

/// Looks, in this order, for parameters that are not finite, parameters outside the support of
/// their constraint, and bins whose yield is not allowed (negative, or zero where events were
/// observed, or not finite); reports the first kind found. A single yield that is not finite makes
/// the status not_finite.
Offence find_offence(const ReferenceModel& model, const Data& data, const double* x);

/// -log [ L(x) / L_saturated ], as in nablafit/likelihood.hpp. The likelihood must be defined at
/// `x`: see find_offence. `data` is in the order of Model.
template <typename T>
T reference_nll(const ReferenceModel& model, const Data& data, const T* x) {
  T sum = T(0.0);
  std::vector<T> yields(model.n_bins(), T(0.0));
  reference_expected(model, x, yields.data());
  for (std::size_t bin = 0; bin < yields.size(); ++bin) {
    sum = sum + kernels::poisson_deviance(data.counts[bin], yields[bin]);
  }
  for (std::size_t i = 0; i < model.constrained().size(); ++i) {
    const std::size_t index = model.constrained()[i];
    sum = sum + reference_constraint(model.spec().parameters[index], data.global_observables[i],
                                     x[index]);
  }
  return sum;
}

/// A function whose minimisation leads out of a forbidden region: minus the yields of the offending
/// bins, or minus the offending parameters; 0 for parameters that are not finite.
template <typename T>
T reference_penalty(const ReferenceModel& model, const Offence& offence, const T* x) {
  T sum = T(0.0);
  if (offence.status == EvaluationStatus::negative_yield) {
    std::vector<T> yields(model.n_bins(), T(0.0));
    reference_expected(model, x, yields.data());
    for (const std::size_t bin : offence.indices) sum = sum - yields[bin];
  }
  if (offence.status == EvaluationStatus::outside_support) {
    for (const std::size_t index : offence.indices) sum = sum - x[index];
  }
  return sum;
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_REFERENCE_NLL_HPP
