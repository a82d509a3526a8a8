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

/// What was measured, flat. `counts` has Model::n_bins() entries in the model's bin order;
/// `global_observables` one per entry of Model::constrained_parameters(), in that order.
struct Data {
  std::vector<double> counts;
  std::vector<double> global_observables;
};

/// First derivatives of yields with respect to parameters, in compressed sparse rows: those of row
/// r are entries offsets[r] to offsets[r + 1] of the other two, parameters ascending, each at most
/// once. What is not listed is zero.
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
  /// Compiles. Throws SpecError if `validate` does, or where the spec asks for something undefined.
  explicit Model(ModelSpec spec);
  /// Shares what is compiled already; for the library itself.
  explicit Model(std::shared_ptr<const detail::CompiledModel> compiled) noexcept
      : compiled_(std::move(compiled)) {}

  /// The specification. That of a model made by Inputs::exchange is put together when it is first
  /// asked for.
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

  /// Things a physicist should know about this model, found while compiling; one sentence each.
  const std::vector<std::string>& warnings() const noexcept;

  /// Data in the model's order. Throws ArgumentError for missing, unknown or repeated channels,
  /// lengths that differ, and counts that are negative or not finite.
  Data data(const Observations& observations) const;

  /// Expected yields at `x` (n_parameters() values), into `yields` (n_bins() values). This and the
  /// next two throw ArgumentError for spans of another length; pointers are taken at their word.
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
  /// (n_parameters() values). Where less than 1e-140 events are expected, which counts as none,
  /// there are none. Throws ArgumentError for a span of another length.
  Data asimov(Span<const double> x) const;

  const detail::CompiledModel& compiled() const noexcept { return *compiled_; }

 private:
  std::shared_ptr<const detail::CompiledModel> compiled_;
};

}  // namespace nablafit

#endif  // NABLAFIT_MODEL_HPP
