"""voltic 0.1 as a benchmark peer, in its own environment (Python 3.12: build/bench-voltic).

It takes lists and knows no dividend: the lists, with S exp(-qT) as spot, are made beforehand and not timed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import voltic
from serving import Job, serve


def prepare(job: str, inputs: dict[str, Any]) -> Job:
    """Return the implied volatilities of `inputs` as a job."""
    if job != "implied_volatility":
        raise ValueError(f"voltic does no {job}")
    spot = inputs["spot"] * np.exp(-inputs["dividend_yield"] * inputs["time_to_expiry"])
    columns = (spot, inputs["strike"], inputs["time_to_expiry"], inputs["rate"], inputs["price"])
    lists = [column.tolist() for column in columns]
    lists.append(["c" if kind > 0 else "p" for kind in inputs["kind"].tolist()])
    return lambda: {"volatility": voltic.implied_vol(*lists)}


if __name__ == "__main__":
    serve(prepare)
