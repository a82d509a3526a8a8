/// Any bytes as a specification with data: refused with a SpecError or ArgumentError, or compiled
/// and evaluated.
#include "evaluate_everywhere.hpp"
#include "fuzz_target.hpp"
#include "spec_from_bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto made = nablafit::testing::spec_from_bytes(data, size);
  nablafit::testing::evaluate_everywhere(made.spec, {made.observations});
  return 0;
}
