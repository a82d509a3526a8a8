#include "evaluate_everywhere.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "nablafit/error.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/model.hpp"
#include "roundings.hpp"

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

/// The slow reference, at the specification as it is and with roundings.
class Reference {
 public:
  explicit Reference(const Likelihood& likelihood)
      : spec_(likelihood.model().spec()), exact_(reference(likelihood)) {
    try {
      for (unsigned seed = 0; seed < 4; ++seed) {
        const Model model(with_roundings(spec_, seed));
        rounded_.push_back(reference(Likelihood(model, likelihood.data())));
      }
    } catch (const SpecError&) {  // a number at the edge of what is allowed
      rounded_.clear();
    }
  }

  /// Where a product can leave the range of double, or roundings of the specification or a relative
  /// change of 1e-12 of the parameters change the reference by more than 1e-6, arithmetic decides
  /// (a factor of 0 times 1e150), and there is nothing to compare.
  void compare(std::vector<double> x, const Evaluation& value) const {
    const Evaluation expected = exact_->value(x.data());
    check_value("reference", expected);
    if (expected.status != EvaluationStatus::ok || rounded_.empty()) return;
    if (!stays_in_range(spec_, x)) return;
    const auto differs = [&](const Evaluation& other, double bound) {
      const double scale = std::max({1.0, std::fabs(value.value), std::fabs(expected.value)});
      return other.status != EvaluationStatus::ok ||
             !(std::fabs(other.value - expected.value) <= bound * scale);
    };
    for (const auto& evaluator : rounded_) {
      if (differs(evaluator->value(x.data()), 1e-6)) return;
    }
    for (double& coordinate : x) coordinate *= 1.0 + 1e-12;
    if (differs(exact_->value(x.data()), 1e-6)) return;
    if (differs(value, 1e-3)) {
      std::fprintf(stderr, "fused value %.17g, reference %.17g\n", value.value, expected.value);
      break_off("disagreement", value);
    }
  }

 private:
  static std::unique_ptr<Evaluator> reference(const Likelihood& likelihood) {
    return make_evaluator(likelihood, Backend::finite_difference);
  }

  const ModelSpec& spec_;
  std::unique_ptr<Evaluator> exact_;
  std::vector<std::unique_ptr<Evaluator>> rounded_;
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
