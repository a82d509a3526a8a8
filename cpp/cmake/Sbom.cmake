# A list of what is compiled into the extension, with the versions of this build, as CycloneDX JSON in
# the metadata of the wheel (PEP 770). Nothing in it depends on time or place.

# nablafit_json_version(out): of nlohmann_json, which need not have come with a CMake package.
function(nablafit_json_version out)
  if(nlohmann_json_VERSION)
    set(${out} "${nlohmann_json_VERSION}" PARENT_SCOPE)
    return()
  endif()
  set(lines "")
  foreach(header IN ITEMS json.hpp detail/abi_macros.hpp)  # the former holds all in some packages
    set(path "${NABLAFIT_NLOHMANN_JSON_INCLUDE_DIR}/nlohmann/${header}")
    if(EXISTS "${path}")
      file(STRINGS "${path}" found REGEX "^#define NLOHMANN_JSON_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
      list(APPEND lines ${found})
    endif()
  endforeach()
  string(REGEX MATCHALL "[0-9]+" numbers "${lines}")
  list(LENGTH numbers n)
  if(NOT n EQUAL 3)
    message(FATAL_ERROR "The version of nlohmann_json is not in the headers in "
                        "${NABLAFIT_NLOHMANN_JSON_INCLUDE_DIR}; set nlohmann_json_VERSION to it.")
  endif()
  list(JOIN numbers "." version)
  set(${out} "${version}" PARENT_SCOPE)
endfunction()

# nablafit_component(out name version licence purl source): one entry.
function(nablafit_component out name version licence purl source)
  set(${out}
      "{\"bom-ref\": \"${name}\", \"type\": \"library\", \"name\": \"${name}\", \"version\": \"${version}\",
      \"licenses\": [{\"license\": {\"id\": \"${licence}\"}}], \"purl\": \"${purl}\",
      \"externalReferences\": [{\"type\": \"vcs\", \"url\": \"${source}\"}]}"
      PARENT_SCOPE)
endfunction()

function(nablafit_install_sbom)
  nablafit_json_version(json_version)
  nablafit_component(eigen eigen "${Eigen3_VERSION}" MPL-2.0 "pkg:generic/eigen@${Eigen3_VERSION}"
                     "https://gitlab.com/libeigen/eigen")
  nablafit_component(json nlohmann-json "${json_version}" MIT
                     "pkg:github/nlohmann/json@v${json_version}" "https://github.com/nlohmann/json")
  nablafit_component(pybind pybind11 "${pybind11_VERSION}" BSD-3-Clause
                     "pkg:github/pybind/pybind11@v${pybind11_VERSION}"
                     "https://github.com/pybind/pybind11")
  set(components "${eigen}" "${json}" "${pybind}")
  set(names "\"eigen\"" "\"nlohmann-json\"" "\"pybind11\"")
  if(TARGET CoDiPack)
    nablafit_component(codipack codipack "${CODIPACK_VERSION}" GPL-3.0-or-later
                       "pkg:github/SciCompKL/CoDiPack@v${CODIPACK_VERSION}"
                       "https://github.com/SciCompKL/CoDiPack")
    list(APPEND components "${codipack}")
    list(APPEND names "\"codipack\"")
  endif()
  list(JOIN components ",\n    " components)
  list(JOIN names ", " names)
  set(sbom "${CMAKE_CURRENT_BINARY_DIR}/nablafit.cdx.json")
  configure_file("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/sbom.cdx.json.in" "${sbom}" @ONLY)
  install(FILES "${sbom}" DESTINATION "${SKBUILD_METADATA_DIR}/sboms")
endfunction()
