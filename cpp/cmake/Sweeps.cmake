# The fused sweep is one source compiled once per instruction set, each in its own namespace, and
# selected at run time.
#
# nablafit_add_sweep(name flags...) compiles src/evaluate/sweep.cpp with NABLAFIT_SWEEP_NAMESPACE=sweep_<name>
# and NABLAFIT_SWEEP_NAME="<name>" and adds the objects to nablafit_core. Arithmetic may
# ignore errno and floating-point traps and may fuse multiplications with additions; it may not be
# reassociated.
#
# Everything the sweep defines must have internal linkage or live in its namespace: an inline function
# of another header compiled here with AVX-512 could replace the portable copy at link time.
function(nablafit_add_sweep name)
  set(target nablafit_sweep_${name})
  add_library(${target} OBJECT src/evaluate/sweep.cpp)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_compile_definitions(${target} PRIVATE NABLAFIT_SWEEP_NAMESPACE=sweep_${name}
                                               NABLAFIT_SWEEP_NAME="${name}")
  target_link_libraries(${target} PRIVATE nablafit_internal)
  if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    # Optimised in every configuration: inlining keeps the variants apart.
    target_compile_options(${target} PRIVATE -O3 -ffp-contract=fast -fno-math-errno
                                             -fno-trapping-math ${ARGN})
  endif()
  nablafit_set_visibility(${target})
  nablafit_target_warnings(${target})
  target_sources(nablafit_core PRIVATE $<TARGET_OBJECTS:${target}>)
  set_property(GLOBAL APPEND PROPERTY NABLAFIT_SWEEPS ${target})
endfunction()

# nablafit_add_sweeps(): all variants for this platform. NABLAFIT_SWEEP_X86 tells the
# dispatcher that the AVX variants exist.
function(nablafit_add_sweeps)
  nablafit_add_sweep(baseline)
  if(NABLAFIT_AD_BACKEND STREQUAL "codipack")
    return() # CoDiPack's inline functions would be compiled for AVX with external linkage
  endif()
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$"
     AND CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang"
     AND NOT CMAKE_OSX_ARCHITECTURES MATCHES "arm64")
    nablafit_add_sweep(avx2 -mavx2 -mfma)
    nablafit_add_sweep(avx512 -mavx512f -mavx512dq -mavx512vl -mfma
                       -mprefer-vector-width=512)
    target_compile_definitions(nablafit_core PRIVATE NABLAFIT_SWEEP_X86)
  endif()
endfunction()
