/// \file
/// Reader for pyhf JSON workspaces (schema 1.0.0).
#ifndef NABLAFIT_IO_PYHF_HPP
#define NABLAFIT_IO_PYHF_HPP

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nablafit/error.hpp"
#include "nablafit/export.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::io {

/// Choices of a pyhf model that the workspace does not contain.
struct PyhfOptions {
  Interpolation normsys = Interpolation::polynomial_exponential;  ///< code1 or code4 of pyhf
  Interpolation histosys = Interpolation::polynomial_linear;  ///< code0, code2 or code4p of pyhf
  /// pyhf's clip_sample_data=0: negative interpolated histograms count as 0 (Sample::yield_floor).
  /// Equal to pyhf's as long as the sample's factors are not negative.
  bool clip_sample_data = false;
  /// pyhf's clip_bin_data: lower limit on the total yield of a bin (Channel::yield_floor).
  std::optional<double> clip_bin_data;
};

/// What to do if only the observed data are wrong: wrong lengths, negative counts, channels without
/// data.
enum class BadData {
  refuse,  ///< throw
  report,  ///< continue without data and say what is wrong with them
};

class JsonDocument;

/// A parsed and checked workspace. Immutable, cheap to copy.
class NABLAFIT_API PyhfWorkspace {
 public:
  /// Parses `text`. Throws WorkspaceError for anything that is not a valid workspace; its location
  /// is `source` followed by the JSON pointer to the problem.
  static PyhfWorkspace parse(std::string_view text, const std::string& source = "workspace",
                             BadData bad_data = BadData::refuse);

  const std::vector<std::string>& measurement_names() const noexcept;
  /// Parameter of interest of a measurement (empty: the first), as the workspace names it; empty if
  /// the measurement names none. Throws ArgumentError for an unknown measurement.
  const std::string& parameter_of_interest(const std::string& measurement) const;

  /// The model of one measurement, parameters in the order of pyhf's `config.par_names`, channels
  /// and samples in pyhf's (sorted) order. `measurement` empty: the one without a name, if there is
  /// one, else the first. `poi` set: overrides the measurement's (empty string: none).
  ModelSpec model_spec(const std::string& measurement = {},
                       const std::optional<std::string>& poi = std::nullopt,
                       const PyhfOptions& options = {}) const;

  /// The observed counts, named "observed". Throws the data problem, if there is one.
  const Observations& observations() const;
  /// What is wrong with the observed counts, if anything: only with BadData::report.
  const std::optional<WorkspaceError>& data_problem() const noexcept;
  /// What was ignored or changed while reading, one sentence each.
  const std::vector<std::string>& notes() const noexcept;

 private:
  friend PyhfWorkspace read_pyhf(JsonDocument document, BadData bad_data);
  struct Contents;
  explicit PyhfWorkspace(std::shared_ptr<const Contents> contents);
  std::shared_ptr<const Contents> contents_;
};

}  // namespace nablafit::io

#endif  // NABLAFIT_IO_PYHF_HPP
