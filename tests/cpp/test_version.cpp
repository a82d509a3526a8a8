#include <doctest/doctest.h>

#include <string>

#include "nablafit/version.hpp"

TEST_CASE("headers and library have the same version") {
  const std::string numbers = std::to_string(NABLAFIT_VERSION_MAJOR) + "." +
                              std::to_string(NABLAFIT_VERSION_MINOR) + "." +
                              std::to_string(NABLAFIT_VERSION_PATCH);
  CHECK(numbers == NABLAFIT_VERSION);
  CHECK(std::string(nablafit::version()) == NABLAFIT_VERSION);
}
