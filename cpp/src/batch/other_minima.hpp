/// \file
/// Where minima may be that a fit does not see from its own.
#ifndef NABLAFIT_SRC_BATCH_OTHER_MINIMA_HPP
#define NABLAFIT_SRC_BATCH_OTHER_MINIMA_HPP

#include <cstddef>
#include <vector>

#include "arrow/factorization.hpp"
#include "evaluate/yield_jacobian.hpp"
#include "minimize/likelihood_objective.hpp"
#include "nablafit/batch.hpp"

namespace nablafit::detail {

/// Looks from a minimum for starts that may lead to others. There are three kinds of them:
///
/// * bent parameters (TwoSided), on the other side of their centre, or on the same side inside and
///   outside of where the interpolation is a polynomial;
/// * the other side of the floor of a sample's yield in a bin: where more events are wanted there,
///   -log L is flat on one side and falls on the other;
/// * a sample that grows by large factors: products of interpolated factors are exponentials, so a
///   sample that is negligible at one minimum may explain the events of a bin at another.
///
/// For one thread.
class OtherMinima {
 public:
  /// Keeps a reference to the parameters.
  OtherMinima(const Likelihood& likelihood, const FurtherStarts& elsewhere);

  /// The starts; the most promising of each kind, few or none. Valid until the next call.
  const std::vector<std::vector<double>>& find(const MinimizeSummary& minimum,
                                               const std::vector<double>& lower,
                                               const std::vector<double>& upper,
                                               const std::vector<char>& fixed);

 private:
  /// A point, and what speaks against it.
  struct Place {
    double rank = 0.0;  ///< the lower the better
    double rise = 0.0;  ///< of -log L from the minimum
    std::vector<double> x;
  };
  /// The yield of a sample in a bin that grows steeply along a direction of unit length, in widths
  /// of constraint terms.
  struct Growth {
    std::size_t row;
    double steepness;  ///< derivative of the logarithm of the yield along it
    std::vector<double> direction;
  };

  bool evaluate();
  bool factorize();
  void keep_best();

  void look_at_sides();
  double pull_at(const TwoSided& bent) const;
  void look_aside(const TwoSided& bent);
  void look_across(const TwoSided& bent, double away);
  void look_at(const TwoSided& bent, double target, double promising);
  bool relax(const TwoSided& bent);
  double mean_curvature(const TwoSided& bent, double slope) const;

  void look_beyond_floors();
  void look_beyond_floor(std::size_t row);
  bool reaches_floor(std::size_t row);
  void set_bin_gradient(std::size_t bin);
  /// Puts the gradient of a row into `sparse_`.
  void append(std::size_t row, RowBranch branch);
  /// Squared length in widths of the gradient of a row.
  double set_gradient(std::size_t row, RowBranch branch);

  void look_along_growth();
  bool set_growth(std::size_t row);
  void follow(const Growth& growth);

  const FurtherStarts& elsewhere_;
  LikelihoodObjective objective_;
  const CompiledModel& model_;
  ArrowHessian hessian_;
  ArrowFactorization factors_;
  RowGradients rows_, rows_there_;
  std::vector<double> widths_;  ///< of constraint terms; 0 without
  std::vector<std::size_t> floored_rows_, steep_rows_;
  YieldJacobian sparse_;  ///< of one row

  const MinimizeSummary* minimum_ = nullptr;
  const std::vector<double>* lower_ = nullptr;
  const std::vector<double>* upper_ = nullptr;
  const std::vector<char>* fixed_ = nullptr;
  bool has_factors_ = false;   ///< was asked for them
  bool is_quadratic_ = false;  ///< the Hessian is positive definite
  std::vector<char> free_;
  std::vector<double> yields_, gradient_, step_;
  std::vector<double> column_;  ///< of the inverse Hessian, or the gradient of a row
  std::vector<double> bin_gradient_, bin_step_;
  Growth growth_;
  std::vector<Growth> growths_;
  Place place_;
  std::vector<Place> places_;
  std::vector<std::vector<double>> starts_;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_BATCH_OTHER_MINIMA_HPP
