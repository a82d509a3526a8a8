/// \file
/// Observed data of HS3: binned, and unbinned with weights as ROOT writes some histograms.
#ifndef NABLAFIT_SRC_IO_HS3_DATA_HPP
#define NABLAFIT_SRC_IO_HS3_DATA_HPP

#include <vector>

#include "io/hs3/index.hpp"

namespace nablafit::io {

/// Counts of `channel` in a data set. Throws for other types and binnings.
std::vector<double> read_hs3_counts(JsonValue data, const Channel& channel);

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_HS3_DATA_HPP
