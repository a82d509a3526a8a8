# NABLAFIT_SANITIZE=address,undefined or =thread instruments everything that this build compiles.
# Under Python, AddressSanitizer needs LD_PRELOAD="libasan.so libstdc++.so" (full paths) and
# ASAN_OPTIONS=detect_leaks=0.
if(NABLAFIT_SANITIZE)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    message(FATAL_ERROR "NABLAFIT_SANITIZE=${NABLAFIT_SANITIZE} needs gcc or clang, "
                        "found ${CMAKE_CXX_COMPILER_ID}; leave it empty")
  endif()
  add_compile_options(-fsanitize=${NABLAFIT_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${NABLAFIT_SANITIZE})
endif()

# NABLAFIT_FUZZ=ON makes everything report coverage to libFuzzer.
if(NABLAFIT_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "NABLAFIT_FUZZ needs clang with libFuzzer, found ${CMAKE_CXX_COMPILER_ID}; "
                        "set CMAKE_CXX_COMPILER=clang++")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
