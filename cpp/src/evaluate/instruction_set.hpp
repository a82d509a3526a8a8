/// \file
/// Names of the variants of the fused sweep. Not part of sweep.hpp, which is compiled once per
/// instruction set and must not use inline functions of the standard library.
#ifndef NABLAFIT_SRC_EVALUATE_INSTRUCTION_SET_HPP
#define NABLAFIT_SRC_EVALUATE_INSTRUCTION_SET_HPP

#include <string>
#include <vector>

namespace nablafit::detail {

/// Variants that this machine can run, fastest first.
std::vector<std::string> sweep_names();

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_EVALUATE_INSTRUCTION_SET_HPP
