# Sections of .ci/run that build the project again with instruments: sanitizers, coverage, fuzzing.
# Sourced by it; uses $scratch and apt_install.
# shellcheck shell=bash disable=SC2154

# Light enough for a build that runs once. gcc's -Wmaybe-uninitialized takes the instruments' own
# code for the program's.
instrumented_flags="-O1 -g1"
gcc_flags="$instrumented_flags -Wno-maybe-uninitialized"

# Python tests that reach every binding and reader, and neither build nor spawn anything.
instrumented_python_tests=(
  tests/python/test_against_pyhf.py
  tests/python/test_batch.py
  tests/python/test_convert.py
  tests/python/test_hs3.py
  tests/python/test_likelihood.py
  tests/python/test_malformed.py
  tests/python/test_robustness.py
  tests/python/test_spec.py
  tests/python/test_toys.py
  tests/python/test_workspace.py
)

# One build with gcc's AddressSanitizer (with LeakSanitizer in the C++ tests),
# UndefinedBehaviorSanitizer and gcov: extension and C++ tests. Both suites run in it, and together
# they are the coverage of the C++ sources.
sanitizers() {
  local build="$scratch/instrumented" site="$scratch/instrumented-site"
  CXX=g++ CXXFLAGS="$gcc_flags --coverage -fprofile-update=atomic" python -m pip install --quiet --no-deps \
    --target "$site" -Cbuild-dir="$build" -Ccmake.build-type=None \
    -Ccmake.define.NABLAFIT_DEVELOPER_MODE=ON -Ccmake.define.NABLAFIT_SANITIZE=address,undefined .
  ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)"
  PYTHONPATH="$site" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
    LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libstdc++.so)" \
    python -m pytest -p no:cacheprovider -m "not slow" "${instrumented_python_tests[@]}"
}

cpp_coverage() {
  python -m pip install --quiet 'gcovr>=7'
  gcovr --root . --filter cpp/ --exclude cpp/generated/ --gcov-ignore-parse-errors \
    --exclude-throw-branches --sort uncovered-percent "$scratch/instrumented"
}

# The tests with threads, under ThreadSanitizer. Older ones give up where the kernel places memory
# at random over too wide a range.
threads() {
  local fixed=()
  if setarch "$(uname -m)" -R true 2>/dev/null; then fixed=(setarch "$(uname -m)" -R); fi
  cmake --preset tsan -G Ninja -B "$scratch/tsan" -DCMAKE_CXX_COMPILER=g++ \
    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="$gcc_flags"
  "${fixed[@]}" cmake --build "$scratch/tsan" --parallel "$(nproc)" --target nablafit_tests
  "${fixed[@]}" "$scratch/tsan/tests/cpp/nablafit_tests" \
    --source-file='*test_batch.cpp,*test_toys.cpp,*test_large_model.cpp,*test_concurrency.cpp'
}

# Names the newest clang that can link a fuzz target; fails where there is none.
clang_with_libfuzzer() {
  local compiler version
  printf 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' \
    >"$scratch/probe.cpp"
  for version in -22 -21 -20 -19 -18 -17 -16 -15 -14 ''; do
    compiler=$(command -v "clang++$version") || continue
    "$compiler" -fsanitize=fuzzer,address "$scratch/probe.cpp" -o "$scratch/probe" 2>/dev/null ||
      continue
    printf '%s\n' "$compiler"
    return 0
  done
  return 1
}

# The libraries compile with clang's warnings as errors, and each fuzz target runs for fifteen
# seconds. A longer run: see docs/testing.md.
fuzzing() {
  local compiler name corpus
  compiler=$(clang_with_libfuzzer) || { apt_install clang && compiler=$(clang_with_libfuzzer); } || {
    echo "no clang with libFuzzer can be had here: no fuzzing"
    return 0
  }
  cmake --preset fuzz -G Ninja -B "$scratch/fuzz" -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="$instrumented_flags"
  cmake --build "$scratch/fuzz" --parallel "$(nproc)" --target fuzz_targets
  for name in pyhf hs3 expression model; do
    corpus="$scratch/corpus-$name"
    mkdir "$corpus"
    "$scratch/fuzz/tests/fuzz/fuzz_$name" -max_total_time=15 -timeout=10 -rss_limit_mb=2048 \
      -print_final_stats=1 "$corpus" "tests/fuzz/seeds/$name"
  done
}

# measure_python COMMAND...: runs the command; every Python that it starts in this environment
# records which lines of the package it runs.
measure_python() {
  python -m pip install --quiet 'coverage>=7.6'
  local hook
  hook="$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/nablafit_coverage.pth"
  mkdir -p "$scratch/coverage"
  echo 'import coverage; coverage.process_startup()' >"$hook"
  COVERAGE_PROCESS_START="$PWD/pyproject.toml" COVERAGE_FILE="$scratch/coverage/data" "$@"
  rm "$hook"
}

python_coverage() {
  export COVERAGE_FILE="$scratch/coverage/data"
  python -m coverage combine --quiet
  python -m coverage report --skip-covered --sort=cover
}

# Names a Python 3.10 that runs, or nothing.
python_3_10() {
  local candidate
  for candidate in python3.10 "$(pyenv prefix 3.10 2>/dev/null)/bin/python3.10"; do
    if "$candidate" -c '' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
}

# The tests of what the packages of .ci/oldest.txt are used for, with these packages.
oldest_versions() {
  local oldest
  oldest=$(python_3_10)
  if [[ -z $oldest ]]; then
    echo "no Python 3.10 here: not tested with the oldest versions"
    return 0
  fi
  "$oldest" -m venv "$scratch/oldest"
  "$scratch/oldest/bin/python" -m pip install --quiet -c .ci/oldest.txt '.[test]'
  "$scratch/oldest/bin/python" -m pip list
  "$scratch/oldest/bin/python" -m pytest -p no:cacheprovider -m "not slow" \
    "${instrumented_python_tests[@]}" tests/python/test_cli.py tests/python/test_fit.py \
    tests/python/test_histfactory_xml.py tests/python/test_patchset.py \
    tests/python/test_rooworkspace.py
}
