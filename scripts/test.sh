#!/usr/bin/env bash
# Style, C++ tests (plain and sanitized), Python tests, speed. usage: scripts/test.sh [workers [part...]]
# Parts: lint, cpp, sanitize, python, gate; all of them when none is named.
set -euo pipefail
cd "$(dirname "$0")/.."
workers=${1:-2}
parts=("${@:2}")
[ ${#parts[@]} -gt 0 ] || parts=(lint cpp sanitize python gate)

cpp_tests() { # cpp_tests BUILD_FOLDER CMAKE_ARGUMENT...
  local folder=$1 log
  # CMake refuses a build folder that was configured for a checkout in another place.
  if [ -e "$folder/CMakeCache.txt" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$(pwd -P)" "$folder/CMakeCache.txt"; then
    rm -rf "$folder"
  fi
  mkdir -p "$folder"
  log=$folder/build.log
  if ! { cmake -S . -B "$folder" -G Ninja -DOPTIONSIB_TESTS=ON "${@:2}" && cmake --build "$folder" -j "$workers"; } >"$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
  "$folder/cpp/core_tests"
}

for part in "${parts[@]}"; do
  echo
  echo "== $part"
  case $part in
  lint) scripts/lint.sh ;;
  cpp) cpp_tests build/cpp ;;
  sanitize) cpp_tests build/sanitize -DOPTIONSIB_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo ;;
  python) .venv/bin/python -m pytest -q -n "$workers" --dist loadfile ;;
  # Instruction counts repeat; times do not on a machine that others use, so here they are only reported.
  gate) .venv/bin/python scripts/bench_gate.py --times report ;;
  *) echo "test: unknown part '$part' (lint, cpp, sanitize, python or gate)" >&2; exit 2 ;;
  esac
done
