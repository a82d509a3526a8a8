#include "evaluate_everywhere.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "nablafit/error.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/model.hpp"

namespace nablafit::testing {

namespace {

/// Larger models are compiled, but not evaluated: an HS3 density can ask for a million bins in a
/// few bytes, and the time for them grows with their number.
constexpr std::size_t bin_limit = 20000;

/// Dense matrices and the slow reference are for small models only.
constexpr std::size_t dense_limit = 200;
constexpr std::size_t reference_limit = 2000;

[[noreturn]] void break_off(const char* what, const Evaluation& evaluation) {
  std::fprintf(stderr, "broken contract: %s (status '%s', value %.17g, index %zu)\n", what,
               std::string(to_string(evaluation.status)).c_str(), evaluation.value,
               evaluation.index);
  std::abort();
}

void check_value(const char* what, const Evaluation& evaluation) {
  const bool is_ok = evaluation.status == EvaluationStatus::ok;
  if (is_ok ? !std::isfinite(evaluation.value) : !(evaluation.value > 0.0)) {
    break_off(what, evaluation);
  }
  if (!is_ok && !std::isinf(evaluation.value)) break_off(what, evaluation);
}

void check_numbers(const char* what, const Evaluation& evaluation,
                   const std::vector<double>& numbers) {
  check_value(what, evaluation);
  for (const double number : numbers) {
    if (!std::isfinite(number)) break_off(what, evaluation);
  }
}

/// The specification with templates that differ by a few roundings of the largest number in their
/// bin, for variations are kept as their sum and difference; no two by the same amount, so that
/// what cancels between samples does not cancel here.
ModelSpec with_rounded_templates(ModelSpec spec) {
  int n = 0;
  const auto rounding = [&](double number) {
    return (4 + n++ % 16) * std::numeric_limits<double>::epsilon() * number;
  };
  for (Channel& channel : spec.channels) {
    for (Sample& sample : channel.samples) {
      for (Modifier& modifier : sample.modifiers) {
        auto* variation = std::get_if<HistoSys>(&modifier);
        if (variation == nullptr) continue;
        for (std::size_t bin = 0; bin < sample.nominal.size(); ++bin) {
          double &low = variation->low[bin], &high = variation->high[bin];
          const double largest =
              std::max({std::fabs(sample.nominal[bin]), std::fabs(low), std::fabs(high)});
          low -= rounding(largest);
          high += rounding(largest);
        }
      }
      for (double& yield : sample.nominal) yield += rounding(yield);
    }
  }
  return spec;
}

/// The slow reference, at templates as they are and rounded.
class Reference {
 public:
  explicit Reference(const Likelihood& likelihood)
      : exact_(make_evaluator(likelihood, Backend::finite_difference)) {
    try {
      const Model rounded(with_rounded_templates(likelihood.model().spec()));
      rounded_ = make_evaluator(Likelihood(rounded, likelihood.data()), Backend::finite_difference);
    } catch (const SpecError&) {  // a number at the edge of what is allowed
      return;
    }
  }

  /// Where roundings of templates, or a relative change of 1e-12 of the parameters, change the
  /// reference by more than 1e-6, rounding decides (a factor of 0 times 1e150), and there is
  /// nothing to compare.
  void compare(std::vector<double> x, const Evaluation& value) const {
    const Evaluation reference = exact_->value(x.data());
    check_value("reference", reference);
    if (!rounded_) return;
    const Evaluation rounded = rounded_->value(x.data());
    for (double& coordinate : x) coordinate *= 1.0 + 1e-12;
    const Evaluation nearby = exact_->value(x.data());
    for (const Evaluation& evaluation : {value, reference, rounded, nearby}) {
      if (evaluation.status != EvaluationStatus::ok) return;
    }
    const double scale = std::max({1.0, std::fabs(value.value), std::fabs(reference.value)});
    const auto differs = [&](const Evaluation& other, double bound) {
      return !(std::fabs(other.value - reference.value) <= bound * scale);
    };
    if (differs(nearby, 1e-6) || differs(rounded, 1e-6)) return;
    if (differs(value, 1e-3)) {
      std::fprintf(stderr, "fused value %.17g, reference %.17g\n", value.value, reference.value);
      break_off("disagreement", value);
    }
  }

 private:
  std::unique_ptr<Evaluator> exact_, rounded_;
};

/// Evaluates one likelihood at one point in every way.
class PointCheck {
 public:
  explicit PointCheck(const Likelihood& likelihood)
      : n_(likelihood.model().n_parameters()),
        fused_(make_evaluator(likelihood)),
        gradient_(n_),
        product_(n_),
        direction_(n_, 1.0) {
    if (n_ <= dense_limit) matrix_.resize(n_ * n_);
    if (likelihood.model().n_rows() <= reference_limit) reference_.emplace(likelihood);
  }

  void operator()(const std::vector<double>& x) {
    const Evaluation value = fused_->value(x.data());
    check_value("value", value);
    const Evaluation first = fused_->value_and_gradient(x.data(), gradient_.data());
    check_numbers("gradient", first, gradient_);
    const Evaluation along =
        fused_->hessian_vector_product(x.data(), direction_.data(), product_.data());
    check_numbers("Hessian-vector product", along, product_);
    if (!matrix_.empty()) {
      check_numbers("Hessian", fused_->hessian(x.data(), matrix_.data()), matrix_);
    }
    if (reference_) reference_->compare(x, value);
  }

 private:
  std::size_t n_;
  std::unique_ptr<Evaluator> fused_;
  std::optional<Reference> reference_;
  std::vector<double> gradient_, product_, direction_, matrix_;
};

void check_points(const Likelihood& likelihood) {
  const Model& model = likelihood.model();
  PointCheck check(likelihood);
  std::vector<double> x = model.initial();
  const auto at = [&](auto coordinate) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = coordinate(i);
    check(x);
  };
  check(x);
  at([&](std::size_t i) { return std::max(model.lower()[i], -1e300); });
  at([&](std::size_t i) { return std::min(model.upper()[i], 1e300); });
  for (const double step : {1.0, -5.0, 5.0, 1e3, -1e8, 1e150}) {
    at([&](std::size_t i) { return model.initial()[i] + step; });
  }
}

/// Yields at the initial point where they can be counts, 1 elsewhere.
Data nominal_data(const Model& model) {
  Data data;
  data.counts.resize(model.n_bins());
  model.expected(model.initial().data(), data.counts.data());
  for (double& count : data.counts) {
    if (!(count >= 0.0 && std::isfinite(count))) count = 1.0;
  }
  for (const std::size_t index : model.constrained_parameters()) {
    data.global_observables.push_back(*observed_value(model.spec().parameters[index]));
  }
  return data;
}

}  // namespace

void evaluate_everywhere(const ModelSpec& spec, const std::vector<Observations>& datasets) {
  try {
    const Model model(spec);
    if (model.n_bins() > bin_limit) return;
    bool any = false;
    for (const Observations& observations : datasets) {
      try {
        check_points(Likelihood(model, model.data(observations)));
        any = true;
      } catch (const ArgumentError&) {  // data of another model
        continue;
      }
    }
    if (!any) check_points(Likelihood(model, nominal_data(model)));
  } catch (const SpecError&) {
    return;
  }
}

}  // namespace nablafit::testing
