#include "ad/backends.hpp"
#include "fused_evaluator.hpp"
#include "nablafit/likelihood.hpp"

namespace nablafit {

std::unique_ptr<Evaluator> make_evaluator(const Likelihood& likelihood, Backend backend) {
  switch (backend) {
    case Backend::forward:
      return detail::make_forward_evaluator(likelihood);
    case Backend::finite_difference:
      return detail::make_finite_difference_evaluator(likelihood);
    case Backend::clad:
      break;
  }
  return std::make_unique<detail::FusedEvaluator>(likelihood);
}

}  // namespace nablafit
