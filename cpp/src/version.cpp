#include "nablafit/version.hpp"

namespace nablafit {

const char* version() noexcept { return NABLAFIT_VERSION; }

}  // namespace nablafit
