"""py_vollib_vectorized as a benchmark peer, in its own environment (build/bench-venv)."""

from __future__ import annotations

from typing import Any

import numpy as np
import py_vollib_vectorized as peer
from serving import Job, serve

MODEL = "black_scholes_merton"


def prepare(job: str, inputs: dict[str, Any]) -> Job:
    """Return `job` on `inputs`; flags are made strings beforehand."""
    if "flag" not in inputs:
        inputs["flag"] = np.where(inputs["kind"] > 0, "c", "p")
    flag, spot, strike = inputs["flag"], inputs["spot"], inputs["strike"]
    expiry, rate, dividend = inputs["time_to_expiry"], inputs["rate"], inputs["dividend_yield"]
    options = (flag, spot, strike, expiry, rate, inputs["volatility"], dividend)
    quote = (inputs.get("price"), spot, strike, expiry, rate, flag)
    jobs: dict[str, Job] = {
        "price": lambda: {"price": peer.vectorized_black_scholes_merton(*options, return_as="numpy")},
        "greeks": lambda: dict(peer.get_all_greeks(*options, model=MODEL, return_as="dict")),
        "implied_volatility": lambda: {
            "volatility": peer.vectorized_implied_volatility(
                *quote, q=dividend, model=MODEL, return_as="numpy", on_error="ignore"
            )
        },
    }
    return jobs[job]


if __name__ == "__main__":
    serve(prepare)
