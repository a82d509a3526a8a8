# Installs headers, libraries, the CMake package and pkg-config files. All paths in them are relative,
# so that the installed tree can be moved.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/nablafit")
set(pkgconfig_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

# nablafit_relative(out directory): the path from the folder of the pkg-config files to a folder of
# the installation; an absolute one is unchanged.
function(nablafit_relative out directory)
  if(IS_ABSOLUTE "${directory}" OR IS_ABSOLUTE "${pkgconfig_dir}")
    cmake_path(ABSOLUTE_PATH directory BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}" NORMALIZE)
    set(${out} "${directory}" PARENT_SCOPE)
    return()
  endif()
  file(RELATIVE_PATH relative "/${pkgconfig_dir}" "/${directory}")
  set(${out} "\${pcfiledir}/${relative}" PARENT_SCOPE)
endfunction()

# nablafit_install_package(export core io [options of install()...]): a complete package around two
# libraries, static or shared.
function(nablafit_install_package export core io)
  get_target_property(type ${core} TYPE)
  set(nablafit_shared OFF)
  set(nablafit_pkgconfig_flags "")
  if(type STREQUAL "SHARED_LIBRARY")
    set(nablafit_shared ON)
    set(nablafit_pkgconfig_flags "-DNABLAFIT_SHARED")
  endif()
  nablafit_relative(nablafit_pkgconfig_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
  nablafit_relative(nablafit_pkgconfig_libdir "${CMAKE_INSTALL_LIBDIR}")

  set(made "${CMAKE_CURRENT_BINARY_DIR}/${export}")
  configure_package_config_file(cmake/nablafitConfig.cmake.in "${made}/nablafitConfig.cmake"
                                INSTALL_DESTINATION "${package_dir}")
  write_basic_package_version_file("${made}/nablafitConfigVersion.cmake"
                                   COMPATIBILITY SameMinorVersion)
  install(FILES "${made}/nablafitConfig.cmake" "${made}/nablafitConfigVersion.cmake"
          DESTINATION "${package_dir}" ${ARGN})
  foreach(name IN ITEMS core io)
    configure_file(cmake/nablafit-${name}.pc.in "${made}/nablafit-${name}.pc" @ONLY)
    install(FILES "${made}/nablafit-${name}.pc" DESTINATION "${pkgconfig_dir}" ${ARGN})
  endforeach()

  install(DIRECTORY include/nablafit "${CMAKE_CURRENT_BINARY_DIR}/include/nablafit"
          DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" ${ARGN} FILES_MATCHING PATTERN "*.hpp")
  install(TARGETS ${core} ${io} EXPORT ${export}
          LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" ${ARGN}
          ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" ${ARGN}
          RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" ${ARGN})
  install(EXPORT ${export} NAMESPACE nablafit::
          DESTINATION "${package_dir}" ${ARGN})
endfunction()

nablafit_install_package(nablafitTargets nablafit_core nablafit_io)

# The shared libraries beside static ones, of the same objects:
# cmake --install <build> --component shared.
if(NABLAFIT_BUILD_BOTH)
  add_library(nablafit_core_shared SHARED $<TARGET_OBJECTS:nablafit_core>)
  get_property(sweeps GLOBAL PROPERTY NABLAFIT_SWEEPS)
  foreach(sweep IN LISTS sweeps)
    target_sources(nablafit_core_shared PRIVATE $<TARGET_OBJECTS:${sweep}>)
  endforeach()
  add_library(nablafit_io_shared SHARED $<TARGET_OBJECTS:nablafit_io>)
  foreach(name IN ITEMS core io)
    nablafit_set_up_library(nablafit_${name}_shared ${name}_shared)
    set_target_properties(nablafit_${name}_shared PROPERTIES EXPORT_NAME ${name} LINKER_LANGUAGE CXX
                                                             OUTPUT_NAME nablafit_${name})
  endforeach()
  target_link_libraries(nablafit_core_shared PUBLIC Threads::Threads)
  target_link_libraries(nablafit_io_shared PUBLIC nablafit_core_shared)
  nablafit_install_package(nablafitSharedTargets nablafit_core_shared nablafit_io_shared
                           COMPONENT shared EXCLUDE_FROM_ALL)
endif()
