#!/usr/bin/env bash
# Style, C++ tests (plain, sanitized, on emulated processors), Python tests, foreign clients, speed.
# usage: scripts/test.sh [workers [part...]]
# Parts: lint, cpp, emulate, sanitize, threads, clients, python, gate; all of them when none is named.
set -euo pipefail
cd "$(dirname "$0")/.."
workers=${1:-2}
parts=("${@:2}")
[ ${#parts[@]} -gt 0 ] || parts=(lint cpp emulate sanitize threads clients python gate)

build_tests() { # build_tests BUILD_FOLDER CMAKE_ARGUMENT...
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
}

cpp_tests() { # cpp_tests BUILD_FOLDER CMAKE_ARGUMENT...
  build_tests "$@"
  "$1/cpp/core_tests"
}

# On processors this machine is not. Without AVX nothing of the wider instruction sets may be met outside
# their own functions; on ARM the plain registers must do. The emulators do not survive a fork with threads,
# and would take a quarter of an hour for what checks the mathematics once more.
emulated_tests() {
  local leaks but=("--test-case-exclude=a forked child*" "--test-suite-exclude=slow")
  if [ "$(uname -m)" != x86_64 ]; then
    echo "test: emulated processors are tested on x86-64 only"
    return
  fi
  build_tests build/cpp
  leaks=$(find build/cpp -name '*_avx*.cpp.o' -exec nm -C --defined-only {} + | grep ' W ' | grep -vE '::avx(2|512)::' || true)
  if [ -n "$leaks" ]; then
    printf 'test: code of a wide instruction set that the linker may merge with the common one:\n%s\n' "$leaks" >&2
    return 1
  fi
  # Each emulator takes minutes on one core.
  qemu-x86_64 -cpu Nehalem build/cpp/cpp/core_tests "${but[@]}" >build/nehalem.log 2>&1 &
  local nehalem=$!
  build_tests build/aarch64 -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -Ddoctest_DIR=/usr/lib/cmake/doctest
  qemu-aarch64 -L /usr/aarch64-linux-gnu build/aarch64/cpp/core_tests "${but[@]}"
  local code=0
  wait "$nehalem" || code=$?
  cat build/nehalem.log
  return "$code"
}

# What several threads may call at once, under ThreadSanitizer: a few files, so not a build of everything.
thread_tests() {
  mkdir -p build/threads
  g++ -std=c++20 -O1 -g -fsanitize=thread -Icpp/include cpp/src/risk/*.cpp cpp/tests/risk/*.cpp cpp/tests/main.cpp \
    -pthread -o build/threads/risk_tests
  build/threads/risk_tests
}

for part in "${parts[@]}"; do
  echo
  echo "== $part"
  case $part in
  lint) scripts/lint.sh ;;
  cpp) cpp_tests build/cpp ;;
  emulate) emulated_tests ;;
  sanitize) cpp_tests build/sanitize -DOPTIONSIB_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo ;;
  threads) thread_tests ;;
  # Before the Python tests, which drive the exchange with each client that has an environment.
  clients) scripts/clients.sh ;;
  python)
    # The pinned compiler of the Vault program: without it the test that rebuilds the program would skip.
    scripts/vault_env.sh
    .venv/bin/python -m pytest -q -n "$workers" --dist loadfile
    ;;
  # Instruction counts repeat; times do not on a machine that others use, so here they are only reported.
  gate) .venv/bin/python scripts/bench_gate.py --times report ;;
  *) echo "test: unknown part '$part' (lint, cpp, emulate, sanitize, threads, clients, python or gate)" >&2; exit 2 ;;
  esac
done
