#include "nablafit/build_info.hpp"

#include <string>

#include "evaluate/instruction_set.hpp"
#include "evaluate/sweep.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/version.hpp"

namespace nablafit {

BuildInfo build_info() {
  BuildInfo info;
  info.version = version();
  info.compiler = NABLAFIT_COMPILER;
  info.build_type = NABLAFIT_BUILD_TYPE;
  for (const Backend backend : available_backends()) info.backends.emplace_back(to_string(backend));
  info.derivatives = NABLAFIT_DERIVATIVES;
  info.codipack = NABLAFIT_CODIPACK_VERSION;
  info.instruction_sets = detail::sweep_names();
  info.instruction_set = detail::sweep_functions().name;
  return info;
}

const char* version() noexcept { return NABLAFIT_VERSION; }

}  // namespace nablafit
