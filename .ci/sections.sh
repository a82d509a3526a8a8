# What .ci/run and .ci/nightly share: sections of which one failing does not hide another, and what
# they install. Sourced by them, at the root of the repository.
# shellcheck shell=bash disable=SC2034

exec </dev/null
export CI=true
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=()
started=$(date +%s)

# section TITLE COMMAND [ARGUMENT...]: runs the command in a subshell of its own that stops at the
# first error.
section() {
  local title=$1 status=0
  shift
  SECONDS=0
  printf '\n==== %s ====\n' "$title"
  set +e
  (set -e; "$@") 2>&1 | tee "$scratch/$1.log"
  status=${PIPESTATUS[0]}
  set -e
  if ((status != 0)); then
    failed+=("$title")
    printf -- '---- %s: failed with status %s\n' "$title" "$status"
  fi
  printf -- '---- %s: %s s\n' "$title" "$SECONDS"
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
  $sudo apt-get update -qq && $sudo apt-get install -qq --yes "$@"
}

# The C++ tests as developers build them; clang-tidy and the mutated inputs use this build.
developer_build() {
  if [[ ! -e /usr/include/doctest/doctest.h ]]; then apt_install doctest-dev; fi
  cmake --preset developer -G Ninja -B "$scratch/build" -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="$light"
  cmake --build "$scratch/build" --parallel "$(nproc)"
}
