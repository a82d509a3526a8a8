/// \file
/// What the library was built with.
#ifndef NABLAFIT_BUILD_INFO_HPP
#define NABLAFIT_BUILD_INFO_HPP

#include <string>
#include <vector>

#include "nablafit/export.hpp"

namespace nablafit {

struct BuildInfo {
  std::string version;                ///< of the library, as nablafit::version()
  std::string compiler;               ///< name and version
  std::string build_type;             ///< CMake's: Release, Debug, ...
  std::vector<std::string> backends;  ///< of derivatives, the default first
  std::string derivatives;            ///< tool that differentiated the kernels, with its version
  std::string codipack;               ///< version of CoDiPack; empty without it
  std::vector<std::string> instruction_sets;  ///< usable on this machine, fastest first
  std::string instruction_set;                ///< in use
};

NABLAFIT_API BuildInfo build_info();

}  // namespace nablafit

#endif  // NABLAFIT_BUILD_INFO_HPP
