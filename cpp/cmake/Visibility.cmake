# nablafit_set_visibility(target): shared libraries export only what is marked NABLAFIT_API, objects
# that contain static libraries export nothing of nablafit.
#
# The tests use internal functions: shared libraries of developer mode export everything.
function(nablafit_set_visibility target)
  if(NOT (NABLAFIT_DEVELOPER_MODE AND BUILD_SHARED_LIBS))
    set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden
                                               VISIBILITY_INLINES_HIDDEN ON)
  endif()
  get_target_property(type ${target} TYPE)
  if(NOT type STREQUAL "SHARED_LIBRARY")
    return()
  endif()
  target_compile_definitions(${target} PUBLIC NABLAFIT_SHARED)
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT NABLAFIT_DEVELOPER_MODE)
    # Templates of the standard library are visible with any compiler flags. What nablafit_io uses of
    # nablafit_core must be visible: -z defs checks that here rather than in programs.
    set(script "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/exports.map")
    target_link_options(${target} PRIVATE "LINKER:--version-script=${script}" LINKER:-z,defs)
    set_target_properties(${target} PROPERTIES LINK_DEPENDS "${script}")
  endif()
endfunction()
