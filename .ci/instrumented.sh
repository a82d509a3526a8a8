# Sections of .ci/run that build the project again with instruments, or for another interpreter:
# sanitizers, coverage, fuzzing, clang-tidy, oldest dependencies. Sourced by it; uses $scratch, its
# virtual environment and apt_install.
# shellcheck shell=bash disable=SC2154

# Light enough for builds that run once. gcc's -Wmaybe-uninitialized takes code of the instruments
# for that of the program.
light="-O1 -g1"
gcc_light="$light -Wno-maybe-uninitialized"

# Python tests that reach every binding and reader, and start no processes.
instrumented_python_tests=(
  tests/python/test_against_pyhf.py
  tests/python/test_batch.py
  tests/python/test_convert.py
  tests/python/test_hs3.py
  tests/python/test_intervals.py
  tests/python/test_likelihood.py
  tests/python/test_malformed.py
  tests/python/test_robustness.py
  tests/python/test_spec.py
  tests/python/test_toys.py
  tests/python/test_workspace.py
)

# One build with gcc's AddressSanitizer, which in the C++ tests looks for leaks too,
# UndefinedBehaviorSanitizer and gcov: extension, C++ tests and mutation runs. Both suites run in it,
# and together they are the coverage of the C++ sources.
sanitizers() {
  local build="$scratch/instrumented" site="$scratch/instrumented-site"
  CXX=g++ CXXFLAGS="$gcc_light --coverage -fprofile-update=atomic" \
    python -m pip install --quiet --no-deps --target "$site" -Cbuild-dir="$build" \
    -Ccmake.build-type=None -Ccmake.define.NABLAFIT_DEVELOPER_MODE=ON \
    -Ccmake.define.NABLAFIT_SANITIZE=address,undefined .
  ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)"
  PYTHONPATH="$site" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
    LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libstdc++.so)" \
    python -m pytest -p no:cacheprovider -m "not slow" "${instrumented_python_tests[@]}"
}

# Of the run before; fails below 90 % of lines.
cpp_coverage() {
  python -m pip install --quiet 'gcovr>=8'
  gcovr --root . --filter cpp/include/ --filter cpp/src/ --filter cpp/bindings/ -j "$(nproc)" \
    --gcov-executable gcov --gcov-ignore-parse-errors=all --merge-lines --exclude-throw-branches \
    --sort uncovered-percent --fail-under-line 90 "$scratch/instrumented"
}

# measure_python COMMAND...: runs the command; every Python that it starts in this environment
# records which lines of the package it runs.
measure_python() {
  python -m pip install --quiet 'coverage>=7.10'
  mkdir -p "$scratch/coverage"
  COVERAGE_PROCESS_START="$PWD/pyproject.toml" COVERAGE_FILE="$scratch/coverage/data" "$@"
}

# Of the Python tests; fails below 90 % of lines.
python_coverage() {
  export COVERAGE_FILE="$scratch/coverage/data"
  python -m coverage combine --quiet
  python -m coverage report --skip-covered --sort=cover --fail-under=90
}

# clang_for SANITIZERS SOURCE: names the newest clang++ that links the source with them; installs one
# where there is none.
clang_for() {
  local version compiler
  printf '%s\n' "$2" >"$scratch/probe.cpp"
  for version in -22 -21 -20 -19 -18 -17 -16 -15 -14 '' install; do
    if [[ $version == install ]]; then apt_install clang >&2 || return; version=; fi
    compiler=$(command -v "clang++$version") || continue
    if "$compiler" "-fsanitize=$1" "$scratch/probe.cpp" -o "$scratch/probe" 2>/dev/null; then
      printf '%s\n' "$compiler"
      return
    fi
  done
  return 1
}

# The C++ library and its tests with clang's warnings as errors and ThreadSanitizer; the tests with
# threads run.
threads() {
  local compiler fixed=()
  compiler=$(clang_for thread 'int main() {}') || {
    echo "no clang with ThreadSanitizer can be had here: threads not checked"
    return 0
  }
  # Older versions give up where the kernel places memory at random over too wide a range.
  if setarch "$(uname -m)" -R true 2>/dev/null; then fixed=(setarch "$(uname -m)" -R); fi
  cmake --preset tsan -G Ninja -B "$scratch/tsan" -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="$light"
  "${fixed[@]}" cmake --build "$scratch/tsan" --parallel "$(nproc)" --target nablafit_tests
  NABLAFIT_TEST_SECONDS=5 "${fixed[@]}" "$scratch/tsan/tests/cpp/nablafit_tests" \
    --source-file='*test_batch.cpp,*test_toys.cpp,*test_large_model.cpp,*test_concurrency.cpp'
}

# Each fuzz target for fifteen seconds. A longer run: see docs/testing.md.
fuzzing() {
  local compiler name corpus
  local target='extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }'
  compiler=$(clang_for fuzzer,address "$target") || {
    echo "no clang with libFuzzer can be had here: no fuzzing"
    return 0
  }
  cmake --preset fuzz -G Ninja -B "$scratch/fuzz" -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="$light"
  cmake --build "$scratch/fuzz" --parallel "$(nproc)" --target fuzz_targets
  for name in pyhf hs3 expression model; do
    corpus="$scratch/corpus-$name"
    mkdir "$corpus"
    "$scratch/fuzz/tests/fuzz/fuzz_$name" -max_total_time=15 -timeout=10 -rss_limit_mb=2048 \
      -print_final_stats=1 "$corpus" "tests/fuzz/seeds/$name"
  done
}

# clang-tidy over the library; .clang-tidy says what it looks for. The version is fixed: each new one
# finds something new.
tidy() {
  command -v clang-tidy-19 >/dev/null || apt_install clang-tidy-19 || {
    echo "no clang-tidy-19 can be had here: not checked with it"
    return 0
  }
  git ls-files 'cpp/src/*.cpp' ':!cpp/src/ad/derivative_requests.cpp' |
    xargs -P "$(nproc)" -n 4 clang-tidy-19 --quiet -p "$scratch/build"
}

# Names a Python 3.10 that runs, or nothing.
python_3_10() {
  local candidate
  for candidate in python3.10 "$HOME"/.pyenv/versions/3.10.*/bin/python3.10; do
    if "$candidate" -c '' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
}

# The tests of what the packages of .ci/oldest.txt are used for, with these packages.
oldest_versions() {
  local interpreter
  interpreter=$(python_3_10)
  if [[ -z $interpreter ]]; then
    echo "no Python 3.10 here: not tested with the oldest versions"
    return 0
  fi
  "$interpreter" -m venv "$scratch/oldest"
  CXXFLAGS="$light" "$scratch/oldest/bin/python" -m pip install --quiet -c .ci/oldest.txt \
    -Ccmake.build-type=None '.[test]'
  "$scratch/oldest/bin/python" -m pip list
  "$scratch/oldest/bin/python" -m pytest -p no:cacheprovider -m "not slow" \
    "${instrumented_python_tests[@]}" tests/python/test_cli.py tests/python/test_fit.py \
    tests/python/test_histfactory_xml.py tests/python/test_patchset.py tests/python/test_plots.py \
    tests/python/test_rooworkspace.py
}
