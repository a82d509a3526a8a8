/// \file
/// Sizes of arrays that callers choose.
#ifndef NABLAFIT_SRC_UTIL_ARRAY_SIZE_HPP
#define NABLAFIT_SRC_UTIL_ARRAY_SIZE_HPP

#include <cstddef>

namespace nablafit::detail {

/// Returns n_rows * n_columns. Throws ArgumentError, whose location is `argument`, the name of what
/// sets the number of rows, if that many doubles do not fit into the memory of the machine:
/// systems that promise more than they have would end the process later.
std::size_t array_size(std::size_t n_rows, std::size_t n_columns, const char* argument);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_UTIL_ARRAY_SIZE_HPP
