#!/usr/bin/env bash
# Environments of the benchmark peers, each of its own under build/: none may touch the lock that we ship with.
#
# usage: scripts/bench_env.sh peers | vollib | voltic | quantlib | books | risk
#   peers     build/bench-peers:    oneMKL, numba, pyfeng, fast-vollib (with jax)
#   vollib    build/bench-venv:     py_vollib_vectorized (numba 0.59, numpy < 2)
#   voltic    build/bench-voltic:   voltic 0.1, of which there is a wheel for Python 3.12 alone
#   quantlib  build/bench-quantlib: QuantLib, which is timed in a process of its own
#   books     build/bench-books:    nautilus_trader, hftbacktest
#   risk      build/bench-risk:     openpit
set -euo pipefail
cd "$(dirname "$0")/.."
python=3.11
case ${1:?usage: scripts/bench_env.sh peers|vollib|voltic|quantlib|books|risk} in
peers)
    venv=build/bench-peers
    packages=(numpy==2.4.6 scipy==1.17.1 mkl==2026.2.0 intel-openmp==2026.2.0 numba==0.68.1 llvmlite==0.50.0
        fast-vollib==0.2.4 jax==0.10.2 jaxlib==0.10.2 pyfeng==0.5.0 mathpf==0.7.9 statsmodels==0.15.0 pandas==3.1.1)
    modules="numba, fast_vollib, jax, pyfeng"
    ;;
vollib)
    venv=build/bench-venv
    packages=(numba==0.59.1 llvmlite==0.42.0 numpy==1.26.4 scipy==1.13.1 pandas==2.2.3 setuptools==75.8.0
        py_vollib_vectorized==0.1.1 py_vollib==1.0.1 py_lets_be_rational==1.0.1 simplejson==3.20.2)
    modules=py_vollib_vectorized
    ;;
voltic)
    venv=build/bench-voltic
    python=3.12
    packages=(numpy==2.4.6 voltic==0.1.0 --only-binary=voltic)
    modules="voltic"
    ;;
quantlib)
    venv=build/bench-quantlib
    packages=(numpy==2.4.6 QuantLib==1.44)
    modules=QuantLib
    ;;
books)
    venv=build/bench-books
    packages=(numpy==2.2.6 numba==0.61.2 llvmlite==0.44.0 nautilus_trader==1.221.0 hftbacktest==2.4.4)
    modules="hftbacktest, nautilus_trader.core.nautilus_pyo3"
    ;;
risk)
    venv=build/bench-risk
    packages=(numpy==2.4.6 openpit==0.10.0)
    modules="openpit"
    ;;
*) echo "bench_env: unknown environment '$1' (peers, vollib, voltic, quantlib, books or risk)" >&2; exit 2 ;;
esac
stamp=$venv/complete
if [[ -f $stamp && "$(cat "$stamp")" == "${packages[*]}" ]]; then exit 0; fi
rm -rf "$venv"
uv=uv
if [[ -x .venv/bin/uv ]]; then uv=.venv/bin/uv; fi
# uv looks on PATH alone; pyenv keeps its versions beside it.
for candidate in "$HOME/.pyenv/versions/$python".*/bin/python; do
    if [[ -x $candidate ]] && ! "python$python" -c "" 2>/dev/null; then python=$candidate; fi
done
"$uv" venv -q --python "$python" "$venv"
"$uv" pip install -q --python "$venv/bin/python" "${packages[@]}"
"$venv/bin/python" -W ignore -c "import $modules"
echo "${packages[*]}" >"$stamp"
