/// \file
/// What the Newton solver minimises.
#ifndef NABLAFIT_SRC_OBJECTIVE_HPP
#define NABLAFIT_SRC_OBJECTIVE_HPP

#include <cstddef>
#include <vector>

#include "arrow_hessian.hpp"
#include "nablafit/likelihood.hpp"

namespace nablafit::detail {

/// A function with exact derivatives. Evaluations follow the contract of nablafit::Evaluation:
/// outside the domain the value is +infinity and the gradient points further out. Belongs to one
/// thread.
class Objective {
 public:
  virtual ~Objective() = default;

  virtual const ArrowStructure& structure() const noexcept = 0;
  virtual Evaluation value_and_gradient(const double* x, double* gradient) = 0;
  /// Called at the point of the last value_and_gradient. False if there is none there; then the
  /// numbers mean nothing.
  virtual bool hessian(const double* x, ArrowHessian& hessian) = 0;

  /// A positive semidefinite matrix that behaves like the Hessian far from the minimum, where that
  /// may be indefinite. False if there is none.
  virtual bool information(const double* /*x*/, ArrowHessian& /*information*/) { return false; }
};

/// A parameter value where derivatives may jump.
struct Kink {
  std::size_t parameter;
  double position;
};

/// Where to minimise; vectors are indexed by parameter.
struct BoxProblem {
  std::vector<double> start, lower, upper;
  std::vector<double> nominal;  ///< a point where the function is likely to be finite
  std::vector<double> widths;   ///< > 0, finite: a typical change of the parameter
  std::vector<char> fixed;
  std::vector<Kink> kinks;  ///< at most one per parameter
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_OBJECTIVE_HPP
