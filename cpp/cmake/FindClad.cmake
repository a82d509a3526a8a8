# Finds Clad, the plugin of clang that generates the derivatives, and a clang++ that can load it.
#
# Hints: Clad_ROOT (prefix of an installed Clad), Clad_PLUGIN, Clad_INCLUDE_DIR, Clad_CLANGXX.
#
# Sets Clad_FOUND, Clad_VERSION, Clad_PLUGIN, Clad_INCLUDE_DIR and Clad_CLANGXX. A plugin works only in
# the clang it was built for, so loading it is tried once: a pair that does not match is not found.
#
# If found, clad_add_regenerate_target() adds the target `regenerate_derivatives`, which regenerates
# cpp/generated/. It is never part of `all`.

find_file(
  Clad_PLUGIN
  NAMES clad.so clad.dylib
  PATH_SUFFIXES lib lib64
  DOC "Clad's plugin")
if(Clad_PLUGIN)
  get_filename_component(clad_prefix "${Clad_PLUGIN}" DIRECTORY)
  get_filename_component(clad_prefix "${clad_prefix}" DIRECTORY)
endif()
find_path(
  Clad_INCLUDE_DIR clad/Differentiator/Differentiator.h
  HINTS "${clad_prefix}/include"
  DOC "Folder of Clad's headers")
find_program(
  Clad_CLANGXX
  NAMES clang++-22 clang++-21 clang++-20 clang++-19 clang++-18 clang++-17 clang++
  DOC "The clang++ that Clad was built for")
mark_as_advanced(Clad_PLUGIN Clad_INCLUDE_DIR Clad_CLANGXX)

set(Clad_VERSION "")
set(clad_reason "")
if(Clad_PLUGIN AND Clad_CLANGXX)
  execute_process(
    COMMAND "${Clad_CLANGXX}" -fsyntax-only -x c++ -Xclang -add-plugin -Xclang clad -Xclang -load -Xclang
            "${Clad_PLUGIN}" -Xclang -plugin-arg-clad -Xclang -version -
    INPUT_FILE /dev/null
    RESULT_VARIABLE clad_result
    OUTPUT_VARIABLE clad_output
    ERROR_VARIABLE clad_output)
  if(clad_result EQUAL 0 AND clad_output MATCHES "clad version ([0-9.]+)")
    set(Clad_VERSION "${CMAKE_MATCH_1}")
  else()
    string(CONCAT clad_reason "${Clad_CLANGXX} cannot load ${Clad_PLUGIN}. Set Clad_CLANGXX to the "
                              "clang++ that Clad was built for.")
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  Clad
  REQUIRED_VARS Clad_PLUGIN Clad_INCLUDE_DIR Clad_CLANGXX Clad_VERSION
  VERSION_VAR Clad_VERSION
  REASON_FAILURE_MESSAGE "${clad_reason}")

if(Clad_FOUND)
  function(clad_add_regenerate_target)
    find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
    add_custom_target(
      regenerate_derivatives
      COMMAND
        Python::Interpreter "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../tools/generate_derivatives.py"
        --clad "${Clad_PLUGIN}" --clad-include "${Clad_INCLUDE_DIR}" --clang "${Clad_CLANGXX}"
      COMMENT "Generating the derivatives of the kernels with Clad ${Clad_VERSION}"
      VERBATIM)
  endfunction()
endif()
