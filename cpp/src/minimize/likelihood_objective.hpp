/// \file
/// A Likelihood as the Newton solver sees it.
#ifndef NABLAFIT_SRC_MINIMIZE_LIKELIHOOD_OBJECTIVE_HPP
#define NABLAFIT_SRC_MINIMIZE_LIKELIHOOD_OBJECTIVE_HPP

#include <vector>

#include "evaluate/fused_evaluator.hpp"
#include "minimize/objective.hpp"

namespace nablafit::detail {

class LikelihoodObjective final : public Objective {
 public:
  explicit LikelihoodObjective(const Likelihood& likelihood);

  const ArrowStructure& structure() const noexcept override;
  Evaluation value_and_gradient(const double* x, double* gradient) override;
  bool hessian(const double* x, ArrowHessian& hessian) override;
  bool information(const double* x, ArrowHessian& information) override;
  void separate_curvatures(const double* x, double* curvatures) const override;
  /// In a bin without events the deviance is the yield itself: it ends at zero without growing.
  bool has_finite_border(const Evaluation& evaluation) const override;

  const Likelihood& likelihood() const noexcept { return evaluator_.likelihood(); }

 private:
  FusedEvaluator evaluator_;
  std::vector<double> gradient_;
};

/// A typical change of each parameter, > 0: the width of its constraint term or part of its range.
std::vector<double> typical_widths(const Model& model);

/// Parameters with an interpolation of code 0 or 1 whose slopes differ on both sides of its nominal
/// point, ascending.
std::vector<Kink> find_kinks(const Model& model);

/// Whether any yield or factor has a least value, where derivatives jump.
bool has_floors(const Model& model);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_MINIMIZE_LIKELIHOOD_OBJECTIVE_HPP
