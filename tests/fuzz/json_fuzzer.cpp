/// Mutator of the libFuzzer targets that read JSON: every second mutation keeps the text JSON.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "mutation.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  if (seed % 2 == 0) return LLVMFuzzerMutate(data, size, max_size);
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string mutated = nablafit::testing::mutate_json(text, seed, max_size);
  if (mutated.empty() || mutated == text) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, mutated.data(), mutated.size());
  return mutated.size();
}
