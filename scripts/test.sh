#!/usr/bin/env bash
# Style, C++ tests (plain and sanitized), Python tests. usage: scripts/test.sh [workers]
set -euo pipefail
cd "$(dirname "$0")/.."
workers=${1:-2}
step() { echo; echo "== $*"; }

step lint
scripts/lint.sh
step "C++ tests"
cmake -S . -B build/cpp -G Ninja -DOPTIONSIB_TESTS=ON >/dev/null
cmake --build build/cpp -j "$workers" | tail -1
build/cpp/cpp/core_tests
step "C++ tests, sanitized"
cmake -S . -B build/sanitize -G Ninja -DOPTIONSIB_TESTS=ON -DOPTIONSIB_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
cmake --build build/sanitize -j "$workers" | tail -1
build/sanitize/cpp/core_tests
step "Python tests"
.venv/bin/python -m pytest -q -n "$workers" --dist loadfile
