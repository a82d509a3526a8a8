/// \file
/// The parameters that the modifiers of a pyhf workspace need, and their settings in a measurement.
#ifndef NABLAFIT_SRC_IO_PYHF_PARAMETERS_HPP
#define NABLAFIT_SRC_IO_PYHF_PARAMETERS_HPP

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "io/json/document.hpp"
#include "io/pyhf/channels.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::io {

/// All parameters that come from one modifier name: one for scalar types, one per bin for the
/// others.
struct ParameterSet {
  std::string_view name;
  PyhfType type;     ///< histosys if a histosys and a normsys share the name
  JsonValue origin;  ///< the first modifier that needs it
  std::size_t size = 1;
  /// One entry per bin for staterror (sigma of the constraint) and shapesys (tau); else empty. 0
  /// means that the bin is fixed.
  std::vector<double> widths;

  bool is_scalar() const noexcept {
    return type != PyhfType::staterror && type != PyhfType::shapesys &&
           type != PyhfType::shapefactor;
  }
};

/// The sets in the order of pyhf's `config.par_order`: by type (histosys, lumi, normfactor,
/// normsys, shapefactor, shapesys, staterror); within a type by the first channel, sample (both by
/// name) and name; staterrors by name alone. Writes each modifier's `parameter_set` and `offset`.
/// Throws WorkspaceError for modifiers that cannot share a name.
std::vector<ParameterSet> collect_parameter_sets(std::vector<PyhfChannel>& channels);

struct PyhfMeasurement {
  std::string name;
  std::string parameter_of_interest;  ///< as in the workspace; may be empty or unknown
  std::vector<Parameter> parameters;  ///< the sets one after the other, overrides applied
};

/// Reads `/measurements`; `notes` says what was changed. Throws WorkspaceError.
std::vector<PyhfMeasurement> read_pyhf_measurements(JsonValue measurements,
                                                    const std::vector<ParameterSet>& sets,
                                                    std::vector<std::string>& notes);

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_PYHF_PARAMETERS_HPP
