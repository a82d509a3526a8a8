#include "ad/backends.hpp"

#include <array>
#include <string>
#include <string_view>

#include "nablafit/error.hpp"
#include "nearest_name.hpp"

namespace nablafit {

Backend backend_from_name(std::string_view name) {
  constexpr std::array<std::string_view, 3> names{"clad", "forward", "finite-difference"};
  constexpr std::array<Backend, 3> backends{Backend::clad, Backend::forward,
                                            Backend::finite_difference};
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return backends[i];
  }
  throw ArgumentError("found '" + std::string(name) +
                          "', expected 'clad', 'forward' or 'finite-difference'" +
                          detail::did_you_mean(name, names),
                      "backend");
}

}  // namespace nablafit
