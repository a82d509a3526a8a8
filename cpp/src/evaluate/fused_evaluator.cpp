#include "evaluate/fused_evaluator.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

#include "ad/derivatives.hpp"
#include "kernels/constants.hpp"
#include "kernels/terms.hpp"
#include "util/finite.hpp"
#include "util/threads.hpp"

namespace nablafit::detail {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

FusedEvaluator::FusedEvaluator(Likelihood likelihood)
    : likelihood_(std::move(likelihood)),
      terms_(&likelihood_.compiled()),
      state_(likelihood_.model().compiled()),
      assembler_(*terms_) {}

Evaluation FusedEvaluator::value(const double* x) { return evaluate(x, nullptr); }

Evaluation FusedEvaluator::value_and_gradient(const double* x, double* gradient) {
  return evaluate(x, gradient);
}

double FusedEvaluator::constraint_deviance(const double* x) const {
  const GaussianTerms& gaussians = terms_->gaussians;
  double sum = 0.0;
  for (std::size_t i = 0; i < gaussians.parameter.size(); ++i) {
    sum += kernels::gaussian_deviance(gaussians.observed[i], x[gaussians.parameter[i]],
                                      gaussians.sigma[i]);
  }
  for (const ConstraintTerm& term : terms_->others) sum += deviance(term, x[term.parameter]);
  return sum;
}

void FusedEvaluator::add_constraint_gradient(const double* x, double* gradient) const {
  const GaussianTerms& gaussians = terms_->gaussians;
  for (std::size_t i = 0; i < gaussians.parameter.size(); ++i) {
    const std::uint32_t p = gaussians.parameter[i];
    gradient[p] += kernels::derivatives::gaussian_deviance_first(gaussians.observed[i], x[p],
                                                                 gaussians.sigma[i]);
  }
  for (const ConstraintTerm& term : terms_->others) {
    gradient[term.parameter] += deviance_first(term, x[term.parameter]);
  }
}

std::optional<Evaluation> FusedEvaluator::outside_domain(const double* x, double* gradient) const {
  const std::size_t n = state_.model().names.size();
  if (const std::size_t invalid = first_not_finite(x, n); invalid < n) {
    if (gradient != nullptr) std::fill_n(gradient, n, 0.0);
    return Evaluation{infinity, EvaluationStatus::invalid_parameter, invalid};
  }
  for (const ConstraintTerm& term : terms_->others) {
    if (!in_support(term, x[term.parameter])) return leave_support(x, gradient);
  }
  return std::nullopt;
}

Evaluation FusedEvaluator::evaluate(const double* x, double* gradient) {
  if (const std::optional<Evaluation> outside = outside_domain(x, gradient)) return *outside;
  const bool with_gradient = gradient != nullptr;
  state_.set_parameters(x, with_gradient);
  const BinSum bins = sweep_chunks(with_gradient);
  if (bins.first_offender != no_offender) return leave_forbidden_yields(x, gradient);
  if (with_gradient) {
    state_.collect_gradient(x, gradient);
    add_constraint_gradient(x, gradient);
  }
  const Evaluation result{bins.deviance + constraint_deviance(x), EvaluationStatus::ok, 0};
  const std::size_t n = state_.model().names.size();
  return unless_overflow(result, gradient, with_gradient ? n : 0, n);
}

BinSum FusedEvaluator::sweep_chunks(bool with_gradient) {
  const std::size_t n = state_.n_partitions();
  if (n == 1) return sweep_partition(0, with_gradient);
  std::vector<BinSum> sums(n);
  parallel_for(n, usable_threads(), [&](std::size_t partition, std::size_t /*worker*/) {
    sums[partition] = sweep_partition(partition, with_gradient);
  });
  BinSum total{0.0, no_offender};
  for (const BinSum& sum : sums) {
    total.deviance += sum.deviance;
    total.first_offender = std::min(total.first_offender, sum.first_offender);
  }
  if (with_gradient) state_.merge_partitions();
  return total;
}

BinSum FusedEvaluator::sweep_partition(std::size_t partition, bool with_gradient) {
  const CompiledModel& model = state_.model();
  const SweepFunctions& sweep = state_.functions();
  const double* counts = likelihood_.data().counts.data();
  SweepScratch scratch = state_.begin_partition(partition);
  BinSum sum{0.0, no_offender};
  for (std::size_t c = model.partitions[partition]; c < model.partitions[partition + 1]; ++c) {
    const Chunk& chunk = model.chunks[c];
    sweep.forward_rows(model.sweep, scratch, chunk);
    const BinSum bins = sweep.weigh_bins(model.sweep, scratch, chunk, counts, with_gradient);
    if (bins.first_offender != no_offender) return bins;
    sum.deviance += bins.deviance;
    if (with_gradient) sweep.backward_rows(model.sweep, scratch, chunk);
  }
  return sum;
}

Evaluation FusedEvaluator::leave_support(const double* x, double* gradient) const {
  const std::size_t n = state_.model().names.size();
  if (gradient != nullptr) std::fill_n(gradient, n, 0.0);
  std::size_t first = n;
  for (const ConstraintTerm& term : terms_->others) {
    if (in_support(term, x[term.parameter])) continue;
    first = std::min<std::size_t>(first, term.parameter);
    if (gradient != nullptr) gradient[term.parameter] = -1.0;
  }
  return {infinity, EvaluationStatus::outside_support, first};
}

Evaluation FusedEvaluator::leave_forbidden_yields(const double* x, double* gradient) {
  const CompiledModel& model = state_.model();
  SweepScratch& scratch = state_.scratch();
  state_.set_parameters(x, gradient != nullptr);
  state_.forward_rows();
  const std::vector<double>& counts = likelihood_.data().counts;
  bool finite = true;
  std::size_t first = model.n_bins;
  for (std::size_t bin = 0; bin < model.n_bins; ++bin) {
    const double floor = model.bin_floor.empty() ? -infinity : model.bin_floor[bin];
    const double lambda = is_floored(scratch.lambda[bin], floor) ? floor : scratch.lambda[bin];
    const bool allowed = kernels::is_possible(counts[bin], lambda);
    scratch.weight[bin] = allowed || lambda == floor ? 0.0 : -1.0;
    finite = finite && std::fabs(lambda) <= DBL_MAX;
    if (!(allowed && lambda <= DBL_MAX)) first = std::min(first, bin);
  }
  if (gradient != nullptr) {
    std::fill_n(gradient, model.names.size(), 0.0);
    if (finite) {
      for (const Chunk& chunk : model.chunks) {
        state_.functions().backward_rows(model.sweep, scratch, chunk);
      }
      state_.collect_gradient(x, gradient);
      const std::size_t n = model.names.size();
      if (first_not_finite(gradient, n) < n) std::fill_n(gradient, n, 0.0);
    }
  }
  return {infinity, finite ? EvaluationStatus::negative_yield : EvaluationStatus::not_finite,
          first};
}

Evaluation FusedEvaluator::arrow_hessian(const double* x, double* gradient, ArrowHessian& hessian) {
  const Evaluation evaluation = evaluate(x, gradient);
  if (evaluation.status == EvaluationStatus::ok) assembler_.assemble(x, state_, hessian);
  return evaluation;
}

Evaluation FusedEvaluator::arrow_information(const double* x, double* gradient,
                                             ArrowHessian& information) {
  const Evaluation evaluation = evaluate(x, gradient);
  if (evaluation.status == EvaluationStatus::ok) {
    assembler_.assemble_information(x, state_, information);
  }
  return evaluation;
}

Evaluation FusedEvaluator::hessian(const double* x, double* matrix) {
  const std::size_t n = state_.model().names.size();
  gradient_.resize(n);
  const Evaluation evaluation = arrow_hessian(x, gradient_.data(), arrow_);
  if (evaluation.status != EvaluationStatus::ok) {
    std::fill_n(matrix, n * n, 0.0);
    return evaluation;
  }
  expand(state_.model().arrow, arrow_, matrix);
  return unless_overflow(evaluation, matrix, n * n, n);
}

Evaluation FusedEvaluator::hessian_vector_product(const double* x, const double* v,
                                                  double* product) {
  std::fill_n(product, state_.model().names.size(), 0.0);
  if (const std::optional<Evaluation> outside = outside_domain(x, nullptr)) return *outside;
  state_.set_parameters_along(x, v);
  const BinSum bins = sweep_chunks(true);
  if (bins.first_offender != no_offender) return leave_forbidden_yields(x, nullptr);
  state_.collect_product(x, v, product);
  add_constraint_product(x, v, product);
  const Evaluation result{bins.deviance + constraint_deviance(x), EvaluationStatus::ok, 0};
  const std::size_t n = state_.model().names.size();
  return unless_overflow(result, product, n, n);
}

void FusedEvaluator::constraint_curvatures(const double* x, double* curvatures) const {
  const std::size_t n = state_.model().names.size();
  const std::vector<double> ones(n, 1.0);
  std::fill_n(curvatures, n, 0.0);
  add_constraint_product(x, ones.data(), curvatures);
}

void FusedEvaluator::add_constraint_product(const double* x, const double* v,
                                            double* product) const {
  const GaussianTerms& gaussians = terms_->gaussians;
  for (std::size_t i = 0; i < gaussians.parameter.size(); ++i) {
    const std::uint32_t p = gaussians.parameter[i];
    product[p] += v[p] * kernels::derivatives::gaussian_deviance_second(gaussians.observed[i], x[p],
                                                                        gaussians.sigma[i]);
  }
  for (const ConstraintTerm& term : terms_->others) {
    product[term.parameter] += v[term.parameter] * deviance_second(term, x[term.parameter]);
  }
}

}  // namespace nablafit::detail
