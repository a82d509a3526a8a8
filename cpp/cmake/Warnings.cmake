# nablafit_target_warnings(target): the project's warnings, as errors, only in developer mode. A new
# warning of a newer compiler must not break the build for users.
function(nablafit_target_warnings target)
  if(NOT NABLAFIT_DEVELOPER_MODE)
    return()
  endif()
  if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Werror)
  elseif(MSVC)
    target_compile_options(${target} PRIVATE /W4 /WX)
  endif()
endfunction()
