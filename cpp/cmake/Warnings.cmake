# nablafit_target_warnings(target): the project's warnings, as errors, in developer mode only. Users
# with newer compilers than ours must not be stopped by a new warning.
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
