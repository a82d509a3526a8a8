# nablafit_harden(target): all symbols are resolved when the file is loaded, and the tables of addresses
# are read-only from then on.
function(nablafit_harden target)
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    target_link_options(${target} PRIVATE LINKER:-z,relro,-z,now)
  endif()
endfunction()

# nablafit_set_visibility(target): shared libraries export only what is marked NABLAFIT_API, objects
# that contain static libraries export nothing of nablafit.
#
# The tests use internal functions: if they link shared libraries, these export everything.
function(nablafit_set_visibility target)
  if(NOT (NABLAFIT_DEVELOPER_MODE AND BUILD_SHARED_LIBS))
    set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden
                                               VISIBILITY_INLINES_HIDDEN ON)
  endif()
  get_target_property(type ${target} TYPE)
  if(NOT type STREQUAL "SHARED_LIBRARY")
    if(NABLAFIT_BUILD_BOTH)
      # Its objects go into a shared library too, and show there what they show here.
      target_compile_definitions(${target} PRIVATE NABLAFIT_SHARED)
    endif()
    return()
  endif()
  target_compile_definitions(${target} PUBLIC NABLAFIT_SHARED)
  nablafit_harden(${target})
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT (NABLAFIT_DEVELOPER_MODE AND BUILD_SHARED_LIBS))
    # Templates of the standard library are visible with any compiler flags. What nablafit_io uses of
    # nablafit_core must be visible: -z defs checks that here rather than in programs.
    set(script "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/exports.map")
    target_link_options(${target} PRIVATE "LINKER:--version-script=${script}" LINKER:-z,defs)
    set_target_properties(${target} PROPERTIES LINK_DEPENDS "${script}")
  endif()
endfunction()
