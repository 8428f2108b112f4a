"""Implied volatilities and Greeks of displayed quotes, as TWS reports them.

Options of the tape: Black-Scholes-Merton on the middle price of the underlying, the exchange's rate,
no dividends. Options of the simulated market: the same core with that market's dividends, American
where the option is; its model computation is the market's own value. Units on the wire are those of
TWS: theta per calendar day, vega per volatility point. What cannot be computed is -1 (volatility,
prices) or -2 (Greeks); no field is ever empty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from optionsib.brokers.paper.contracts import ContractDirectory
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.common.ports import TapeQuote
from optionsib.common.types import PRICE_SCALE, YEAR_NS, Contract
from optionsib.pricing import (
    american_greeks,
    american_implied_volatility,
    american_price,
    greeks,
    implied_volatility,
    price,
)

BID, ASK, MODEL, CUSTOM = 10, 11, 13, 53
Computation = tuple[str, ...]  # the fields after the tick attribute
Floats = NDArray[np.float64]


class OptionComputer:
    """Computes all requested contracts of one step in few calls of the pricing core."""

    def __init__(self, directory: ContractDirectory, board: QuoteBoard, rate: float) -> None:
        self._directory = directory
        self._board = board
        self._rate = rate
        self._made_at_ns = -1
        self._made: dict[int, dict[int, Computation]] = {}

    def compute(self, con_ids: Sequence[int], now_ns: int) -> dict[int, dict[int, Computation]]:
        """Return tick type -> computation for each of the options ``con_ids``.

        Results are kept for the standing time only: what one client asks for never changes what
        another one is told.
        """
        if now_ns != self._made_at_ns:
            self._made.clear()
            self._made_at_ns = now_ns
        missing = [con_id for con_id in con_ids if con_id not in self._made]
        of_tape = [con_id for con_id in missing if con_id in self._directory.tape_ids]
        if of_tape:
            self._made.update(self._compute_tape(of_tape, now_ns))
        simulated = [con_id for con_id in missing if con_id not in self._directory.tape_ids]
        if simulated:
            quotes = [self._board.quote(con_id) for con_id in simulated]
            self._made.update(self._compute_simulated(simulated, quotes, now_ns))
        return {con_id: self._made[con_id] for con_id in con_ids}

    def compute_at(self, con_id: int, at_ns: int) -> dict[int, Computation]:
        """Return the computations of an earlier time, for delayed data."""
        if con_id in self._directory.tape_ids:
            return {}
        return self._compute_simulated([con_id], [self._board.quote_at(con_id, at_ns)], at_ns)[con_id]

    def volatility_of(self, contract: Contract, option_price: float, spot: float, now_ns: int) -> Computation:
        """Answer calculateImpliedVolatility."""
        rate, dividend, american = self._terms(contract)
        years = (contract.expiry_ns - now_ns) / YEAR_NS
        market = (contract.kind, spot, contract.strike / PRICE_SCALE, years, rate)
        found = math.nan
        if years > 0:
            solve = american_implied_volatility if american else implied_volatility
            with suppress(ValueError):  # no volatility gives that price
                found = solve(option_price, *market, dividend).volatility
        return self._custom(contract, option_price, spot, years, found)

    def price_of(self, contract: Contract, volatility: float, spot: float, now_ns: int) -> Computation:
        """Answer calculateOptionPrice."""
        rate, dividend, american = self._terms(contract)
        years = (contract.expiry_ns - now_ns) / YEAR_NS
        value = math.nan
        if years > 0:
            pricer = american_price if american else price
            strike = contract.strike / PRICE_SCALE
            with suppress(ValueError):  # outside the domain of the pricer
                value = pricer(contract.kind, spot, strike, years, rate, volatility, dividend)
        return self._custom(contract, value, spot, years, volatility)

    def _custom(
        self, contract: Contract, value: float, spot: float, years: float, volatility: float
    ) -> Computation:
        _, dividend, american = self._terms(contract)
        ((line,),) = self._lines(
            np.array([[value]]), np.array([contract.kind], dtype=np.int8), np.array([spot]),
            np.array([contract.strike / PRICE_SCALE]), np.array([years if years > 0 else math.nan]),
            np.array([dividend]), np.array([american]), np.array([[volatility]]),
        )  # fmt: skip
        return line

    def _terms(self, contract: Contract) -> tuple[float, float, bool]:
        listing = self._directory.listing(contract.con_id)
        if listing is None or contract.con_id in self._directory.tape_ids:
            return self._rate, 0.0, False
        return self._rate, listing.dividend_yield, listing.american

    def _compute_tape(self, con_ids: list[int], now_ns: int) -> dict[int, dict[int, Computation]]:
        contracts = [self._directory.by_id[con_id] for con_id in con_ids]
        mark = self._board.doubled_mark(self._directory.underlying.con_id)
        spot = math.nan if mark is None else mark / 2 / PRICE_SCALE
        prices = _sides([self._board.quote(con_id) for con_id in con_ids])
        prices = np.vstack([prices, (prices[0] + prices[1]) / 2])
        kind = np.array([contract.kind for contract in contracts], dtype=np.int8)
        strike = np.array([contract.strike / PRICE_SCALE for contract in contracts])
        count = len(con_ids)
        rows = self._lines(
            prices, kind, np.full(count, spot), strike, _years(contracts, now_ns), np.zeros(count),
            np.zeros(count, dtype=bool), None,
        )  # fmt: skip
        return _by_contract(con_ids, rows)

    def _compute_simulated(
        self, con_ids: list[int], quotes: Sequence[TapeQuote | None], at_ns: int
    ) -> dict[int, dict[int, Computation]]:
        market = self._directory.market
        if market is None:
            return {con_id: {} for con_id in con_ids}
        listings = [market.listing(con_id) for con_id in con_ids]
        known = [listing for listing in listings if listing is not None]
        contracts = [listing.contract for listing in known]
        unders = {listing.underlying.con_id for listing in known if listing.underlying is not None}
        spots = {con_id: market.spot(con_id, at_ns) for con_id in unders}
        spot = np.array(
            [spots[one.underlying.con_id] if one.underlying is not None else math.nan for one in known]
        )
        fair = np.array(market.fair_values(con_ids, at_ns)).T
        prices = np.vstack([_sides(quotes), fair[0]])
        volatility = np.full(prices.shape, np.nan)
        volatility[2] = fair[1]
        rows = self._lines(
            prices, np.array([one.kind for one in contracts], dtype=np.int8), spot,
            np.array([one.strike / PRICE_SCALE for one in contracts]), _years(contracts, at_ns),
            np.array([one.dividend_yield for one in known]), np.array([one.american for one in known]),
            volatility,
        )  # fmt: skip
        return _by_contract(con_ids, rows)

    def _lines(
        self, prices: Floats, kind: NDArray[np.int8], spot: Floats, strike: Floats, years: Floats,
        dividend: Floats, american: NDArray[np.bool_], known: Floats | None,
    ) -> list[list[Computation]]:  # fmt: skip
        """Return computations, rows as ``prices``; ``known`` are volatilities that need no search."""
        rows, width = prices.shape
        flat = prices.ravel()
        kinds, spots, strikes = np.tile(kind, rows), np.tile(spot, rows), np.tile(strike, rows)
        times, dividends, early = np.tile(years, rows), np.tile(dividend, rows), np.tile(american, rows)
        volatility = np.full(flat.size, np.nan) if known is None else known.ravel().copy()
        found = np.full((4, flat.size), np.nan)
        for chosen, solve, sensitivities in (
            (~early, implied_volatility, greeks),
            (early, american_implied_volatility, american_greeks),
        ):
            if not chosen.any():
                continue
            search = chosen & np.isnan(volatility)
            if search.any():
                volatility[search] = solve(
                    flat[search], kinds[search], spots[search], strikes[search], times[search], self._rate,
                    dividends[search],
                ).volatility  # fmt: skip
            result = sensitivities(
                kinds[chosen], spots[chosen], strikes[chosen], times[chosen], self._rate, volatility[chosen],
                dividends[chosen],
            )  # fmt: skip
            found[:, chosen] = (result.delta, result.gamma, result.vega / 100.0, result.theta / 365.0)
        columns = (
            _texts(volatility, "-1"),
            _texts(found[0], "-2"),
            _texts(flat, "-1"),
            ["0"] * flat.size,  # present value of dividends
            _texts(found[1], "-2"),
            _texts(found[2], "-2"),
            _texts(found[3], "-2"),
            _texts(spots, "-1"),
        )
        lines = list(zip(*columns, strict=True))
        return [lines[row * width : (row + 1) * width] for row in range(rows)]


def _sides(quotes: Sequence[TapeQuote | None]) -> Floats:
    prices = np.full((2, len(quotes)), np.nan)
    for column, quote in enumerate(quotes):
        if quote is not None and quote.bid is not None:
            prices[0, column] = quote.bid / PRICE_SCALE
        if quote is not None and quote.ask is not None:
            prices[1, column] = quote.ask / PRICE_SCALE
    return prices


def _years(contracts: Sequence[Contract], now_ns: int) -> Floats:
    years = np.array([(contract.expiry_ns - now_ns) / YEAR_NS for contract in contracts])
    years[years <= 0] = np.nan
    return years


def _by_contract(
    con_ids: Sequence[int], rows: Sequence[Sequence[Computation]]
) -> dict[int, dict[int, Computation]]:
    return {
        con_id: {tick: rows[row][column] for row, tick in enumerate((BID, ASK, MODEL))}
        for column, con_id in enumerate(con_ids)
    }


def _texts(values: Floats, missing: str) -> list[str]:
    return [f"{value:.10g}" if math.isfinite(value) else missing for value in values.tolist()]
