#include "evaluate_everywhere.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <utility>

#include "nablafit/error.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/model.hpp"

namespace nablafit::testing {

namespace {

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

/// Templates beyond this are not compared: variations are kept as their sum and difference, which
/// cancel to rounding errors of the larger one.
constexpr double largest_template = 1e12;

bool is_moderate(const std::vector<double>& numbers) {
  return std::all_of(numbers.begin(), numbers.end(),
                     [](double number) { return std::fabs(number) < largest_template; });
}

bool has_moderate_templates(const ModelSpec& spec) {
  for (const Channel& channel : spec.channels) {
    for (const Sample& sample : channel.samples) {
      if (!is_moderate(sample.nominal)) return false;
      for (const Modifier& modifier : sample.modifiers) {
        const auto* variation = std::get_if<HistoSys>(&modifier);
        if (variation == nullptr) continue;
        if (!is_moderate(variation->low) || !is_moderate(variation->high)) return false;
      }
    }
  }
  return true;
}

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
    const Model& model = likelihood.model();
    if (model.n_rows() <= reference_limit && has_moderate_templates(model.spec())) {
      reference_ = make_evaluator(likelihood, Backend::finite_difference);
    }
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
    if (reference_) compare(x, value);
  }

 private:
  /// Where a relative change of 1e-12 of the parameters changes the reference by more than 1e-6,
  /// rounding decides (a factor of 0 times 1e150), and there is nothing to compare.
  void compare(std::vector<double> x, const Evaluation& value) {
    const Evaluation reference = reference_->value(x.data());
    check_value("reference", reference);
    for (double& coordinate : x) coordinate *= 1.0 + 1e-12;
    const Evaluation nearby = reference_->value(x.data());
    for (const Evaluation& evaluation : {value, reference, nearby}) {
      if (evaluation.status != EvaluationStatus::ok) return;
    }
    const double scale = std::max({1.0, std::fabs(value.value), std::fabs(reference.value)});
    if (std::fabs(nearby.value - reference.value) > 1e-6 * scale) return;
    if (!(std::fabs(value.value - reference.value) <= 1e-3 * scale)) {
      std::fprintf(stderr, "fused value %.17g, reference %.17g\n", value.value, reference.value);
      break_off("disagreement", value);
    }
  }

  std::size_t n_;
  std::unique_ptr<Evaluator> fused_, reference_;
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
