#!/usr/bin/env bash
# Everything that `make` needs on a fresh Debian or Ubuntu machine: system packages, a virtual
# environment from the pinned lock, the native build. A second run does only what is missing.
#
# usage: scripts/setup.sh demo | train | test | bench | lock
#        PYTHON=/path/to/python3.x chooses the interpreter (3.11, 3.12 or 3.13)
set -euo pipefail
cd "$(dirname "$0")/.."
here=$(pwd -P)
what=${1:?usage: scripts/setup.sh demo|train|test|bench|lock}

case $what in
demo) extras="app live vault infer report" groups="build" ;;
train) extras="app live vault infer report train" groups="build" ;;
test) extras="app live vault infer report train torch research cluster scenarios" groups="build dev" ;;
bench) extras="app live vault infer report train torch research cluster scenarios" groups="build dev bench" ;;
lock) extras="" groups="" ;; # the resolver alone: the lock may be what keeps the rest from installing
*) echo "setup: unknown part '$what' (demo, train, test, bench or lock)" >&2; exit 2 ;;
esac

die() { printf 'setup: %s\n' "$@" >&2; exit 1; }

# Two makes at once: the second waits, then finds everything done.
mkdir -p build
exec 8>build/.setup.lock
flock 8

# --- Python: the versions the lock was resolved for -------------------------------------------------
supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; }
minor() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# Made whole, here, and its interpreter still runs: a copied, moved or half made one is made anew.
sound() { [ "$(cat .venv/.setup-made 2>/dev/null)" = "$(minor .venv/bin/python) $here" ]; }

python=
if [ -n "${PYTHON:-}" ]; then
  supported "$PYTHON" && python=$PYTHON
elif sound && supported .venv/bin/python; then
  python=.venv/bin/python # chosen by an earlier PYTHON=..., or the only one there was
else
  for candidate in python3 python3.13 python3.12 python3.11; do
    if supported "$candidate"; then
      python=$candidate
      break
    fi
  done
fi
if [ -z "$python" ]; then
  asked=${PYTHON:-python3}
  die "Python 3.11, 3.12 or 3.13 is needed, and '$asked' is $("$asked" --version 2>/dev/null || echo absent)." \
    "Debian 12 and 13 and Ubuntu 24.04 have one:  apt-get install python3" \
    "Elsewhere install one beside it and name it:  make demo PYTHON=/path/to/python3.13"
fi

# --- Debian packages ---------------------------------------------------------------------------------
has_venv() { "$python" -c 'import ensurepip, venv'; }
has_headers() { "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'; }
has_doctest() { g++ -E -include doctest/doctest.h -x c++ /dev/null; }
find_missing() {
  missing=()
  need() { "${@:2}" >/dev/null 2>&1 || missing+=("$1"); } # need PACKAGE TEST...
  need "python$(minor "$python")-venv" has_venv
  [ "$what" != lock ] || return 0
  need "python$(minor "$python")-dev" has_headers
  need g++ command -v g++
  need cmake command -v cmake
  need ninja-build command -v ninja
  if [ "$what" = test ]; then
    need doctest-dev has_doctest
    if [ "$(uname -m)" = x86_64 ]; then
      need qemu-user command -v qemu-aarch64
      need g++-aarch64-linux-gnu command -v aarch64-linux-gnu-g++
    fi
    # The Vault program is built by a second compiler where the distribution has it (since Debian 12, Ubuntu 24.04).
    case "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" in
    bookworm | trixie | noble) need clang-19 command -v clang-19 ;;
    esac
  fi
  if [ "$what" = test ] || [ "$what" = bench ]; then need valgrind command -v valgrind; fi
}
find_missing
if [ ${#missing[@]} -gt 0 ]; then
  # Packages of the distribution serve the distribution's Python only.
  if [[ "${missing[*]}" == *python* && "$(realpath "$(command -v "$python")")" != /usr/bin/* ]]; then
    die "$python lacks ensurepip, venv or its headers (Python.h); install it with them, or use the system's python3."
  fi
  command -v apt-get >/dev/null || die "install these (Debian's names) and try again: ${missing[*]}"
  install="apt-get install -y --no-install-recommends ${missing[*]}"
  # sudo may ask for a password where somebody can answer.
  if [ "$(id -u)" = 0 ]; then
    sudo=
  elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    sudo=sudo
  else
    die "Debian packages are missing. Run this as root, then try again:" "  apt-get update && $install"
  fi
  echo "setup: installing ${missing[*]}"
  $sudo env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -qq && $install -qq" >/dev/null ||
    die "apt-get failed (its message is above). The line was:" "  $install"
  find_missing
  [ ${#missing[@]} = 0 ] || die "still missing after apt-get: ${missing[*]}"
fi
if [ "$what" != lock ]; then
  cmake_version=$(cmake --version | sed -n '1s/.* //p')
  printf '3.25\n%s\n' "$cmake_version" | sort -CV ||
    die "CMake 3.25 or newer is needed, and $(command -v cmake) is $cmake_version. Put a newer one on PATH."
fi

# --- Python packages from the one lock, each checked against its hash ----------------------------------
if ! sound || [ "$(minor .venv/bin/python)" != "$(minor "$python")" ]; then
  [ ! -e .venv ] || echo "setup: .venv is unfinished, of another Python or from another folder; making it anew"
  rm -rf .venv
  "$python" -m venv .venv
fi
stamp=.venv/.setup-$what
fingerprint=$(cat pyproject.toml requirements.lock scripts/setup.sh | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$fingerprint" ]; then
  made="$(minor .venv/bin/python) $here"
  rm -f .venv/.setup-made # until the end: an interrupted installation is no sound one
  awk '/^uv==/ { inside = 1 } inside { print } inside && !/\\$/ { exit }' requirements.lock >.venv/uv.lock
  .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r .venv/uv.lock
  if [ -n "$groups" ]; then
    echo "setup: Python packages ($extras)"
    if [[ " $extras " == *" torch "* ]]; then
      # By pip, before the rest: its settings may name a build for the CPU, which saves gigabytes. Versions
      # are the lock's; no one hash fits every build, so the resolver is not asked for it.
      sed -n 's/^\([a-z0-9._-]*==[^\\]*[^\\ ]\) *\\$/\1/p' requirements.lock >.venv/pins.txt
      .venv/bin/python -m pip install -q --disable-pip-version-check -c .venv/pins.txt torch
    fi
    arguments=()
    for extra in ${extras/ torch/}; do arguments+=(--extra "$extra"); done
    for group in $groups; do arguments+=(--group "$group"); done
    .venv/bin/uv pip install -q --python .venv/bin/python --require-hashes -r pyproject.toml "${arguments[@]}" -c requirements.lock
  fi
  echo "$fingerprint" >"$stamp"
  echo "$made" >.venv/.setup-made
fi
[ "$what" != lock ] || exit 0

# --- native core ------------------------------------------------------------------------------------------
native=$(find CMakeLists.txt pyproject.toml cpp bindings config -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
if [ "$(cat .venv/.setup-native 2>/dev/null)" != "$native" ]; then
  echo "setup: native core"
  scripts/native.sh
  echo "$native" >.venv/.setup-native
fi
