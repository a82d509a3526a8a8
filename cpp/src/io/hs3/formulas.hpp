/// \file
/// Expressions of HS3: `generic_function`, and channels whose yields are its integrals.
#ifndef NABLAFIT_SRC_IO_HS3_FORMULAS_HPP
#define NABLAFIT_SRC_IO_HS3_FORMULAS_HPP

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "io/hs3/parameters.hpp"

namespace nablafit::io {

/// The `generic_function` with a given name, as a factor without variables or, if `variable` is not
/// empty, with that one, whose numbers are not set. Throws at `where`, which refers to it, or at
/// the function.
FormulaFactor read_hs3_function(const Hs3Index& index, const std::string& name, JsonValue where,
                                const std::string& variable);

inline constexpr std::string_view hs3_density_type = "bincounts_density_dist";
inline constexpr std::size_t hs3_density_nodes = 10;  ///< per bin, unless nablafit says otherwise

/// The channel of a `bincounts_density_dist`: one sample of nominal yields 1, times the integral of
/// the density over each bin.
Channel read_hs3_density(const Hs3Index& index, Hs3Parameters& parameters, Hs3Notes& notes,
                         JsonValue distribution, const std::string& name);

/// Why a distribution cannot be a channel, as the end of a message; empty if there is nothing to
/// add.
std::string why_no_channel(std::string_view type);

/// The number of nodes per bin if a channel is exactly one that read_hs3_density makes.
std::optional<std::size_t> hs3_density_nodes_of(const Channel& channel);

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_HS3_FORMULAS_HPP
