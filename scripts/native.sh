#!/usr/bin/env bash
# (Re)build the native modules into the virtual environment; one build at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
exec 9>.venv/native.lock
flock 9
# Without rebuild on import: daemons must not start compilers, and tests would all do so at once.
.venv/bin/uv pip install --python .venv/bin/python -q --no-build-isolation --no-deps -C editable.rebuild=false -e .
