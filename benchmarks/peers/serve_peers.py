"""oneMKL, numba, pyfeng and fast-vollib as benchmark peers, in one environment (build/bench-peers).

A job is named ``<peer> <work>``. Whatever a peer wants converted (flags as strings, kinds as floats, output
arrays where it takes them) is made before anything is timed.
"""

from __future__ import annotations

import warnings
from typing import Any

import fast_vollib
import loops
import numpy as np
import onemkl
import pyfeng
from serving import Job, serve

GREEKS = ("price", "delta", "gamma", "vega", "theta", "rho")
MODEL = "black_scholes_merton"
SCALAR_CALLS = 20_000


def _columns(inputs: dict[str, Any]) -> list[Any]:
    names = ("kind", "spot", "strike", "time_to_expiry", "rate", "volatility", "dividend_yield")
    return [np.ascontiguousarray(inputs[name], dtype=float) for name in names]


def _prices(run: Any, columns: list[Any], *, fresh: bool) -> Job:
    kept = np.empty(len(columns[0]))

    def job() -> dict[str, Any]:
        out = np.empty(len(columns[0])) if fresh else kept
        run(out)
        return {"price": out}

    return job


def _greeks(run: Any, columns: list[Any], *, fresh: bool) -> Job:
    kept = np.empty((6, len(columns[0])))

    def job() -> dict[str, Any]:
        out = np.empty((6, len(columns[0]))) if fresh else kept
        run(out)
        return dict(zip(GREEKS, out, strict=True))

    return job


def _onemkl(work: str, inputs: dict[str, Any]) -> Job:
    columns, fresh, tuned = _columns(inputs), not work.endswith("out="), "tuned" in work
    if work.startswith("price"):
        room = onemkl.Workspace(onemkl.TUNED_BLOCK if tuned else onemkl.PRICE_BLOCK, merged=tuned)
        return _prices(lambda out: onemkl.price(room, columns, out), columns, fresh=fresh)
    room = onemkl.Workspace(onemkl.TUNED_BLOCK if tuned else onemkl.GREEKS_BLOCK, merged=tuned)
    return _greeks(lambda out: onemkl.greeks(room, columns, out), columns, fresh=fresh)


def _numba(work: str, inputs: dict[str, Any]) -> Job:
    columns, fresh = _columns(inputs), not work.endswith("out=")
    if work == "scalar":
        w, s, k, t, r, v, q = (float(column[0]) for column in columns)

        def job() -> dict[str, Any]:
            for _ in range(SCALAR_CALLS):
                found = loops.scalar(w, s, k, t, r, v, q)
            return dict(zip(GREEKS, found, strict=True))

        return job
    if work.startswith("price"):
        return _prices(lambda out: loops.price(*columns, out), columns, fresh=fresh)
    return _greeks(lambda out: loops.greeks(*columns, out), columns, fresh=fresh)


def _pyfeng(work: str, inputs: dict[str, Any]) -> Job:
    kind, spot, strike, expiry, rate, volatility, dividend = _columns(inputs)
    if work == "price":
        return lambda: {
            "price": pyfeng.Bsm(volatility, intr=rate, divr=dividend).price(strike, spot, expiry, kind)
        }
    model, quote = pyfeng.Bsm(0.2, intr=rate, divr=dividend), inputs["price"]
    return lambda: {"volatility": model.impvol(quote, strike, spot, expiry, kind)}


def _fast_vollib(work: str, inputs: dict[str, Any]) -> Job:
    work, backend = work.rsplit(" ", 1)
    flag = np.where(inputs["kind"] > 0, "c", "p")
    _, spot, strike, expiry, rate, volatility, dividend = _columns(inputs)
    options = (flag, spot, strike, expiry, rate, volatility, dividend)
    if work == "price":
        function = fast_vollib.fast_black_scholes_merton
        return lambda: {"price": function(*options, return_as="numpy", backend=backend)}
    if work == "greeks":
        return lambda: dict(
            fast_vollib.get_all_greeks(*options, model=MODEL, return_as="dict", backend=backend)
        )
    quote = (inputs["price"], spot, strike, expiry, rate, flag, dividend)
    return lambda: {
        "volatility": fast_vollib.fast_implied_volatility(
            *quote, model=MODEL, return_as="numpy", on_error="ignore", backend=backend
        )
    }


PEERS = {"onemkl": _onemkl, "numba": _numba, "pyfeng": _pyfeng, "fast_vollib": _fast_vollib}


def prepare(job: str, inputs: dict[str, Any]) -> Job:
    """Return the job ``<peer> <work>`` on `inputs`."""
    peer, work = job.split(" ", 1)
    return PEERS[peer](work, inputs)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve(prepare)
