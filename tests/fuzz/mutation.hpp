/// \file
/// Mutations of inputs, the same for a seed on every machine.
#ifndef NABLAFIT_TESTS_MUTATION_HPP
#define NABLAFIT_TESTS_MUTATION_HPP

#include <cstddef>
#include <cstdint>
#include <string>

namespace nablafit::testing {

/// Changes some values, keys or whole parts of a JSON text: it stays JSON, with extreme numbers,
/// missing, doubled, moved and mistyped members. Returns `text` as it is if it is not JSON or nests
/// too deep, and an empty string if the result would be longer than `max_size`.
std::string mutate_json(const std::string& text, std::uint64_t seed, std::size_t max_size);

/// Flips, drops, doubles and overwrites bytes: what a damaged file looks like.
std::string mutate_bytes(std::string bytes, std::uint64_t seed);

}  // namespace nablafit::testing

#endif  // NABLAFIT_TESTS_MUTATION_HPP
