#include "util/array_size.hpp"

#include <limits>
#include <string>

#include "nablafit/error.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace nablafit::detail {
namespace {

/// In doubles; where the system does not say, what it can address.
std::size_t memory() {
#if defined(_SC_PHYS_PAGES) && defined(_SC_PAGESIZE)
  const long n_pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  if (n_pages > 0 && page > 0) {
    return static_cast<std::size_t>(n_pages) * (static_cast<std::size_t>(page) / sizeof(double));
  }
#endif
  return std::numeric_limits<std::size_t>::max() / (2 * sizeof(double));
}

}  // namespace

std::size_t array_size(std::size_t n_rows, std::size_t n_columns, const char* argument) {
  if (n_columns == 0 || n_rows <= memory() / n_columns) return n_rows * n_columns;
  throw ArgumentError(std::to_string(n_rows) + " rows of " + std::to_string(n_columns) +
                          " numbers do not fit into the memory of this machine, " +
                          std::to_string(memory() / n_columns) + " would; do it in parts",
                      argument);
}

}  // namespace nablafit::detail
