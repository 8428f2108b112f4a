"""One step function for batch and stream: a chain snapshot in, the features of the chain out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optionsib.common.config import FeaturesConfig
from optionsib.common.types import YEAR_NS
from optionsib.data.live.chain import ChainSnapshot
from optionsib.features.chain_features import FEATURE_NAMES, ChainFeatures
from optionsib.features.grid import ChainGrid, Indices, on_grid
from optionsib.features.history import PriceHistory, ResidualHistory
from optionsib.features.smile import SmileFit, fit_smiles, parity_forward, parity_strikes
from optionsib.pricing import (
    AmericanGreeks,
    Greeks,
    american_greeks,
    american_implied_volatility,
    early_exercise_premium,
    greeks,
    implied_volatility,
)

Floats = NDArray[np.float64]

_CHANGE_WINDOWS = (1, 5, 15)  # minutes; named in FEATURE_NAMES
_CHANGE_AGE_CAP_MINUTES = 60.0


class ZeroCurve(Protocol):
    """Continuously compounded zero rates."""

    def rate(self, time_to_expiry: Floats) -> Floats:
        """Return the rate at each time (years ACT/365F)."""
        ...


@dataclass(frozen=True, slots=True)
class _Market:
    """What is live: per contract ``mid`` and ``spread``, per expiry the rest."""

    spot: float
    years: Floats
    rate: Floats
    mid: Floats
    spread: Floats
    forward: Floats
    prepaid: Floats

    @property
    def dividend_yield(self) -> Floats:
        """The yield (m,) that the forwards stand for."""
        return np.asarray(-np.log(self.prepaid / self.spot) / self.years)


@dataclass(frozen=True, slots=True)
class _Valuation:
    """Per contract, except ``fit``."""

    log_moneyness: Floats
    implied: Floats
    fitted: Floats
    fair: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    fit: SmileFit


class FeatureEngine:
    """Turns snapshots of one chain into features; remembers only the last minutes.

    Parameters
    ----------
    config
        Windows and limits.
    curve
        Discounting.
    """

    feature_names: tuple[str, ...] = FEATURE_NAMES

    def __init__(self, config: FeaturesConfig, curve: ZeroCurve) -> None:
        self._config = config
        self._curve = curve
        self._grid: ChainGrid | None = None
        self._last_ns = -1
        self._residuals = ResidualHistory(max(config.residual_history_minutes, *_CHANGE_WINDOWS))
        self._prices = PriceHistory(max(config.realized_volatility_minutes, 5))

    def step(self, snapshot: ChainSnapshot) -> ChainFeatures:
        """Compute the features of ``snapshot`` from it and earlier ones.

        Raises
        ------
        ValueError
            If ``snapshot`` is not younger than the last one, or of another chain.
        """
        grid = self._accept(snapshot)
        market = self._read_market(snapshot, grid)
        self._prices.append(snapshot.at_ns, market.spot)
        return self._assemble(snapshot, grid, market, self._value(snapshot, grid, market))

    def _accept(self, snapshot: ChainSnapshot) -> ChainGrid:
        if snapshot.at_ns <= self._last_ns:
            raise ValueError(
                f"snapshot at {snapshot.at_ns} ns is not younger than the last one at {self._last_ns} ns"
            )
        if self._grid is None:
            self._grid = ChainGrid.of(snapshot.contracts)
        elif snapshot.contracts is not self._grid.contracts and snapshot.contracts != self._grid.contracts:
            raise ValueError("snapshot of another chain: its contracts are not those of the first snapshot")
        self._last_ns = snapshot.at_ns
        return self._grid

    def _read_market(self, snapshot: ChainSnapshot, grid: ChainGrid) -> _Market:
        """Drop what is stale and find the forward of each expiry."""
        limit = self._config.maximum_feed_age_seconds
        spot = snapshot.underlying_mid if snapshot.underlying_feed_age <= limit else math.nan
        years = (grid.expiry_ns - snapshot.at_ns) / YEAR_NS
        years = np.where(years > 0.0, years, np.nan)
        live = (snapshot.feed_age <= limit) & np.isfinite(years[grid.row]) & math.isfinite(spot)
        mid = np.where(live, snapshot.mid, np.nan)
        spread = np.where(np.isfinite(mid), snapshot.ask - snapshot.bid, np.nan)
        growth = np.exp(self._curve.rate(years) * years)

        def market(values: Floats) -> _Market:
            forward = parity_forward(
                spot,
                grid.strike,
                on_grid(values, grid.call),
                on_grid(values, grid.put),
                on_grid(spread, grid.call) + on_grid(spread, grid.put),
                growth,
                self._config.parity_pairs,
            )
            return _Market(spot, years, np.log(growth) / years, mid, spread, forward, forward / growth)

        found = market(mid)
        if self._config.exercise == "european":
            return found
        # Parity holds for the European part of the prices: take the early-exercise premium out, once, of
        # the contracts that give the forward.
        near = self._parity_contracts(spot, grid, mid, spread)
        row = grid.row[near]
        option = (snapshot.kind[near], spot, snapshot.strike[near], years[row], found.rate[row])
        yields = found.dividend_yield[row]
        volatility = american_implied_volatility(mid[near], *option, yields, tier="fast").volatility
        premium = early_exercise_premium(*option, volatility, yields, tier="fast")
        european = mid.copy()
        european[near] -= np.where(np.isfinite(premium), premium, 0.0)
        return market(european)

    def _parity_contracts(self, spot: float, grid: ChainGrid, mid: Floats, spread: Floats) -> Indices:
        """Return the positions of the calls and puts that parity is read from."""
        call, put = on_grid(mid, grid.call), on_grid(mid, grid.put)
        width = on_grid(spread, grid.call) + on_grid(spread, grid.put)
        columns = parity_strikes(spot, grid.strike, call, put, width, self._config.parity_pairs)
        cells = [np.take_along_axis(side, columns, axis=1).ravel() for side in (grid.call, grid.put)]
        found = np.concatenate(cells)
        return found[found < len(mid)]

    @staticmethod
    def _option(
        snapshot: ChainSnapshot, grid: ChainGrid, market: _Market
    ) -> tuple[NDArray[np.int8], float, Floats, Floats, Floats, Floats]:
        """Return kind, spot, strike, years, rate and dividend yield of every contract."""
        row = grid.row
        return (
            snapshot.kind,
            market.spot,
            snapshot.strike,
            market.years[row],
            market.rate[row],
            market.dividend_yield[row],
        )

    def _value(self, snapshot: ChainSnapshot, grid: ChainGrid, market: _Market) -> _Valuation:
        """Fit the smiles to the out-of-the-money side and value every contract on them."""
        row = grid.row
        kind, spot, strike, years, rate, yields = self._option(snapshot, grid, market)
        american = self._config.exercise == "american"
        if american:
            implied = american_implied_volatility(
                market.mid, kind, spot, strike, years, rate, yields, tier="fast"
            ).volatility
        else:
            # Black-76 on the forward is Black-Scholes-Merton on the prepaid forward F exp(-rT) without yield;
            # its delta is then the one in shares when dividends are known amounts.
            prepaid = market.prepaid[row]
            implied = implied_volatility(market.mid, kind, prepaid, strike, years, rate).volatility
        implied = np.where(implied > 0.0, implied, np.nan)  # 0: at intrinsic value, which tells nothing
        x = np.log(strike / market.forward[row]) / np.sqrt(years)
        grid_x = np.log(grid.strike / market.forward[:, None]) / np.sqrt(market.years)[:, None]
        side = np.where(grid_x >= 0.0, grid.call, grid.put)
        quoted = on_grid(implied, side)
        vega = _vega(market.prepaid[:, None], grid_x, market.years[:, None], quoted)
        with np.errstate(divide="ignore", invalid="ignore"):
            width = np.where(vega > 0.0, on_grid(market.spread, side) / vega, np.nan)
        fit = fit_smiles(grid_x, quoted, width, self._config.minimum_quotes_per_smile)
        volatility = fit.volatility(x, row)
        if american:
            found: AmericanGreeks[Floats] | Greeks[Floats] = american_greeks(
                kind, spot, strike, years, rate, volatility, yields, tier="fast"
            )
        else:
            found = greeks(kind, prepaid, strike, years, rate, volatility)
        return _Valuation(
            log_moneyness=x,
            implied=implied,
            fitted=volatility,
            fair=found.price,
            delta=found.delta,
            gamma=found.gamma,
            vega=found.vega,
            theta=found.theta,
            fit=fit,
        )

    def _assemble(
        self, snapshot: ChainSnapshot, grid: ChainGrid, market: _Market, value: _Valuation
    ) -> ChainFeatures:
        at_ns, row = snapshot.at_ns, grid.row
        residual = market.mid - value.fair
        usable = np.isfinite(residual)
        changes = [self._residuals.change(at_ns, residual, minutes) for minutes in _CHANGE_WINDOWS]
        mean = self._residuals.mean(residual)
        self._residuals.append(at_ns, residual)
        realized = self._prices.realized_volatility()
        at_the_money = value.fit.coefficients[:, 0]
        known = np.flatnonzero(np.isfinite(at_the_money))
        front = at_the_money[known[0]] if len(known) else math.nan
        sizes = snapshot.bid_size + snapshot.ask_size
        by_name: dict[str, Floats] = {
            "volatility_residual": value.implied - value.fitted,
            "price_residual": residual,
            "residual_in_spreads": residual / np.maximum(market.spread, 0.01),
            "residual_less_mean": residual - mean,
            "residual_change_1": changes[0],
            "residual_change_5": changes[1],
            "residual_change_15": changes[2],
            "size_imbalance": (snapshot.bid_size - snapshot.ask_size) / np.maximum(sizes, 1),
            "change_age_minutes": np.minimum(snapshot.change_age / 60.0, _CHANGE_AGE_CAP_MINUTES),
            "spread": market.spread,
            "spread_of_mid": market.spread / market.mid,
        }
        columns = np.stack([by_name[name] for name in FEATURE_NAMES], axis=1).astype(np.float32)
        columns[~usable] = np.nan
        columns.flags.writeable = False
        return ChainFeatures(
            at_ns=at_ns,
            underlying=snapshot.underlying,
            underlying_price=market.spot,
            underlying_feed_age=snapshot.underlying_feed_age,
            realized_volatility=realized,
            grid=grid,
            con_id=snapshot.con_id,
            kind=snapshot.kind,
            strike=snapshot.strike,
            time_to_expiry=market.years[row],
            bid=snapshot.bid,
            ask=snapshot.ask,
            mid=market.mid,
            spread=market.spread,
            feed_age=snapshot.feed_age,
            change_age=snapshot.change_age,
            usable=usable,
            log_moneyness=value.log_moneyness,
            implied_volatility=value.implied,
            fitted_volatility=value.fitted,
            fitted_price=value.fair,
            price_residual=residual,
            volatility_residual=value.implied - value.fitted,
            delta=value.delta,
            gamma=value.gamma,
            vega=value.vega,
            theta=value.theta,
            forward=market.forward,
            at_the_money_volatility=at_the_money,
            skew=value.fit.coefficients[:, 1],
            curvature=2.0 * value.fit.coefficients[:, 2],
            term_slope=at_the_money - front,
            smile_quotes=value.fit.quotes,
            columns=columns,
        )


def _vega(prepaid: Floats, x: Floats, years: Floats, volatility: Floats) -> Floats:
    """Vega from the standardised log-moneyness, for the quotes' weights."""
    d1 = -x / volatility + 0.5 * volatility * np.sqrt(years)
    density = np.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi)
    return np.asarray(prepaid * density * np.sqrt(years), dtype=np.float64)
