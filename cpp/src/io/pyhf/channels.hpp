/// \file
/// The channels, samples, modifiers and observations of a pyhf workspace, checked and sorted.
#ifndef NABLAFIT_SRC_IO_PYHF_CHANNELS_HPP
#define NABLAFIT_SRC_IO_PYHF_CHANNELS_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/json/document.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::io {

/// In the order in which pyhf collects their parameters.
enum class PyhfType : std::uint8_t {
  histosys,
  lumi,
  normfactor,
  normsys,
  shapefactor,
  shapesys,
  staterror,
};
constexpr std::size_t n_pyhf_types = 7;
std::string_view name_of(PyhfType type) noexcept;

struct PyhfModifier {
  PyhfType type;
  std::string_view name;
  JsonValue value;  ///< the whole modifier
  JsonValue data;   ///< normsys: lo; histosys: lo_data; staterror, shapesys: uncertainties
  JsonValue high;   ///< normsys: hi; histosys: hi_data
  /// Index of its ParameterSet, and the position in the set of the first bin of the channel.
  std::uint32_t parameter_set = 0;
  std::uint32_t offset = 0;
};

struct PyhfSample {
  std::string_view name;
  JsonValue value;
  JsonValue data;
  std::vector<PyhfModifier> modifiers;  ///< in the order of the file
};

struct PyhfChannel {
  std::string_view name;
  JsonValue value;
  std::size_t n_bins = 0;
  std::vector<PyhfSample> samples;  ///< by name
};

/// The nonempty string; `what` is named by it: "a channel". Throws WorkspaceError.
std::string_view expect_name(JsonValue value, std::string_view what);

/// Reads `/channels`; the result is sorted by name. Throws WorkspaceError.
std::vector<PyhfChannel> read_pyhf_channels(JsonValue channels);

/// Reads `/observations`; the result has the channels in the given order. Those of channels that do
/// not exist are ignored, as in pyhf, which `notes` reports. Throws WorkspaceError.
Observations read_pyhf_observations(JsonValue observations,
                                    const std::vector<PyhfChannel>& channels,
                                    std::vector<std::string>& notes);

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_PYHF_CHANNELS_HPP
