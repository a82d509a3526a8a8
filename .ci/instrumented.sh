# Sections of .ci/run that build the project again with instruments, or for another interpreter:
# sanitizers, coverage, fuzzing, clang-tidy, oldest dependencies. Sourced by it; uses $scratch, its
# virtual environment and apt_install.
# shellcheck shell=bash disable=SC2154

# Light enough for builds that run once.
light="-O1 -g1"

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

# clang_for SANITIZERS SOURCE: names a clang++ that links the source with them; installs one where
# there is none.
clang_for() {
  local version compiler
  printf '%s\n' "$2" >"$scratch/probe.cpp"
  for version in -19 -20 -21 -22 -18 -17 -16 -15 -14 '' install; do
    if [[ $version == install ]]; then
      apt_install clang-19 llvm-19 >&2 || apt_install clang llvm >&2 || return
      version=$(compgen -G '/usr/bin/clang++-19' >/dev/null && echo -19)
    fi
    compiler=$(command -v "clang++$version") || continue
    if "$compiler" "-fsanitize=$1" "$scratch/probe.cpp" -o "$scratch/probe" 2>/dev/null; then
      printf '%s\n' "$compiler"
      return
    fi
  done
  return 1
}

fuzz_probe='extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }'

# One build with clang, its warnings as errors, AddressSanitizer, which in programs looks for leaks
# too, UndefinedBehaviorSanitizer, libFuzzer and coverage: extension, C++ tests, mutation runs and
# fuzz targets. Both suites run in it, and together they are the coverage of the C++ sources.
sanitizers() {
  local build="$scratch/instrumented" site="$scratch/instrumented-site" compiler runtime
  compiler=$(clang_for fuzzer,address,undefined "$fuzz_probe") || {
    echo "no clang with sanitizers can be had here: nothing checked"
    return 0
  }
  printf '%s\n' "$compiler" >"$scratch/instrumented-compiler"
  CXX=$compiler CXXFLAGS="$light --coverage -fprofile-update=atomic" \
    python -m pip install --quiet --no-deps --target "$site" -Cbuild-dir="$build" \
    -Ccmake.build-type=None -Ccmake.define.NABLAFIT_DEVELOPER_MODE=ON \
    -Ccmake.define.NABLAFIT_SANITIZE=address,undefined -Ccmake.define.NABLAFIT_FUZZ=ON .
  ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)"
  runtime=$("$compiler" -print-file-name="libclang_rt.asan-$(uname -m).so")
  PYTHONPATH="$site" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
    LD_PRELOAD="$runtime" \
    python -m pytest -p no:cacheprovider -m "not slow" "${instrumented_python_tests[@]}"
}

# Of the runs before; fails below 90 % of lines. clang's tool of the same version reads its files.
cpp_coverage() {
  local compiler reader
  compiler=$(cat "$scratch/instrumented-compiler") || {
    echo "not built with sanitizers: nothing measured"
    return 0
  }
  reader=$(readlink -f "$compiler")
  reader="$(dirname "$reader")/llvm-cov"
  python -m pip install --quiet 'gcovr>=8'
  gcovr --root . --filter cpp/include/ --filter cpp/src/ --filter cpp/bindings/ -j "$(nproc)" \
    --gcov-executable "$reader gcov" --gcov-ignore-parse-errors=all --exclude-throw-branches \
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

# The tests with threads under ThreadSanitizer.
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
  cmake --build "$scratch/tsan" --parallel "$(nproc)" --target nablafit_thread_tests
  NABLAFIT_TEST_SECONDS=5 "${fixed[@]}" "$scratch/tsan/tests/cpp/nablafit_thread_tests"
}

# Each fuzz target for fifteen seconds. A longer run: see docs/testing.md.
fuzzing() {
  local name corpus
  if [[ ! -e $scratch/instrumented-compiler ]]; then
    echo "not built with libFuzzer: no fuzzing"
    return 0
  fi
  for name in pyhf hs3 expression model; do
    corpus="$scratch/corpus-$name"
    mkdir "$corpus"
    "$scratch/instrumented/tests/fuzz/fuzz_$name" -max_total_time=15 -timeout=10 \
      -rss_limit_mb=2048 -print_final_stats=1 "$corpus" "tests/fuzz/seeds/$name"
  done
}

# clang-tidy over the library's files of the last ten commits: all would take longer than the tests.
# The version is fixed: each new one finds something new.
tidy() {
  local base files
  command -v clang-tidy-19 >/dev/null || apt_install clang-tidy-19 || {
    echo "no clang-tidy-19 can be had here: not checked with it"
    return 0
  }
  base=$(git rev-list --first-parent --max-count=11 HEAD | tail -n 1)
  mapfile -t files < <(git diff --name-only --diff-filter=d "$base" -- 'cpp/src/*.cpp' \
    ':!cpp/src/ad/derivative_requests.cpp' ':!cpp/src/sweep.cpp')
  printf '%s files since %s\n' "${#files[@]}" "$base"
  ((${#files[@]} > 0)) || return 0
  printf '%s\0' "${files[@]}" |
    xargs -0 -P "$(nproc)" -n 2 clang-tidy-19 --quiet -p "$scratch/build"
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
  CXXFLAGS=-O0 "$scratch/oldest/bin/python" -m pip install --quiet -c .ci/oldest.txt \
    -Ccmake.build-type=None '.[test]'
  "$scratch/oldest/bin/python" -m pip list
  "$scratch/oldest/bin/python" -m pytest -p no:cacheprovider -m "not slow" \
    "${instrumented_python_tests[@]}" tests/python/test_cli.py tests/python/test_fit.py \
    tests/python/test_histfactory_xml.py tests/python/test_patchset.py tests/python/test_plots.py \
    tests/python/test_rooworkspace.py
}
