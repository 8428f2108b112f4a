#!/usr/bin/env bash
# Fuzz the pricing functions, the order book and matching on a build of the native module under AddressSanitizer
# and UndefinedBehaviorSanitizer, then the paper exchange. American options, whose calls take milliseconds, get one
# call in 200.
# usage: scripts/fuzz.sh [seed [calls [workers]]]
set -euo pipefail
cd "$(dirname "$0")/.."
seed=${1:-1} calls=${2:-100000} workers=${3:-2}
folder=build/fuzz
mkdir -p "$folder"
if ! { cmake -S . -B "$folder" -G Ninja -DOPTIONSIB_PYTHON=ON -DOPTIONSIB_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DPython_EXECUTABLE="$PWD/.venv/bin/python" -Dpybind11_DIR="$(.venv/bin/python -m pybind11 --cmakedir)" &&
  cmake --build "$folder" -j "$workers"; } >"$folder/build.log" 2>&1; then
  cat "$folder/build.log" >&2
  exit 1
fi
# A package of its own beside the installed one: the Python files, and the sanitized module.
rm -rf "$folder/package"
mkdir -p "$folder/package"
cp -r python/optionsib "$folder/package/optionsib"
cp "$folder"/bindings/_core.*.so "$folder/package/optionsib/_native/"
library=$(g++ -print-file-name=libasan.so)
packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
# -S: without the editable install. The interpreter itself keeps memory to the end: no leak check at exit.
for target in pricing american book matching; do
  share=1
  [ "$target" != american ] || share=200
  LD_PRELOAD="$library" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
    PYTHONPATH="$folder/package:$packages" .venv/bin/python -S "scripts/fuzz_$target.py" --seed "$seed" --calls "$((calls / share))"
done
# Without sanitizers: it looks at the memory of its own process, and a sanitizer keeps what is freed.
.venv/bin/python scripts/fuzz_paper.py --seed "$seed" --calls "$calls"
# The properties on examples of this seed; the tests look at the same ones every time.
.venv/bin/python -m pytest -q -n "$workers" --hypothesis-profile explore --hypothesis-seed "$seed" tests/property
