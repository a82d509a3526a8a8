# Installs headers, libraries, the CMake package and pkg-config files. All paths in them are relative,
# so that the installed tree can be moved.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/nablafit")
set(pkgconfig_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

get_target_property(nablafit_library_type nablafit_core TYPE)
set(nablafit_shared OFF)
set(nablafit_pkgconfig_flags "")
if(nablafit_library_type STREQUAL "SHARED_LIBRARY")
  set(nablafit_shared ON)
  set(nablafit_pkgconfig_flags "-DNABLAFIT_SHARED")
endif()

configure_package_config_file(cmake/nablafitConfig.cmake.in nablafitConfig.cmake
                              INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(nablafitConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/nablafitConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/nablafitConfigVersion.cmake"
        DESTINATION "${package_dir}")

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

nablafit_relative(nablafit_pkgconfig_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
nablafit_relative(nablafit_pkgconfig_libdir "${CMAKE_INSTALL_LIBDIR}")
foreach(name IN ITEMS core io)
  configure_file(cmake/nablafit-${name}.pc.in nablafit-${name}.pc @ONLY)
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/nablafit-${name}.pc" DESTINATION "${pkgconfig_dir}")
endforeach()

install(DIRECTORY include/nablafit "${CMAKE_CURRENT_BINARY_DIR}/include/nablafit"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp")
install(TARGETS nablafit_core nablafit_io EXPORT nablafitTargets)
install(EXPORT nablafitTargets NAMESPACE nablafit:: DESTINATION "${package_dir}")
