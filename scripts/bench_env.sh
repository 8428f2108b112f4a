#!/usr/bin/env bash
# The environment of the benchmark peer that cannot live beside us (numba 0.59, numpy < 2): build/bench-venv.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=build/bench-venv
stamp=$venv/complete
packages=(numba==0.59.1 llvmlite==0.42.0 numpy==1.26.4 scipy==1.13.1 pandas==2.2.3 setuptools==75.8.0
    py_vollib_vectorized==0.1.1 py_vollib==1.0.1 py_lets_be_rational==1.0.1 simplejson==3.20.2)
if [[ -f $stamp && "$(cat "$stamp")" == "${packages[*]}" ]]; then exit 0; fi
rm -rf "$venv"
uv=uv
if [[ -x .venv/bin/uv ]]; then uv=.venv/bin/uv; fi
"$uv" venv -q --python 3.11 "$venv"
"$uv" pip install -q --python "$venv/bin/python" "${packages[@]}"
"$venv/bin/python" -c "import py_vollib_vectorized"
echo "${packages[*]}" >"$stamp"
