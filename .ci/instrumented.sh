# Sections of .ci/run that look into the code while it runs: sanitizers, coverage, fuzzing,
# clang-tidy. Sourced by it; uses $scratch, its virtual environment and apt_install.
# shellcheck shell=bash disable=SC2154

# One version of clang for all: each new one warns of something new, and finds something new.
clang=19
clang_packages=("clang-$clang" "clang-tidy-$clang" "llvm-$clang" "libclang-rt-$clang-dev")

# Light enough for builds that run once.
light="-O1 -g1"

# The tests of the C++ readers and of the bindings that hardly start other processes; under
# AddressSanitizer, an interpreter takes several seconds to start.
instrumented_python_tests=(
  tests/python/test_batch.py
  tests/python/test_diff.py
  tests/python/test_formulas.py
  tests/python/test_hs3.py
  tests/python/test_intervals.py
  tests/python/test_likelihood.py
  tests/python/test_malformed.py
  tests/python/test_relax.py
  tests/python/test_robustness.py
  tests/python/test_spec.py
  tests/python/test_toys.py
  tests/python/test_workspace.py
)

have_clang() {
  command -v "clang++-$clang" && command -v "clang-tidy-$clang" && command -v "llvm-cov-$clang" &&
    compgen -G "/usr/lib/llvm-$clang/lib/clang/*/lib/linux/libclang_rt.asan-*.so"
} >/dev/null

# need_clang: installs what is missing of clang, or ends the section.
need_clang() {
  have_clang || apt_install "${clang_packages[@]}" ||
    cannot "clang $clang is not installed, and apt has none"
}

# One build with clang, its warnings as errors, AddressSanitizer, which in programs looks for leaks
# too, UndefinedBehaviorSanitizer, libFuzzer and coverage: extension, C++ tests and fuzz targets.
# The suites run in it, and together they are the coverage of the C++ sources.
sanitizers() {
  local build="$scratch/instrumented" site="$scratch/instrumented-site" runtime
  need_clang
  have_doctest || cannot "doctest is not installed, and apt has none"
  CXX="clang++-$clang" \
    CXXFLAGS="$light -fprofile-instr-generate -fcoverage-mapping -fprofile-update=atomic" \
    python -m pip install --quiet --no-deps --no-build-isolation --target "$site" \
    --config-settings=build-dir="$build" --config-settings=cmake.build-type=None \
    --config-settings=cmake.define.NABLAFIT_DEVELOPER_MODE=ON \
    --config-settings=cmake.define.NABLAFIT_SANITIZE=address,undefined \
    --config-settings=cmake.define.NABLAFIT_FUZZ=ON .
  export LLVM_PROFILE_FILE="$scratch/profiles/%2m.profraw" UBSAN_OPTIONS=print_stacktrace=1
  ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)" --exclude-regex '^mutate_'
  runtime=$("clang++-$clang" -print-file-name="libclang_rt.asan-$(uname -m).so")
  PYTHONPATH="$site" ASAN_OPTIONS=detect_leaks=0 \
    LD_PRELOAD="$runtime $(g++ -print-file-name=libstdc++.so)" \
    python -m pytest -p no:cacheprovider -n "$(nproc)" -m "not process" \
    --deselect tests/python/test_toys.py::test_pulls_of_published_models \
    --durations=25 "${instrumented_python_tests[@]}"
}

# Of the runs before; fails below 90 % of lines.
cpp_coverage() {
  local build="$scratch/instrumented" reports
  if ! compgen -G "$scratch/profiles/*.profraw" >/dev/null; then
    cannot "the sanitizers' section left nothing to measure"
  fi
  "llvm-profdata-$clang" merge --output="$scratch/profiles/all" "$scratch"/profiles/*.profraw
  reports=(-instr-profile="$scratch/profiles/all" "$build/tests/cpp/nablafit_tests"
    -object "$(compgen -G "$scratch/instrumented-site/nablafit/_core.*.so")"
    -ignore-filename-regex="$scratch|/generated/|/tests/|^/usr/|/site-packages/")
  "llvm-cov-$clang" report -show-region-summary=false -show-branch-summary=false "${reports[@]}"
  "llvm-cov-$clang" export -summary-only "${reports[@]}" | python -c '
import json, sys

lines = json.load(sys.stdin)["data"][0]["totals"]["lines"]
print("{covered} of {count} lines, {percent:.1f} %".format(**lines))
sys.exit(lines["percent"] < 90)'
}

# measure_python COMMAND...: runs the command; every Python that it starts in this environment
# records which lines of the package it runs, by sys.monitoring where it has that.
measure_python() {
  mkdir -p "$scratch/coverage"
  if python -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then
    export COVERAGE_CORE=sysmon
  fi
  COVERAGE_PROCESS_START="$PWD/pyproject.toml" COVERAGE_FILE="$scratch/coverage/data" "$@"
}

# Of what was measured; fails below 90 % of lines.
python_coverage() {
  export COVERAGE_FILE="$scratch/coverage/data"
  python -m coverage combine --quiet
  python -m coverage report --skip-covered --sort=cover --fail-under=90
}

# at_fixed_addresses COMMAND...: runs it with memory at the same addresses every time, where the
# system lets us.
at_fixed_addresses() {
  if setarch "$(uname -m)" -R true 2>/dev/null; then
    setarch "$(uname -m)" -R "$@"
  else
    "$@"
  fi
}

# The tests with threads under ThreadSanitizer, which gives up where the kernel places memory at
# random over too wide a range.
threads() {
  need_clang
  cmake --preset tsan -G Ninja -B "$scratch/tsan" -DCMAKE_CXX_COMPILER="clang++-$clang" \
    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="$light"
  cmake --build "$scratch/tsan" --parallel "$(nproc)" --target nablafit_thread_tests
  NABLAFIT_TEST_SECONDS=10 at_fixed_addresses "$scratch/tsan/tests/cpp/nablafit_thread_tests"
}

# fuzz NAME RUNS: the target with the same inputs every time, for libFuzzer goes by addresses too.
# What is found must not depend on luck or on the speed of the machine.
fuzz() {
  local corpus="$scratch/corpus-$1"
  mkdir "$corpus"
  at_fixed_addresses "$scratch/instrumented/tests/fuzz/fuzz_$1" -seed=1 -runs="$2" -timeout=20 \
    -rss_limit_mb=2048 -artifact_prefix="$scratch/$1-" -print_final_stats=1 -verbosity=0 \
    "$corpus" "tests/fuzz/seeds/$1" && return
  base64 "$scratch/$1"-*
  return 1
}

# Each fuzz target for about half a minute. docs/testing.md has the longer run, left to chance.
fuzzing() {
  if ! compgen -G "$scratch/instrumented/tests/fuzz/fuzz_*" >/dev/null; then
    cannot "the sanitizers' section left no fuzz targets"
  fi
  export LLVM_PROFILE_FILE="$scratch/fuzz-%p.profraw"  # what fuzzing reaches is not coverage by tests
  export -f fuzz at_fixed_addresses
  export scratch
  printf '%s\n' pyhf 20000 hs3 20000 expression 200000 model 8000 |
    xargs -P "$(nproc)" -n 2 bash -c 'fuzz "$@" 2>&1' fuzz
}

# What a change is compared with: where it left the main branch, or the commit ten before the last.
base_commit() {
  local branch base
  for branch in origin/main main; do
    base=$(git merge-base HEAD "$branch" 2>/dev/null) || continue
    if [[ $base != $(git rev-parse HEAD) ]]; then
      echo "$base"
      return
    fi
  done
  git rev-list --first-parent --max-count=11 HEAD | tail -n 1
}

# changed_sources COMMIT: sources of the library in which more than includes and comments has changed
# since. A file that was only moved is not listed.
changed_sources() {
  git diff -M -z --numstat --diff-filter=d -I '^#include' -I '^ *//' "$1" -- \
    ':(glob)cpp/src/**/*.cpp' |
    python -c '
import sys

fields = iter(sys.stdin.read().split("\0"))
for field in fields:
    added, deleted, path = (field.split("\t") + ["0", "0"])[:3] if field else ("0", "0", "")
    if field and not path:  # renamed: the old name and the new one follow
        next(fields)
        path = next(fields)
    if added + deleted != "00":
        print(path)'
}

# clang-tidy over the changed sources: all of them would take longer than the tests, .ci/nightly does
# that. Needs the compilation database of the main job.
tidy() {
  local base file files=()
  need_clang
  [[ -e $scratch/build/compile_commands.json ]] || cannot "the main job left no compilation database"
  base=$(base_commit)
  while read -r file; do
    if grep -qF "\"file\": \"$PWD/$file\"" "$scratch/build/compile_commands.json"; then
      files+=("$file")
    fi
  done < <(changed_sources "$base")
  printf '%s files since %s\n' "${#files[@]}" "$base"
  ((${#files[@]} == 0)) || printf '%s\0' "${files[@]}" |
    xargs -0 -P "$(nproc)" -n 1 "clang-tidy-$clang" --quiet -p "$scratch/build"
}
