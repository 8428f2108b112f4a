#!/usr/bin/env bash
# The pinned compiler of the Vault program (ziglang: 411 MB), in an environment of its own under build/.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=build/vault-compiler
packages=(ziglang==0.17.1)
stamp=$venv/complete
if [[ -f $stamp && "$(cat "$stamp")" == "${packages[*]}" ]]; then exit 0; fi
rm -rf "$venv"
uv=uv
if [[ -x .venv/bin/uv ]]; then uv=.venv/bin/uv; fi
"$uv" venv -q --python "$(command -v .venv/bin/python || command -v python3)" "$venv"
"$uv" pip install -q --python "$venv/bin/python" "${packages[@]}"
"$venv/bin/python" -m ziglang version >/dev/null
echo "${packages[*]}" >"$stamp"
