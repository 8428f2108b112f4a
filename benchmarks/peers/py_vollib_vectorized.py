"""The py_vollib_vectorized side of the pricing benchmarks; runs in its own environment.

Started as ``python -P py_vollib_vectorized.py <folder>``. Every line on standard input is a job in JSON:
``{"job": "price" | "greeks" | "implied_volatility", "inputs": "<prefix>"}``. It reads ``<prefix>_<name>.npy``
from the folder, does the job once, writes ``<prefix>_<job>_<result>.npy`` and answers ``{"seconds": ...}``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import py_vollib_vectorized as peer

NAMES = ("kind", "spot", "strike", "time_to_expiry", "rate", "volatility", "dividend_yield", "price")


def run(job: str, inputs: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """Do one job and return the named results and the seconds it took."""
    flag, spot, strike = inputs["flag"], inputs["spot"], inputs["strike"]
    expiry, rate, dividend = inputs["time_to_expiry"], inputs["rate"], inputs["dividend_yield"]
    model = "black_scholes_merton"
    start = time.perf_counter()
    if job == "price":
        found = peer.vectorized_black_scholes_merton(
            flag, spot, strike, expiry, rate, inputs["volatility"], dividend, return_as="numpy"
        )
        result = {"price": found}
    elif job == "greeks":
        arguments = (flag, spot, strike, expiry, rate, inputs["volatility"], dividend)
        result = dict(peer.get_all_greeks(*arguments, model=model, return_as="dict"))
    else:
        found = peer.vectorized_implied_volatility(
            inputs["price"], spot, strike, expiry, rate, flag, q=dividend, model=model,
            return_as="numpy", on_error="ignore",
        )  # fmt: skip
        result = {"volatility": found}
    return result, time.perf_counter() - start


def main(folder: Path) -> None:
    """Serve jobs until standard input ends."""
    known: dict[str, dict[str, Any]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        prefix, job = request["inputs"], request["job"]
        if prefix not in known:
            arrays = {name: np.load(folder / f"{prefix}_{name}.npy") for name in NAMES}
            arrays["flag"] = np.where(arrays["kind"] > 0, "c", "p")
            known[prefix] = arrays
        result, seconds = run(job, known[prefix])
        for name, values in result.items():
            np.save(folder / f"{prefix}_{job}_{name}.npy", np.asarray(values, dtype=float).ravel())
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
