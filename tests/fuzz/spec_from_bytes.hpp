/// \file
/// Specifications made of arbitrary bytes: mostly valid models, with extreme numbers.
#ifndef NABLAFIT_TESTS_SPEC_FROM_BYTES_HPP
#define NABLAFIT_TESTS_SPEC_FROM_BYTES_HPP

#include <cstddef>
#include <cstdint>

#include "nablafit/spec.hpp"

namespace nablafit::testing {

struct SpecAndData {
  ModelSpec spec;
  Observations observations;
};

/// Reads the bytes one after the other as choices and numbers; beyond the end all are zero. Small:
/// up to 3 channels, 4 bins and samples, 8 parameters, 6 modifiers a sample.
SpecAndData spec_from_bytes(const std::uint8_t* data, std::size_t size);

}  // namespace nablafit::testing

#endif  // NABLAFIT_TESTS_SPEC_FROM_BYTES_HPP
