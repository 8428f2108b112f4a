#!/usr/bin/env bash
# Everything that `make` needs on a fresh Debian or Ubuntu machine: system packages, a virtual
# environment from the pinned lock, the native build. A second run does only what is missing.
#
# usage: scripts/setup.sh demo | train | test
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:?usage: scripts/setup.sh demo|train|test}

uv_version=0.13.9
case $what in
demo) extras="app live vault infer report" groups="build" ;;
train) extras="app live vault infer report train" groups="build" ;;
test) extras="app live vault infer report train" groups="build dev" ;;
*) echo "setup: unknown part '$what' (demo, train or test)" >&2; exit 2 ;;
esac

die() { echo "setup: $*" >&2; exit 1; }

# --- Python: the versions the lock was resolved for -------------------------------------------------
python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
  if command -v "$candidate" >/dev/null &&
    "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || die "Python 3.11, 3.12 or 3.13 is needed; python3 here is '$(python3 --version 2>&1 || echo absent)'." \
  "Install one and run again with PYTHON=/path/to/python3.x"

# --- Debian packages ---------------------------------------------------------------------------------
missing=()
need() { # need PACKAGE TEST...
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
need python3-venv "$python" -c 'import ensurepip, venv'
need python3-dev "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
need g++ command -v g++
need cmake command -v cmake
need ninja-build command -v ninja
if [ "$what" = test ]; then
  need doctest-dev test -e /usr/include/doctest/doctest.h
fi
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || die "install these first: ${missing[*]}"
  install="apt-get install -y --no-install-recommends ${missing[*]}"
  if [ "$(id -u)" = 0 ]; then
    sudo=
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo=sudo
  else
    die "Debian packages are missing. Run this, then try again:
    sudo $install"
  fi
  echo "setup: installing ${missing[*]}"
  $sudo env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -qq && $install -qq" >/dev/null
fi

# --- Python packages from the one lock -----------------------------------------------------------------
[ -x .venv/bin/python ] || "$python" -m venv .venv
stamp=.venv/.setup-$what
fingerprint=$(cat pyproject.toml requirements.lock scripts/setup.sh | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$fingerprint" ]; then
  echo "setup: Python packages ($extras)"
  .venv/bin/python -m pip install -q --disable-pip-version-check "uv==$uv_version"
  arguments=()
  for extra in $extras; do arguments+=(--extra "$extra"); done
  for group in $groups; do arguments+=(--group "$group"); done
  .venv/bin/uv pip install -q --python .venv/bin/python -r pyproject.toml "${arguments[@]}" -c requirements.lock
  echo "$fingerprint" >"$stamp"
fi

# --- native core ------------------------------------------------------------------------------------------
native=$(find CMakeLists.txt pyproject.toml cpp bindings config -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
if [ "$(cat .venv/.setup-native 2>/dev/null)" != "$native" ]; then
  echo "setup: native core"
  scripts/native.sh
  echo "$native" >.venv/.setup-native
fi
