// Results of inference with gradients, for many inputs and data.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "differentiate/implicit_fit.hpp"
#include "evaluate/compiled_likelihood.hpp"
#include "nablafit/differentiate.hpp"
#include "nablafit/error.hpp"
#include "spec/expected_observable.hpp"
#include "util/polled_run.hpp"

namespace nablafit {
namespace {

using detail::Dual;
using detail::FactorizedHessian;
using detail::ImplicitFit;
using detail::InputDerivatives;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Derivatives of a value with respect to inputs and data, and to a tested value.
struct ValueAndGradient {
  double value = 0.0;
  FullGradient gradient;
  double by_tested = 0.0;
};

/// Twice the difference of two minima of one likelihood, `held` minus `free`; `held` is fixed to
/// the tested value of parameter `poi`.
ValueAndGradient likelihood_ratio(ImplicitFit& held, const ValueAndGradient& free,
                                  std::size_t poi) {
  ValueAndGradient result{2.0 * (held.value() - free.value), {}};
  result.gradient.add(2.0, held.envelope());
  result.by_tested = result.gradient.parameters[poi];
  result.gradient.add(-2.0, free.gradient);
  return result;
}

/// Replaces derivatives with respect to Asimov data with those with respect to what determines the
/// Asimov data: inputs, and parameters `x`.
void pull_back_asimov(InputDerivatives& derivatives, const std::vector<double>& x,
                      FullGradient& total) {
  const Model& model = derivatives.likelihood().model();
  const detail::CompiledModel& compiled = model.compiled();
  const std::vector<double> by_count = std::move(total.counts);
  const std::vector<double> by_observed = std::move(total.global_observables);
  total.counts.assign(by_count.size(), 0.0);
  total.global_observables.assign(by_observed.size(), 0.0);
  std::fill(total.parameters.begin(), total.parameters.end(), 0.0);
  total.add(1.0, derivatives.yields(x.data(), by_count.data()));
  const std::vector<double>& inputs = detail::inputs_of(compiled);
  for (std::size_t i = 0; i < by_observed.size(); ++i) {
    const std::size_t p = compiled.constrained[i];
    const Constraint& constraint = compiled.constraints[p];
    const double width = detail::width_of(constraint);
    const auto slope = [&](double of_x, double of_width) {
      return expected_observable(constraint, Dual<double>(x[p], of_x),
                                 Dual<double>(width, of_width))
          .slope;
    };
    total.parameters[p] += by_observed[i] * slope(1.0, 0.0);
    detail::add_width_gradient(derivatives.structure().layout.widths[i], inputs.data(),
                               by_observed[i] * slope(0.0, 1.0), total.inputs.data());
  }
}

/// One item of a batch: its model and data.
class Item {
 public:
  Item(const Model& model, const Inputs& inputs, const ObjectiveArguments& arguments, std::size_t i)
      : arguments_(arguments), model_(model) {
    if (const double* row = arguments.inputs.row(i, inputs.size())) {
      model_ = inputs.exchange({row, inputs.size()});
    }
    const std::size_t n_observables = model_.constrained_parameters().size();
    if (const double* value = arguments.tested.row(i, 1)) tested_ = *value;
    const double* counts = arguments.counts.row(i, model_.n_bins());
    const double* observed = arguments.global_observables.row(i, n_observables);
    if (counts != nullptr) data_.counts.assign(counts, counts + model_.n_bins());
    stored_observables_ = observed == nullptr;
    if (observed != nullptr) data_.global_observables.assign(observed, observed + n_observables);
    if (!stored_observables_) return;
    for (const std::size_t p : model_.constrained_parameters()) {
      data_.global_observables.push_back(
          detail::stored_observable(model_.compiled().constraints[p]));
    }
  }

  const Model& model() const noexcept { return model_; }
  const double& tested() const noexcept { return tested_; }
  Likelihood likelihood() const { return {model_, data_}; }

  /// A fit with the parameter of interest free or held at `value`.
  ImplicitFit fit(const Likelihood& likelihood, const std::vector<double>& start,
                  const double* value) const {
    MinimizeArguments problem{start, arguments_.lower, arguments_.upper, arguments_.fixed};
    problem.fixed[arguments_.poi] = 0;
    if (value != nullptr) {
      problem.fixed[arguments_.poi] = 1;
      problem.start[arguments_.poi] = *value;
    }
    return ImplicitFit(likelihood, problem);
  }
  /// A fit with exactly those parameters held that the arguments fix.
  ImplicitFit fit(const Likelihood& likelihood, const std::vector<double>& start) const {
    return ImplicitFit(likelihood, {start, arguments_.lower, arguments_.upper, arguments_.fixed});
  }

  /// Adds derivatives with respect to stored global observables that follow widths to the inputs.
  void fold_observables(FullGradient& gradient) const {
    if (!stored_observables_) return;
    const auto& structure = *model_.compiled().input_structure();
    const std::vector<double>& inputs = detail::inputs_of(model_.compiled());
    for (std::size_t i = 0; i < gradient.global_observables.size(); ++i) {
      const detail::WidthRule& rule = structure.layout.widths[i];
      if (!rule.observed_follows) continue;
      detail::add_width_gradient(rule, inputs.data(), gradient.global_observables[i],
                                 gradient.inputs.data());
    }
  }

 private:
  const ObjectiveArguments& arguments_;
  Model model_;
  Data data_;
  double tested_ = 1.0;
  bool stored_observables_ = true;
};

// --- batches -------------------------------------------------------------------------------------

ObjectiveBatch empty_batch(std::size_t n, const Model& model, std::size_t n_inputs, bool data) {
  ObjectiveBatch batch;
  batch.value.assign(n, not_a_number);
  batch.inputs.assign(n * n_inputs, not_a_number);
  if (!data) return batch;
  batch.counts.assign(n * model.n_bins(), not_a_number);
  batch.global_observables.assign(n * model.constrained_parameters().size(), not_a_number);
  return batch;
}

void store_row(const std::vector<double>& row, std::size_t i, std::vector<double>& rows) {
  if (rows.empty()) return;
  std::copy(row.begin(), row.end(), rows.begin() + static_cast<std::ptrdiff_t>(i * row.size()));
}

void store(const ValueAndGradient& item, std::size_t i, ObjectiveBatch& batch) {
  batch.value[i] = item.value;
  if (!batch.tested.empty()) batch.tested[i] = item.by_tested;
  store_row(item.gradient.inputs, i, batch.inputs);
  store_row(item.gradient.counts, i, batch.counts);
  store_row(item.gradient.global_observables, i, batch.global_observables);
}

void check_rows(const char* name, std::size_t n_rows, std::size_t n) {
  if (n_rows <= 1 || n_rows == n) return;
  throw ArgumentError(
      "has " + std::to_string(n_rows) + " rows, expected 1 or one per item, " + std::to_string(n),
      name);
}

void check_arguments(const Model& model, const ObjectiveArguments& arguments) {
  check_rows("inputs", arguments.inputs.n_rows, arguments.n);
  check_rows("counts", arguments.counts.n_rows, arguments.n);
  check_rows("global_observables", arguments.global_observables.n_rows, arguments.n);
  check_rows("tested", arguments.tested.n_rows, arguments.n);
  const std::size_t n = model.n_parameters();
  const bool fits = arguments.point.size() == n && arguments.lower.size() == n &&
                    arguments.upper.size() == n && arguments.fixed.size() == n;
  if (!fits) {
    throw ArgumentError("expected " + std::to_string(n) + " values, one per parameter",
                        "point, lower, upper, fixed");
  }
  if (arguments.poi < n) return;
  throw ArgumentError("has no parameter number " + std::to_string(arguments.poi), "poi");
}

/// Runs work(item, i) for every item; exceptions become the item's message. Returns whether all
/// were done.
template <typename Work>
bool run_batch(const Model& model, const ObjectiveArguments& arguments, const RunOptions& run,
               std::vector<std::string>& messages, Work&& work) {
  check_arguments(model, arguments);
  messages.assign(arguments.n, "not computed");
  const Inputs inputs(model);
  return detail::run_items(arguments.n, 1, run, [&](std::size_t i, std::size_t /*worker*/) {
    try {
      work(Item(model, inputs, arguments, i), i);
      messages[i].clear();
    } catch (const Interrupted&) {
      throw;
    } catch (const Error& error) {
      messages[i] = error.what();
    }
  });
}

// --- objectives ----------------------------------------------------------------------------------

ValueAndGradient expected_variance(const Item& item, const ObjectiveArguments& arguments) {
  const std::vector<double>& x = arguments.point;
  const Likelihood likelihood(item.model(), item.model().asimov(x));
  std::vector<char> free(x.size());
  for (std::size_t p = 0; p < free.size(); ++p) free[p] = arguments.fixed[p] == 0 ? 1 : 0;
  free[arguments.poi] = 1;
  FactorizedHessian hessian(likelihood);
  hessian.set(x.data(), free);
  std::vector<double> unit(x.size(), 0.0);
  unit[arguments.poi] = 1.0;
  const std::vector<double> h = hessian.solve(unit);
  InputDerivatives derivatives(likelihood);
  ValueAndGradient result{h[arguments.poi], {}};
  result.gradient.add(-1.0, derivatives.curvature(x.data(), h.data()));
  pull_back_asimov(derivatives, x, result.gradient);
  return result;
}

ValueAndGradient expected_information(const Item& item, const ObjectiveArguments& arguments) {
  const std::vector<double>& x = arguments.point;
  const Likelihood likelihood(item.model(), item.model().asimov(x));
  const double* d = arguments.direction.data();
  std::vector<double> product(x.size());
  const Evaluation evaluation =
      detail::FusedEvaluator(likelihood).hessian_vector_product(x.data(), d, product.data());
  if (evaluation.status != EvaluationStatus::ok) {
    throw Error("the likelihood is not defined here: " + std::string(to_string(evaluation.status)));
  }
  InputDerivatives derivatives(likelihood);
  ValueAndGradient result;
  for (std::size_t p = 0; p < x.size(); ++p) result.value += d[p] * product[p];
  result.gradient.add(1.0, derivatives.curvature(x.data(), d));
  pull_back_asimov(derivatives, x, result.gradient);
  return result;
}

/// The ratio for Asimov data at `x`, differentiated with respect to `x` too, in
/// `gradient.parameters`. Their minimum is `x`, which needs no fit unless it is outside the range.
ValueAndGradient asimov_ratio(const Item& item, const ObjectiveArguments& arguments,
                              const std::vector<double>& x, const std::vector<double>& start) {
  const Likelihood likelihood(item.model(), item.model().asimov(x));
  ImplicitFit held = item.fit(likelihood, start, &item.tested());
  ValueAndGradient free;
  const double poi = x[arguments.poi];
  if (arguments.lower[arguments.poi] <= poi && poi <= arguments.upper[arguments.poi]) {
    free = {detail::FusedEvaluator(likelihood).value(x.data()).value,
            held.derivatives().gradient(x.data())};
  } else {
    ImplicitFit fit = item.fit(likelihood, x, nullptr);
    free = {fit.value(), fit.envelope()};
  }
  ValueAndGradient result = likelihood_ratio(held, free, arguments.poi);
  pull_back_asimov(held.derivatives(), x, result.gradient);
  return result;
}

void add_ratios(const Item& item, const ObjectiveArguments& arguments, std::size_t i,
                ObjectiveResult& result) {
  if (arguments.counts.n_rows == 0) {
    store(asimov_ratio(item, arguments, arguments.point, arguments.point), i, result.first);
    result.estimate[i] = arguments.point[arguments.poi];
    return;
  }
  const Likelihood likelihood = item.likelihood();
  ImplicitFit free = item.fit(likelihood, arguments.point, nullptr);
  ImplicitFit held =
      item.fit(likelihood, free.minimum_at(arguments.poi, item.tested()), &item.tested());
  ImplicitFit null = item.fit(likelihood, free.minimum_at(arguments.poi, arguments.alternative),
                              &arguments.alternative);
  ValueAndGradient observed =
      likelihood_ratio(held, {free.value(), free.envelope()}, arguments.poi);
  ValueAndGradient asimov = asimov_ratio(item, arguments, null.x(), held.x());
  null.pull_back_minimum(asimov.gradient);
  item.fold_observables(observed.gradient);
  item.fold_observables(asimov.gradient);
  store(observed, i, result.first);
  store(asimov, i, result.second);
  result.estimate[i] = free.x()[arguments.poi];
}

}  // namespace

ObjectiveResult expected_variances(const Model& model, const ObjectiveArguments& arguments,
                                   const RunOptions& run) {
  ObjectiveResult result;
  result.first = empty_batch(arguments.n, model, Inputs(model).size(), false);
  result.complete =
      run_batch(model, arguments, run, result.messages, [&](const Item& item, std::size_t i) {
        store(expected_variance(item, arguments), i, result.first);
      });
  return result;
}

ObjectiveResult expected_informations(const Model& model, const ObjectiveArguments& arguments,
                                      const RunOptions& run) {
  if (arguments.direction.size() != model.n_parameters()) {
    throw ArgumentError("expected one value per parameter", "direction");
  }
  ObjectiveResult result;
  result.first = empty_batch(arguments.n, model, Inputs(model).size(), false);
  result.complete =
      run_batch(model, arguments, run, result.messages, [&](const Item& item, std::size_t i) {
        store(expected_information(item, arguments), i, result.first);
      });
  return result;
}

ObjectiveResult likelihood_ratios(const Model& model, const ObjectiveArguments& arguments,
                                  const RunOptions& run) {
  ObjectiveResult result;
  const std::size_t n_inputs = Inputs(model).size();
  const bool data = arguments.counts.n_rows > 0;
  result.first = empty_batch(arguments.n, model, n_inputs, data);
  if (data) result.second = empty_batch(arguments.n, model, n_inputs, data);
  for (ObjectiveBatch* batch : {&result.first, &result.second}) {
    batch->tested.assign(batch->value.size(), not_a_number);
  }
  result.estimate.assign(arguments.n, not_a_number);
  result.complete =
      run_batch(model, arguments, run, result.messages,
                [&](const Item& item, std::size_t i) { add_ratios(item, arguments, i, result); });
  return result;
}

ObjectiveResult goodness_of_fits(const Model& model, const ObjectiveArguments& arguments,
                                 const RunOptions& run) {
  ObjectiveResult result;
  if (arguments.counts.n_rows == 0) throw ArgumentError("must be given", "counts");
  result.first = empty_batch(arguments.n, model, Inputs(model).size(), true);
  result.complete =
      run_batch(model, arguments, run, result.messages, [&](const Item& item, std::size_t i) {
        ImplicitFit fit = item.fit(item.likelihood(), arguments.point);
        ValueAndGradient found{2.0 * fit.value(), {}};
        found.gradient.add(2.0, fit.envelope());
        found.gradient.add(-2.0, fit.derivatives().constant());
        item.fold_observables(found.gradient);
        store(found, i, result.first);
      });
  return result;
}

ObjectiveResult full_gradients(const Model& model, const ObjectiveArguments& arguments,
                               Rows<double> x, const RunOptions& run) {
  ObjectiveResult result;
  if (arguments.counts.n_rows == 0) throw ArgumentError("must be given", "counts");
  check_rows("x", x.n_rows, arguments.n);
  const std::size_t n = model.n_parameters();
  result.first = empty_batch(arguments.n, model, Inputs(model).size(), true);
  result.first.parameters.assign(arguments.n * n, not_a_number);
  result.complete =
      run_batch(model, arguments, run, result.messages, [&](const Item& item, std::size_t i) {
        const Likelihood likelihood = item.likelihood();
        const Span<const double> point(x.row(i, n), n);
        ValueAndGradient found{0.0, full_gradient(likelihood, point)};
        found.value =
            detail::FusedEvaluator(likelihood).value(point.data()).value + likelihood.constant();
        item.fold_observables(found.gradient);
        store(found, i, result.first);
        store_row(found.gradient.parameters, i, result.first.parameters);
      });
  return result;
}

FitsResult fit_inputs(const Model& model, const ObjectiveArguments& arguments, Rows<double> starts,
                      const RunOptions& run) {
  FitsResult result;
  if (arguments.counts.n_rows == 0) throw ArgumentError("must be given", "counts");
  if (starts.n_rows != 0) check_rows("starts", starts.n_rows, arguments.n);
  const std::size_t n = model.n_parameters();
  result.x.assign(arguments.n * n, not_a_number);
  result.value.assign(arguments.n, not_a_number);
  result.complete =
      run_batch(model, arguments, run, result.messages, [&](const Item& item, std::size_t i) {
        const Likelihood likelihood = item.likelihood();
        const double* start = starts.row(i, n);
        const ImplicitFit fit = start == nullptr
                                    ? item.fit(likelihood, arguments.point)
                                    : item.fit(likelihood, std::vector<double>(start, start + n));
        store_row(fit.x(), i, result.x);
        result.value[i] = fit.value() + likelihood.constant();
      });
  return result;
}

ObjectiveResult pull_back_fits(const Model& model, const ObjectiveArguments& arguments,
                               Rows<double> starts, Rows<double> parameters, Rows<double> values,
                               const RunOptions& run) {
  ObjectiveResult result;
  const std::size_t n = model.n_parameters();
  result.first = empty_batch(arguments.n, model, Inputs(model).size(), true);
  result.first.parameters.assign(arguments.n * n, not_a_number);
  result.complete =
      run_batch(model, arguments, run, result.messages, [&](const Item& item, std::size_t i) {
        const double* start = starts.row(i, n);
        ImplicitFit fit = item.fit(item.likelihood(), {start, start + n});
        ValueAndGradient found;
        const double* cotangent = parameters.row(i, n);
        found.gradient.add(0.0, fit.envelope());
        found.gradient.parameters.assign(cotangent, cotangent + n);
        fit.pull_back_minimum(found.gradient);
        found.gradient.add(*values.row(i, 1), fit.envelope());
        item.fold_observables(found.gradient);
        store(found, i, result.first);
        store_row(found.gradient.parameters, i, result.first.parameters);
      });
  return result;
}

}  // namespace nablafit
