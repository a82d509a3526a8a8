#include "ad/backends.hpp"
#include "evaluate/fused_evaluator.hpp"
#include "nablafit/error.hpp"
#include "nablafit/likelihood.hpp"

namespace nablafit {

std::unique_ptr<Evaluator> make_evaluator(const Likelihood& likelihood, Backend backend) {
  switch (backend) {
    case Backend::forward:
      return detail::make_forward_evaluator(likelihood);
    case Backend::finite_difference:
      return detail::make_finite_difference_evaluator(likelihood);
    case Backend::minuit_difference:
      return detail::make_minuit_difference_evaluator(likelihood);
    case Backend::codipack:
#ifdef NABLAFIT_HAS_CODIPACK
      return detail::make_codipack_evaluator(likelihood);
#else
      break;
#endif
    case Backend::clad:
#ifndef NABLAFIT_DERIVATIVES_BY_CODIPACK
      return std::make_unique<detail::FusedEvaluator>(likelihood);
#else
      break;
#endif
  }
  throw ArgumentError("this build does not have '" + std::string(to_string(backend)) + "'",
                      "backend");
}

}  // namespace nablafit
