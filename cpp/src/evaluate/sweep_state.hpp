/// \file
/// Scratch memory of one thread for sweeps over one model.
#ifndef NABLAFIT_SRC_EVALUATE_SWEEP_STATE_HPP
#define NABLAFIT_SRC_EVALUATE_SWEEP_STATE_HPP

#include "compile/compiled_model.hpp"
#include "evaluate/sweep.hpp"
#include "formula/dual.hpp"
#include "util/aligned.hpp"

namespace nablafit::detail {

/// Value and first two derivatives of a transformed parameter with respect to its parameter.
double transformed_value(const TransformedParameter& argument, double x) noexcept;
double transformed_first(const TransformedParameter& argument, double x) noexcept;
double transformed_second(const TransformedParameter& argument, double x) noexcept;

/// Runs the parts of a sweep that do not depend on data. The model must outlive it.
class SweepState {
 public:
  explicit SweepState(const CompiledModel& model);

  const CompiledModel& model() const noexcept { return *model_; }
  const SweepFunctions& functions() const noexcept { return *functions_; }
  SweepScratch& scratch() noexcept { return scratch_; }
  const SweepScratch& scratch() const noexcept { return scratch_; }

  /// Sets interpolants, factors and operands for `x` (n_parameters values); with_gradient also sets
  /// their slopes and clears the adjoints.
  void set_parameters(const double* x, bool with_gradient);

  /// Forward pass over all rows: scratch().lambda has the yields of all bins before channel floors.
  void forward_rows();

  /// As set_parameters with gradient, on dual numbers with direction `v`. The following passes
  /// propagate tangents until the next set_parameters.
  void set_parameters_along(const double* x, const double* v);

  /// After set_parameters with gradient: derivatives of the operands of all derived factors, in
  /// their order; of each factor [bin][parameter].
  const std::vector<double>& derived_slopes() const noexcept { return derived_slopes_; }

  std::size_t n_partitions() const noexcept { return model_->partitions.size() - 1; }
  /// Scratch for the passes over the chunks of one partition, with its own adjoints; different
  /// partitions may run in different threads. Valid until the next set_parameters.
  SweepScratch begin_partition(std::size_t partition);
  /// Adds the adjoints of all partitions, in their order. After all have begun and ended.
  void merge_partitions();

  /// After the rows have been swept backwards: the gradient with respect to the parameters,
  /// n_parameters values, overwritten.
  void collect_gradient(const double* x, double* gradient);

  /// The same after set_parameters_along: the derivative of the gradient along the direction.
  void collect_product(const double* x, const double* v, double* product);

 private:
  void allocate(AlignedVector<double>& memory, SweepScratch& scratch);
  void set_factors(const double* x, bool with_gradient);
  void set_additive_factors();
  void set_derived_factors(bool with_gradient);
  void backward_additive_factors();
  void backward_derived_factors(double* gradient);
  void set_tangents_of_factors();
  void backward_tangents_of_additive_factors();
  void backward_tangents_of_derived_factors(double* product);
  /// The parameters of the factor, until the next call.
  const double* arguments(const DerivedFactor& factor);

  /// What the partitions after the first do not share.
  struct Part {
    AlignedVector<double> adjoints, tangent_adjoints;
    SweepScratch tangent{};
  };

  const CompiledModel* model_;
  const SweepFunctions* functions_;
  AlignedVector<double> memory_, tangent_memory_;
  FormulaScratch<double> formulas_;
  std::vector<double> arguments_;       ///< of one derived factor
  std::vector<double> derived_slopes_;  ///< see derived_slopes
  FormulaScratch<Dual<double>> tangent_formulas_;
  std::vector<Dual<double>> dual_arguments_, dual_adjoints_, dual_gradient_;  ///< likewise
  SweepScratch scratch_{};
  SweepScratch tangent_{};   ///< allocated when first used
  std::vector<Part> parts_;  ///< the first one is not used
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_EVALUATE_SWEEP_STATE_HPP
