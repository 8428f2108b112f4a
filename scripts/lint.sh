#!/usr/bin/env bash
# Style, types and import rules.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/ruff check .
.venv/bin/ruff format --check -q .
.venv/bin/mypy
.venv/bin/lint-imports --no-logo
find cpp bindings benchmarks -name '*.[ch]pp' -print0 | xargs -0 .venv/bin/clang-format --dry-run -Werror
