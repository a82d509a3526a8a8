/// \file
/// What the evaluators of the plain reference have in common.
#ifndef NABLAFIT_SRC_AD_REFERENCE_EVALUATOR_HPP
#define NABLAFIT_SRC_AD_REFERENCE_EVALUATOR_HPP

#include <algorithm>
#include <cstddef>
#include <limits>

#include "nablafit/likelihood.hpp"
#include "reference/model.hpp"
#include "reference/nll.hpp"
#include "util/finite.hpp"

namespace nablafit::detail {

/// Value and status; derived classes differentiate.
class ReferenceEvaluator : public Evaluator {
 public:
  explicit ReferenceEvaluator(const Likelihood& likelihood)
      : likelihood_(likelihood), model_(likelihood.model().spec()) {}

  Evaluation value(const double* x) final { return evaluate(x, find_offence(model_, data(), x)); }

  const Likelihood& likelihood() const noexcept final { return likelihood_; }

 protected:
  const ReferenceModel& model() const noexcept { return model_; }
  const Data& data() const noexcept { return likelihood_.data(); }

  /// What all members return at `x`, given find_offence there and the `n` numbers that were asked
  /// for besides the value.
  Evaluation evaluate(const double* x, const Offence& offence, double* numbers = nullptr,
                      std::size_t n = 0) const {
    const bool is_ok = offence.status == EvaluationStatus::ok;
    return finish(is_ok ? reference_nll(model_, data(), x) : 0.0, offence, numbers, n);
  }

  /// The same where the value is known; it does not matter unless the status is ok.
  Evaluation finish(double value, const Offence& offence, double* numbers, std::size_t n) const {
    if (offence.status == EvaluationStatus::ok) {
      const Evaluation result{value, EvaluationStatus::ok, 0};
      return unless_overflow(result, numbers, n, model_.n_parameters());
    }
    if (first_not_finite(numbers, n) < n) std::fill_n(numbers, n, 0.0);
    return {std::numeric_limits<double>::infinity(), offence.status, offence.indices.front()};
  }

  /// The function whose gradient is reported at a point with `offence`: likelihood or penalty.
  template <typename T>
  T objective(const Offence& offence, const T* x) const {
    if (offence.status == EvaluationStatus::ok) return reference_nll(model_, data(), x);
    return reference_penalty(model_, offence, x);
  }

 private:
  Likelihood likelihood_;
  ReferenceModel model_;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_AD_REFERENCE_EVALUATOR_HPP
