#include "ad/backends.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "nablafit/error.hpp"
#include "util/nearest_name.hpp"

namespace nablafit {

std::string_view to_string(Backend backend) noexcept {
  switch (backend) {
    case Backend::clad:
      return "clad";
    case Backend::codipack:
      return "codipack";
    case Backend::forward:
      return "forward";
    case Backend::finite_difference:
      return "finite-difference";
    case Backend::minuit_difference:
      break;
  }
  return "minuit-difference";
}

Backend default_backend() noexcept {
#ifdef NABLAFIT_DERIVATIVES_BY_CODIPACK
  return Backend::codipack;
#else
  return Backend::clad;
#endif
}

std::vector<Backend> available_backends() {
  return {
#ifndef NABLAFIT_DERIVATIVES_BY_CODIPACK
      Backend::clad,
#endif
#ifdef NABLAFIT_HAS_CODIPACK
      Backend::codipack,
#endif
      Backend::forward, Backend::finite_difference, Backend::minuit_difference};
}

Backend backend_from_name(std::string_view name) {
  std::vector<std::string> names;
  for (const Backend backend : available_backends()) {
    names.emplace_back(to_string(backend));
    if (names.back() == name) return backend;
  }
  std::string list;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) list += i + 1 < names.size() ? ", " : " or ";
    list += "'" + names[i] + "'";
  }
  const bool is_known = name == "clad" || name == "codipack";
  throw ArgumentError(
      "found '" + std::string(name) + "', expected " + list +
          (is_known ? "; this build does not have it" : detail::did_you_mean(name, names)),
      "backend");
}

}  // namespace nablafit
