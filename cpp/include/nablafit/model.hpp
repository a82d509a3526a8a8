/// \file
/// The compiled model and its data.
#ifndef NABLAFIT_MODEL_HPP
#define NABLAFIT_MODEL_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nablafit/export.hpp"
#include "nablafit/span.hpp"
#include "nablafit/spec.hpp"

namespace nablafit {

namespace detail {
struct CompiledModel;
}

/// Measured numbers as flat vectors. `counts` has Model::n_bins() entries in the model's bin order;
/// `global_observables` one per entry of Model::constrained_parameters(), in that order.
struct Data {
  std::vector<double> counts;
  std::vector<double> global_observables;
};

/// First derivatives of yields with respect to parameters, in compressed sparse rows: those of row
/// r are entries offsets[r] to offsets[r + 1] of the other two vectors, parameters ascending, each
/// at most once. All others are zero.
struct YieldJacobian {
  std::vector<std::int64_t> offsets;     ///< size: rows + 1
  std::vector<std::int64_t> parameters;  ///< index of the parameter
  std::vector<double> derivatives;       ///< events per unit of the parameter
};

/// A ModelSpec compiled for evaluation. Immutable; copies share the compiled arrays; every member
/// may be called from any number of threads at once.
///
/// Order of vectors: parameters as in `spec().parameters`; bins channel by channel as in
/// `spec().channels`, within a channel bin by bin; rows channel by channel, within a channel sample
/// by sample, within a sample bin by bin.
class NABLAFIT_API Model {
 public:
  /// Compiles. Throws SpecError if `validate` does, or if the spec contains something undefined.
  explicit Model(ModelSpec spec);
  /// Shares compiled data; internal.
  explicit Model(std::shared_ptr<const detail::CompiledModel> compiled) noexcept
      : compiled_(std::move(compiled)) {}

  /// The specification; for a model made by Inputs::exchange it is built on the first call.
  const ModelSpec& spec() const;

  std::size_t n_parameters() const noexcept;
  std::size_t n_bins() const noexcept;
  std::size_t n_rows() const noexcept;
  const std::vector<std::string>& parameter_names() const noexcept;
  /// Index of a parameter; throws ArgumentError for an unknown name, with the nearest known one.
  std::size_t parameter_index(const std::string& name) const;
  const std::vector<double>& initial() const noexcept;
  const std::vector<double>& lower() const noexcept;
  const std::vector<double>& upper() const noexcept;
  /// 1 where the parameter is constant in fits.
  const std::vector<char>& fixed() const noexcept;
  /// Indices of the parameters that have a constraint term, ascending.
  const std::vector<std::size_t>& constrained_parameters() const noexcept;
  /// First bin of each channel, and n_bins() at the end: size = number of channels + 1.
  const std::vector<std::size_t>& channel_offsets() const noexcept;

  /// What a physicist should know about this model, found while compiling; one sentence each.
  const std::vector<std::string>& warnings() const noexcept;

  /// Data in the model's order. Throws ArgumentError for missing, unknown or repeated channels,
  /// lengths that differ, and counts that are negative or not finite.
  Data data(const Observations& observations) const;

  /// Expected yields at `x` (n_parameters() values), into `yields` (n_bins() values). This and the
  /// following functions throw ArgumentError for spans of the wrong length; pointers are trusted.
  void expected(Span<const double> x, Span<double> yields) const;
  void expected(const double* x, double* yields) const;
  /// Expected yields per row, into `yields` (n_rows() values); they add up to `expected` where no
  /// channel floor acts.
  void expected_by_sample(Span<const double> x, Span<double> yields) const;
  void expected_by_sample(const double* x, double* yields) const;
  /// Derivatives of expected_by_sample at `x`, before channel floors. At a kink they are those of
  /// the branch that the kernels take there.
  YieldJacobian jacobian_by_sample(Span<const double> x) const;
  YieldJacobian jacobian_by_sample(const double* x) const;
  /// Expected values of the global observables (the mean of each constraint's density), into
  /// `values` (constrained_parameters().size() values).
  void expected_global_observables(Span<const double> x, Span<double> values) const;
  void expected_global_observables(const double* x, double* values) const;
  /// Asimov data: counts and global observables that equal their expectation at `x`
  /// (n_parameters() values). Expected counts below 1e-140 are treated as zero. Throws
  /// ArgumentError for a span of the wrong length.
  Data asimov(Span<const double> x) const;

  const detail::CompiledModel& compiled() const noexcept { return *compiled_; }

 private:
  std::shared_ptr<const detail::CompiledModel> compiled_;
};

}  // namespace nablafit

#endif  // NABLAFIT_MODEL_HPP
