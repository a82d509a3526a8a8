/// \file
/// Derivatives of the yields of samples in bins.
#ifndef NABLAFIT_SRC_EVALUATE_YIELD_JACOBIAN_HPP
#define NABLAFIT_SRC_EVALUATE_YIELD_JACOBIAN_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "evaluate/first_derivatives.hpp"
#include "evaluate/sweep_state.hpp"
#include "nablafit/model.hpp"

namespace nablafit::detail {

/// What the gradient of a row is of.
enum class RowBranch : std::uint8_t {
  yield,        ///< the yield
  above_floor,  ///< (h - floor) F, as if there were no floor
  factors,      ///< the yield, with the interpolated histogram h as it is
};

/// Yields of all rows at one point, and gradients of single ones. The model must outlive it.
class RowGradients {
 public:
  explicit RowGradients(const CompiledModel& model);

  /// Sets the yields. Gradients asked for later need `x` as it is here.
  void set(const double* x);
  /// Yields of bins before floors of channels, and what rows are made of.
  const SweepScratch& scratch() const noexcept { return state_.scratch(); }
  /// Yield of a row, in the order of the sweeps.
  double yield(std::size_t row) const;
  /// Appends the gradient of a row, in the order of the sweeps, parameters ascending.
  void append(std::size_t row, YieldJacobian& jacobian, RowBranch branch = RowBranch::yield);

 private:
  void add(std::uint32_t dense_row, double value) {
    dense_[dense_row] += value;
    if (is_touched_[dense_row] == 0) touched_.push_back(dense_row);
    is_touched_[dense_row] = 1;
  }
  void add_operand(std::uint32_t operand, double slope);
  void add_entries(std::size_t row, double factor);
  void multiply_operands();
  void flush(YieldJacobian& jacobian);

  const CompiledModel& model_;
  SweepState state_;
  FirstDerivatives derivatives_;
  const double* x_ = nullptr;
  bool has_derivatives_ = false;
  // Of the current row.
  std::vector<std::uint32_t> operands_;
  std::vector<double> before_, after_;  ///< products of the operands before and after each
  std::vector<double> dense_;           ///< per dense row
  std::vector<char> is_touched_;        ///< per dense row
  std::vector<std::uint32_t> touched_;  ///< dense rows
  std::vector<SparseEntry> local_;      ///< index: parameter
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_EVALUATE_YIELD_JACOBIAN_HPP
