/// \file
/// The entry points of a fuzz target, as libFuzzer names them. Each target is one source file; it
/// is linked with libFuzzer, and with mutation_run.cpp, which needs no libFuzzer.
#ifndef NABLAFIT_TESTS_FUZZ_TARGET_HPP
#define NABLAFIT_TESTS_FUZZ_TARGET_HPP

#include <cstddef>
#include <cstdint>

/// Returns 0 for any bytes, or stops the program at a defect.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

#endif  // NABLAFIT_TESTS_FUZZ_TARGET_HPP
