/// \file
/// What the Newton solver minimises.
#ifndef NABLAFIT_SRC_MINIMIZE_OBJECTIVE_HPP
#define NABLAFIT_SRC_MINIMIZE_OBJECTIVE_HPP

#include <algorithm>
#include <cstddef>
#include <vector>

#include "arrow/hessian.hpp"
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

  /// Second derivatives, per parameter, of the part of the function that is a sum over single
  /// parameters: constraint terms.
  virtual void separate_curvatures(const double* /*x*/, double* curvatures) const {
    std::fill_n(curvatures, structure().n_dense() + structure().n_local(), 0.0);
  }

  /// Whether the function is finite up to the border of the domain behind which an evaluation was.
  virtual bool has_finite_border(const Evaluation& /*evaluation*/) const { return false; }

  /// Part of the way from the point of the last Hessian to `x`, outside the domain, that may lead
  /// to a point inside.
  virtual double part_inside(const double* /*x*/) { return 0.5; }

  /// Called when this part of a Newton step was made.
  virtual void note_step(double /*fraction*/) {}
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
  std::vector<Kink> kinks;      ///< at most one per parameter
  bool has_floors = false;      ///< derivatives may jump elsewhere too
  bool stop_at_border = false;  ///< give up where a finite border of the domain is in the way
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_MINIMIZE_OBJECTIVE_HPP
