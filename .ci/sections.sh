# What .ci/run and .ci/nightly share: sections of which one failing does not hide another, their
# summary, and what they install. Sourced by them, at the root of the repository.
# shellcheck shell=bash disable=SC2034

exec </dev/null
export CI=true
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
rows=()
n_bad=0

# section TITLE COMMAND [ARGUMENT...]: runs the command in a subshell of its own that stops at the
# first error. What did not run counts as failed, unless NABLAFIT_CI_OPTIONAL lists the command.
section() {
  local title=$1 status=0 result=passed wall user system
  shift
  printf '\n==== %s ====\n' "$title"
  set +e
  { time { (set -e; "$@") 2>&1; }; } 2>"$scratch/time" | tee "$scratch/$1.log"
  status=${PIPESTATUS[0]}
  set -e
  read -r wall user system < <(tail -n 1 "$scratch/time")
  if [[ -e $scratch/reason ]]; then
    result="not run: $(<"$scratch/reason")"
    rm "$scratch/reason"
    if [[ " ${NABLAFIT_CI_OPTIONAL:-} " == *" $1 "* ]]; then
      result="$result (optional)"
      status=0
    fi
  elif ((status != 0)); then
    result="FAILED with status $status"
  fi
  if ((status != 0)); then n_bad=$((n_bad + 1)); fi
  rows+=("$(LC_ALL=C printf '%-42s %7.0f %7.0f  %s' "$title" "$wall" \
    "$(awk "BEGIN { print $user + $system }")" "$result")")
  printf -- '---- %s\n' "${rows[-1]}"
}
TIMEFORMAT='%R %U %S'

# cannot REASON: ends a section that cannot check what it is for.
cannot() {
  printf '%s\n' "$1" | tee "$scratch/reason"
  exit 1
}

# summary: times of all sections, and whether all is well as its exit status.
summary() {
  printf '\n==== Summary ====\n%-42s %7s %7s  result\n' section 'wall s' 'CPU s'
  printf '%s\n' "${rows[@]}"
  printf '%s\n' "${rows[@]}" | awk '{ wall += substr($0, 43, 8); cpu += substr($0, 51, 8) }
    END { printf "%-42s %7.0f %7.0f\n", "total", wall, cpu }'
  if ((n_bad > 0)); then
    printf '%s sections failed or did not run.\n' "$n_bad"
    return 1
  fi
  printf 'All that was run passed.\n'
}

# install_extra NAME: what an extra of the installed package asks for.
install_extra() {
  python - "$1" >"$scratch/extra.txt" <<'PYTHON'
import sys
from importlib.metadata import requires

from packaging.requirements import Requirement

for requirement in map(Requirement, requires("nablafit")):
    if requirement.marker and requirement.marker.evaluate({"extra": sys.argv[1]}):
        requirement.marker = None
        print(requirement)
PYTHON
  python -m pip install --quiet -r "$scratch/extra.txt"
}

# apt_install PACKAGE...: from Debian or Ubuntu.
apt_install() {
  local sudo=""
  if ((EUID != 0)); then sudo=sudo; fi
  if [[ ! -e $scratch/apt ]]; then $sudo apt-get update -qq && touch "$scratch/apt"; fi
  $sudo apt-get install -qq --yes --no-install-recommends "$@"
}

have_doctest() { [[ -e /usr/include/doctest/doctest.h ]]; }

# What is compiled again is taken from ccache where it is there.
if command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR=$scratch
fi

# What pyproject.toml asks for in order to build, so that one folder serves all builds: an isolated
# environment has another path each time, and all would be compiled again.
build_requirements() {
  python -m pip install --quiet build cmake ninja packaging
  python -c '
from build import ProjectBuilder

print(*ProjectBuilder(".").build_system_requires, sep="\n")' >"$scratch/build_requirements.txt"
  python -m pip install --quiet -r "$scratch/build_requirements.txt"
}

# in_one_build COMMAND...: runs it so that pip builds the wheel in the folder of the C++ tests and of
# the shared libraries, with warnings as errors.
in_one_build() {
  local defines="NABLAFIT_BUILD_BOTH=ON;CMAKE_EXPORT_COMPILE_COMMANDS=ON"
  if have_doctest; then defines+=";NABLAFIT_DEVELOPER_MODE=ON"; fi
  PIP_NO_BUILD_ISOLATION=0 SKBUILD_BUILD_DIR="$scratch/build" SKBUILD_CMAKE_DEFINE="$defines" "$@"
}
