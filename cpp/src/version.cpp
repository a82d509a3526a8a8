#include "nablafit/version.hpp"

#include "sweep.hpp"

namespace nablafit {

const char* version() noexcept { return NABLAFIT_VERSION; }

BuildInfo build_info() {
#ifdef NABLAFIT_SHARED
  constexpr bool is_shared = true;
#else
  constexpr bool is_shared = false;
#endif
  return {NABLAFIT_VERSION, NABLAFIT_COMPILER, NABLAFIT_BUILD_TYPE, detail::sweep_functions().name,
          is_shared};
}

}  // namespace nablafit
