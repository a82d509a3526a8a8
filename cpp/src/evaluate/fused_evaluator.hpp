/// \file
/// The default evaluator: one fused sweep for value and gradient, structure-exploiting Hessian.
#ifndef NABLAFIT_SRC_EVALUATE_FUSED_EVALUATOR_HPP
#define NABLAFIT_SRC_EVALUATE_FUSED_EVALUATOR_HPP

#include <optional>
#include <vector>

#include "arrow/hessian.hpp"
#include "evaluate/compiled_likelihood.hpp"
#include "evaluate/hessian_assembler.hpp"
#include "evaluate/sweep_state.hpp"
#include "nablafit/likelihood.hpp"

namespace nablafit::detail {

class FusedEvaluator final : public Evaluator {
 public:
  explicit FusedEvaluator(Likelihood likelihood);

  const Likelihood& likelihood() const noexcept override { return likelihood_; }

  Evaluation value(const double* x) override;
  Evaluation value_and_gradient(const double* x, double* gradient) override;
  Evaluation hessian(const double* x, double* matrix) override;
  Evaluation hessian_vector_product(const double* x, const double* v, double* product) override;

  /// Value, gradient and Hessian in arrow form; its vectors are resized on first use.
  Evaluation arrow_hessian(const double* x, double* gradient, ArrowHessian& hessian);
  /// Value, gradient and, instead of the Hessian, the positive semidefinite matrix that it would be
  /// if the data were the yields at `x`: J^T diag(1 / lambda) J and the constraint terms.
  Evaluation arrow_information(const double* x, double* gradient, ArrowHessian& information);

  /// Second derivatives of the constraint terms, per parameter.
  void constraint_curvatures(const double* x, double* curvatures) const;

 private:
  Evaluation evaluate(const double* x, double* gradient);
  /// All passes over the rows, in threads if the model is large.
  BinSum sweep_chunks(bool with_gradient);
  BinSum sweep_partition(std::size_t partition, bool with_gradient);
  double constraint_deviance(const double* x) const;
  void add_constraint_gradient(const double* x, double* gradient) const;
  void add_constraint_product(const double* x, const double* v, double* product) const;
  /// The evaluation where the likelihood is not defined for any yields.
  std::optional<Evaluation> outside_domain(const double* x, double* gradient) const;
  Evaluation leave_forbidden_yields(const double* x, double* gradient);
  Evaluation leave_support(const double* x, double* gradient) const;

  Likelihood likelihood_;
  const CompiledLikelihood* terms_;
  SweepState state_;
  HessianAssembler assembler_;
  ArrowHessian arrow_;
  std::vector<double> gradient_;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_EVALUATE_FUSED_EVALUATOR_HPP
