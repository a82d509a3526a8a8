# Finds Eigen and nlohmann_json, both header-only and used inside the libraries only.
#
# System packages and CMAKE_PREFIX_PATH come first. Otherwise they are taken from the PyPI packages
# `cmeel-eigen` and `nlohmann-json` on the import path of the Python that runs the build, which is how
# pip's isolated build environment provides them. `nlohmann-json` on PyPI has headers but no CMake
# package, so its target is defined here.
#
# Sets the targets Eigen3::Eigen, nlohmann_json::nlohmann_json and Threads::Threads.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# Directories of Python's import path, as a list in `out`; empty without Python.
function(nablafit_python_import_path out)
  if(DEFINED SKBUILD)
    find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
  else()
    set(Python_FIND_VIRTUALENV FIRST)
    find_package(Python 3.10 QUIET COMPONENTS Interpreter)
  endif()
  set(directories "")
  if(Python_Interpreter_FOUND)
    execute_process(
      COMMAND "${Python_EXECUTABLE}" -c "import sys; print(';'.join(p for p in sys.path if p))"
      OUTPUT_VARIABLE directories
      OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    file(TO_CMAKE_PATH "${directories}" directories)
  endif()
  set(${out} "${directories}" PARENT_SCOPE)
endfunction()

# One major version at a time: the package of Eigen 3.4.0 refuses ranges of several.
macro(nablafit_find_eigen)
  foreach(version IN ITEMS 3.4 5)
    if(NOT Eigen3_FOUND)
      find_package(Eigen3 ${version} CONFIG QUIET ${ARGN})
    endif()
  endforeach()
endmacro()

nablafit_find_eigen()
find_package(nlohmann_json 3.10 CONFIG QUIET)

if(NOT Eigen3_FOUND OR NOT nlohmann_json_FOUND)
  nablafit_python_import_path(import_path)
  list(APPEND import_path ${CMAKE_PREFIX_PATH})
endif()

if(NOT Eigen3_FOUND)
  set(prefixes ${import_path})
  list(TRANSFORM prefixes APPEND "/cmeel.prefix")
  nablafit_find_eigen(PATHS ${prefixes} NO_DEFAULT_PATH)
endif()
if(NOT Eigen3_FOUND)
  message(FATAL_ERROR "Eigen 3.4 or newer was not found. Install the system package "
                      "(libeigen3-dev), `pip install cmeel-eigen`, or set Eigen3_DIR.")
endif()

if(NOT nlohmann_json_FOUND)
  find_path(
    NABLAFIT_NLOHMANN_JSON_INCLUDE_DIR nlohmann/json.hpp
    PATHS ${import_path}
    PATH_SUFFIXES nlohmann_json/include)
  if(NOT NABLAFIT_NLOHMANN_JSON_INCLUDE_DIR)
    message(FATAL_ERROR "nlohmann_json was not found. Install the system package "
                        "(nlohmann-json3-dev), `pip install nlohmann-json`, or set "
                        "NABLAFIT_NLOHMANN_JSON_INCLUDE_DIR to the directory with nlohmann/json.hpp.")
  endif()
  mark_as_advanced(NABLAFIT_NLOHMANN_JSON_INCLUDE_DIR)
  add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED)
  target_include_directories(nlohmann_json::nlohmann_json SYSTEM
                             INTERFACE "${NABLAFIT_NLOHMANN_JSON_INCLUDE_DIR}")
endif()
