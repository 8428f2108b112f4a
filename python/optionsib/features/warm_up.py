"""The pipeline's defaults, and its first run before anything hangs on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from optionsib.common.config import FeaturesConfig
from optionsib.common.types import PRICE_SCALE, SECOND_NS, Contract
from optionsib.data.live.chain import ChainSnapshot
from optionsib.features.engine import FeatureEngine, ZeroCurve
from optionsib.features.greeks import GreekFeatureGenerator
from optionsib.features.normalizer import QuantileNormalizer
from optionsib.features.temporal import TemporalEncoder
from optionsib.pricing import price

_DAY_NS = 86_400 * SECOND_NS
_VOLATILITY = 0.3
_STRIKES = (90, 95, 98, 100, 102, 105, 110)


@dataclass(frozen=True, slots=True)
class WarmedUp:
    """One transformer: ``first_seconds`` of its first run, ``seconds`` of the second, real time."""

    name: str
    first_seconds: float
    seconds: float


def get_default_pipeline_config() -> FeaturesConfig:
    """Return what the feature pipeline does if nothing else is said.

    Edit a copy, or the section ``features`` of the configuration; each field says what it is.

    Examples
    --------
    >>> config = get_default_pipeline_config()
    >>> config.exercise, config.residual_history_minutes
    ('american', 15)
    >>> index = config.model_copy(update={"exercise": "european"})
    """
    return FeaturesConfig()


def warmup_transformers(
    config: FeaturesConfig, curve: ZeroCurve, at_ns: int, contracts: Sequence[Contract] = ()
) -> tuple[WarmedUp, ...]:
    """Run every transformer twice on made-up quotes, so that the first live tick is not the slow one.

    Nothing of it is kept: the engine that serves is another one.

    Parameters
    ----------
    at_ns
        The session's time, UTC ns.
    contracts
        The chain that will be asked about, so that its arrays are as large; default: a small one.

    Raises
    ------
    ValueError
        If a contract is no option.
    """
    options = tuple(contracts) or _few(at_ns)
    snapshot = _made_up(options, at_ns)
    generator = GreekFeatureGenerator(curve)
    rows = np.random.default_rng(0).standard_normal((64, len(FeatureEngine.feature_names)))
    matrix = rows.astype(np.float32)
    normalizer = QuantileNormalizer.fit(matrix, FeatureEngine.feature_names, known_until_ns=at_ns)
    encoder = TemporalEncoder()
    runs: dict[str, Callable[[], object]] = {
        "FeatureEngine": lambda: FeatureEngine(config, curve).step(snapshot),
        "GreekFeatureGenerator": lambda: generator.generate(snapshot),
        "QuantileNormalizer": lambda: normalizer.transform(matrix),
        "TemporalEncoder": lambda: encoder.encode(np.array([at_ns], dtype=np.int64)),
    }
    return tuple(WarmedUp(name, _timed(run), _timed(run)) for name, run in runs.items())


def _timed(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def _few(at_ns: int) -> tuple[Contract, ...]:
    return tuple(
        Contract(
            con_id=number + 1,
            symbol="MADEUP",
            security_type="OPT",
            right="C" if number % 2 == 0 else "P",
            strike=strike * PRICE_SCALE,
            expiry_ns=at_ns + days * _DAY_NS,
        )
        for number, (days, strike, _) in enumerate(
            (days, strike, side) for days in (30, 90) for strike in _STRIKES for side in range(2)
        )
    )


def _made_up(contracts: tuple[Contract, ...], at_ns: int) -> ChainSnapshot:
    """Quotes on one volatility around the middle strike."""
    kind = np.array([contract.kind for contract in contracts], dtype=np.int8)
    strike = np.array([contract.strike for contract in contracts]) / PRICE_SCALE
    expiry_ns = np.array([contract.expiry_ns for contract in contracts], dtype=np.int64)
    years = np.maximum(expiry_ns - at_ns, _DAY_NS) / (365 * _DAY_NS)
    spot, count = float(np.median(strike)), len(contracts)
    mid = np.asarray(price(np.where(kind == 0, 1, kind), spot, strike, years, 0.0, _VOLATILITY))
    return ChainSnapshot(
        at_ns=at_ns,
        underlying=Contract(con_id=0, symbol=contracts[0].symbol, security_type="STK"),
        contracts=contracts,
        con_id=np.array([contract.con_id for contract in contracts], dtype=np.int64),
        kind=kind,
        strike=strike,
        expiry_ns=expiry_ns,
        time_to_expiry=years,
        bid=np.maximum(mid - 0.01, 0.01),
        ask=mid + 0.01,
        bid_size=np.full(count, 10),
        ask_size=np.full(count, 10),
        feed_age=np.zeros(count),
        change_age=np.zeros(count),
        underlying_bid=spot - 0.01,
        underlying_ask=spot + 0.01,
        underlying_feed_age=0.0,
    )
