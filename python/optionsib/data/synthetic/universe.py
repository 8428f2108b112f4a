"""Any symbol, simulated: shares, indices, futures, currencies and their option chains on one day.

Prices follow from a handful of drivers (``price_path``), options from an arbitrage-free surface
(``surface``) through our own core: American for shares, funds and futures, European for indices.
Quotes surround the model value, so no position can be locked in at the quoted sides for a profit.
All of it is a function of seed, date and time; what nobody asks for is never computed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import DataError
from optionsib.common.ports import (
    Bar,
    BookRow,
    ChainParameters,
    ContractListing,
    ContractQuery,
    DayFacts,
    PriceKind,
    TapeQuote,
    Trade,
    TradingDay,
)
from optionsib.common.types import PRICE_SCALE, SECOND_NS, YEAR_NS, TickGrid
from optionsib.data.calendars import is_session, session_bounds
from optionsib.data.synthetic.catalog import GRIDS
from optionsib.data.synthetic.price_path import FIRST_SIMULATED, KNOT_NS, PricePath
from optionsib.data.synthetic.quote_sides import LIQUIDITY, displayed, sides
from optionsib.data.synthetic.registry import OPTION_EXCHANGES, SHARE_EXCHANGES, Instrument, Registry
from optionsib.data.synthetic.surface import Smile
from optionsib.data.synthetic.trading_hours import trading_day
from optionsib.pricing import american_price, price

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LEVERAGE = 2.0  # volatilities rise by 2 % where the underlying has lost 1 % since yesterday
_SAMPLES_AT_ONCE = 300_000
_COARSE_NS = 300 * SECOND_NS  # spacing of the samples behind an option's high and low of the day


class SimulatedUniverse:
    """Implements ``SimulatedMarket``.

    Parameters
    ----------
    seed
        Any whole number of 0 or more.
    date
        A trading day in New York: what is listed, and what "today" means.
    rate
        Continuously compounded interest rate.

    Raises
    ------
    DataError
        If ``seed`` is negative or ``date`` is no trading day.

    Examples
    --------
    >>> import datetime as dt
    >>> market = SimulatedUniverse(7, dt.date(2026, 11, 23))
    >>> from optionsib.common.ports import ContractQuery
    >>> [one.contract.local_symbol for one in market.find(ContractQuery(symbol="ES", security_type="FUT"))]
    ['ESZ6', 'ESH7', 'ESM7', 'ESU7', 'ESZ7']
    """

    def __init__(self, seed: int, date: dt.date, *, rate: float = 0.04) -> None:
        if seed < 0:
            raise DataError(f"seed {seed}: expected 0 or more")
        if not is_session(date):
            raise DataError(f"date {date}: expected a trading day in New York (XNYS)")
        self.name = f"simulated market {date.isoformat()} (seed {seed})"
        self.tick_grids: Sequence[TickGrid] = GRIDS
        self._seed, self._date, self._rate = seed, date, rate
        self._paths: dict[str, PricePath] = {}
        self._first_ns = _first_ns(date)
        self._registry = Registry(seed, date, self._spot_yesterday, rate)

    # --- listing -------------------------------------------------------------------------------------------

    def find(self, query: ContractQuery) -> list[ContractListing]:
        """Return what fits, in (expiry, strike, call before put) order."""
        return [one.listing for one in self._registry.find(query)]

    def listing(self, con_id: int) -> ContractListing | None:
        """Return the contract with this id."""
        found = self._registry.instrument(con_id)
        return None if found is None else found.listing

    def matching(self, pattern: str) -> list[tuple[ContractListing, tuple[str, ...]]]:
        """Return underlyings whose symbol or name begins with ``pattern``, and what derives from them."""
        return [
            (one.listing, ("OPT", "BAG") if one.product.options != "none" else ())
            for one in self._registry.matching(pattern)
        ]

    def chains(self, con_id: int) -> list[ChainParameters]:
        """Return the option chains of an underlying, one an exchange and trading class."""
        return self._registry.chain_parameters(self._instrument(con_id))

    def trading_days(self, con_id: int, first: str, count: int) -> list[TradingDay]:
        """Return ``count`` calendar days from ``first`` on; a negative count ends there."""
        start = dt.date(int(first[:4]), int(first[4:6]), int(first[6:]))
        if count < 0:
            start += dt.timedelta(days=count + 1)
        kind = self._instrument(con_id).contract.security_type
        return [trading_day(kind, start + dt.timedelta(days=k)) for k in range(abs(count))]

    def first_ns(self, con_id: int) -> int:
        """Return the first instant with data: the opening of a session two years before the market's day."""
        return self._first_ns

    # --- now -----------------------------------------------------------------------------------------------

    def spot(self, con_id: int, at_ns: int) -> float:
        """Return the middle price (currency) of an instrument at ``at_ns``."""
        one = self._instrument(con_id)
        return self._fair([one], at_ns)[0][0] if one.under is not None else self._spot(one, at_ns)

    def fair_values(self, con_ids: Sequence[int], at_ns: int) -> list[tuple[float, float]]:
        """Return model value (currency) and volatility of options; NaN where there is none."""
        return self._fair([self._instrument(con_id) for con_id in con_ids], at_ns)

    def quotes(self, con_ids: Sequence[int], at_ns: int) -> list[TapeQuote]:
        """Return both sides of each contract at ``at_ns``."""
        instruments = [self._instrument(con_id) for con_id in con_ids]
        options = [one for one in instruments if one.under is not None]
        fair = dict(zip((one.contract.con_id for one in options), self._fair(options, at_ns), strict=True))
        return [
            displayed(
                one, fair[one.contract.con_id][0] if one.under is not None else self._spot(one, at_ns), at_ns
            )
            for one in instruments
        ]

    def depth(self, con_id: int, at_ns: int, rows: int) -> tuple[list[BookRow], list[BookRow]]:
        """Return bid and ask rows, best first."""
        one = self._instrument(con_id)
        (top,) = self.quotes([con_id], at_ns)
        names: tuple[str, ...] = (SHARE_EXCHANGES if one.under is None else OPTION_EXCHANGES)[1:]
        if one.contract.security_type in ("FUT", "FOP", "CASH"):
            names = one.listing.exchanges
        ladders: list[list[BookRow]] = []
        for side, best, size in ((-1, top.bid, top.bid_size), (1, top.ask, top.ask_size)):
            made: list[BookRow] = []
            level = best
            while level is not None and level > 0 and len(made) < rows and size > 0:
                made.append(BookRow(names[len(made) % len(names)], level, size * (1 + len(made))))
                step = one.contract.tick_grid.increment(level - 1 if side < 0 else level)
                level += side * step
            ladders.append(made)
        return ladders[0], ladders[1]

    def facts(self, con_id: int, at_ns: int) -> DayFacts:
        """Return the day so far. An option's high and low are those of samples five minutes apart."""
        one = self._instrument(con_id)
        path = self._path(one)
        index = path.index_at(at_ns)
        begins, ends = trading_day(one.contract.security_type, path.date(index)).regular
        until = min(max(at_ns + SECOND_NS, begins), ends)
        today = self._day_bar(one, begins, until) if until > begins else None
        before = trading_day(one.contract.security_type, path.date(max(index - 1, 0))).regular
        previous = self.bars(con_id, "TRADES", [(before[1] - SECOND_NS, before[1])])[0].close
        last = today.close if today is not None else previous
        whole = trading_day(one.contract.security_type, path.date(index)).whole
        volume = self._volume(one, at_ns, index) - self._volume(one, whole[0], index)
        under = one.under or one
        level = self._vol_factor(under, at_ns, index)
        smile = _smile(under)
        month = smile.implied(np.zeros(1), np.full(1, 30.0 / 365.0), level)
        average = round(self._day_volume(one))
        return DayFacts(
            last=last if last > 0 else None,
            last_size=max(1, average // 20_000) if average else 0,
            last_at_ns=min(at_ns, ends),
            open=today.open if today is not None else None,
            high=today.high if today is not None else None,
            low=today.low if today is not None else None,
            previous_close=previous if previous > 0 else None,
            volume=max(0, volume),
            open_interest=round(8.0 * average) if one.under is not None else average,
            average_volume=average,
            implied_volatility=float(month[0]),
            historical_volatility=path.historical_volatility(index),
        )

    # --- the past ------------------------------------------------------------------------------------------

    def bars(self, con_id: int, kind: PriceKind, intervals: Sequence[tuple[int, int]]) -> list[Bar]:
        """Return one bar for each interval (UTC ns, half-open, whole seconds, ascending)."""
        one = self._instrument(con_id)
        made: list[Bar] = []
        for part in _in_parts(intervals):
            made += self._bars(one, kind, part)
        return made

    def _bars(self, one: Instrument, kind: PriceKind, intervals: Sequence[tuple[int, int]]) -> list[Bar]:
        path = self._path(one)
        indexes = [path.index_at(start) for start, _ in intervals]
        times = [_samples(*span) for span in intervals]
        values = self._middles(one, times, indexes)
        starts = np.cumsum([0, *(len(part) for part in times[:-1])])
        trades, bids, asks = sides(one, values, np.concatenate(times))
        if kind == "BID_ASK":
            return _bid_ask_bars(intervals, starts, bids, asks)
        series = {"TRADES": trades, "BID": bids, "ASK": asks}.get(kind, (bids + asks) // 2)
        ends = np.append(starts[1:], len(series)) - 1
        highs, lows = np.maximum.reduceat(series, starts), np.minimum.reduceat(series, starts)
        sums = np.add.reduceat(series, starts)
        made = []
        for k, (begin, end) in enumerate(intervals):
            volume = count = -1
            if kind == "TRADES":
                volume = self._volume(one, end, indexes[k]) - self._volume(one, begin, indexes[k])
                count = min(volume, (end - begin) // SECOND_NS)
            made.append(
                Bar(
                    begin,
                    int(series[starts[k]]),
                    int(highs[k]),
                    int(lows[k]),
                    int(series[ends[k]]),
                    volume,
                    round(sums[k] / (ends[k] - starts[k] + 1)) if kind == "TRADES" else -1,
                    count,
                )
            )
        return made

    def trades(self, con_id: int, start_ns: int, end_ns: int) -> list[Trade]:
        """Return the trades in ``[start_ns, end_ns)``: at most one a second."""
        one = self._instrument(con_id)
        if end_ns <= start_ns or not self._day_volume(one):
            return []
        path = self._path(one)
        index = path.index_at(start_ns)
        window = trading_day(one.contract.security_type, path.date(index)).whole
        first = max(start_ns, window[0]) // SECOND_NS
        last = min(end_ns, window[1]) // SECOND_NS
        if last <= first:
            return []
        edges = np.arange(first, last + 1, dtype=np.int64) * SECOND_NS
        counts = np.diff(self._volumes(one, edges, index))
        traded = np.flatnonzero(counts)
        if not len(traded):
            return []
        at = edges[traded]
        prices = sides(one, self._middles(one, [at], [index]), at)[0]
        names = one.listing.exchanges[1:] or one.listing.exchanges  # without SMART
        return [
            Trade(int(when), int(paid), int(size), names[int(when // SECOND_NS) % len(names)])
            for when, paid, size in zip(at, prices, counts[traded], strict=True)
        ]

    # --- inside --------------------------------------------------------------------------------------------

    def _instrument(self, con_id: int) -> Instrument:
        found = self._registry.instrument(con_id)
        if found is None:
            raise DataError(f"contract {con_id}: not listed in the {self.name}")
        return found

    def _path(self, one: Instrument) -> PricePath:
        product = one.product
        if product.driver not in self._paths:
            self._paths[product.driver] = PricePath(self._seed, product.driver, product.volatility)
        return self._paths[product.driver]

    def _spot_yesterday(self, one: Instrument) -> float:
        path = self._path(one)
        return one.product.level * path.close(path.index_of(self._date) - 1)

    def _carry(self, one: Instrument, at_ns: Ints | int) -> Floats | float:
        """Return a future's price over that of its index."""
        if one.contract.security_type != "FUT":
            return 1.0
        years = np.maximum(0.0, (one.contract.expiry_ns - at_ns) / YEAR_NS)
        return np.exp((self._rate - one.product.dividend_yield) * years)

    def _spot(self, one: Instrument, at_ns: int) -> float:
        return float(one.product.level * self._path(one).price(at_ns) * self._carry(one, at_ns))

    def _vol_factor(self, under: Instrument, at_ns: int, index: int) -> float:
        path = self._path(under)
        moved = path.price(at_ns) / path.close(max(index - 1, 0))
        return float(path.level(index) * moved**-_LEVERAGE)

    def _fair(self, options: Sequence[Instrument], at_ns: int) -> list[tuple[float, float]]:
        """Return model value and volatility of each option; NaN for what is none."""
        if not options:
            return []
        count = len(options)
        spot, strike, years, dividend, volatility = np.full((5, count), np.nan)
        kind = np.zeros(count, dtype=np.int8)
        american = np.zeros(count, dtype=bool)
        places: dict[int, list[int]] = {}
        for i, one in enumerate(options):
            if one.under is not None:
                places.setdefault(one.under.contract.con_id, []).append(i)
                strike[i] = one.contract.strike / PRICE_SCALE
                years[i] = max(0.0, (one.contract.expiry_ns - at_ns) / YEAR_NS)
                kind[i] = one.contract.kind
                american[i] = one.listing.american
                dividend[i] = one.listing.dividend_yield
        for con_id, members in places.items():
            under = self._instrument(con_id)
            now = self._spot(under, at_ns)
            spot[members] = now
            factor = self._vol_factor(under, at_ns, self._path(under).index_at(at_ns))
            forward = now * np.exp((self._rate - dividend[members]) * years[members])
            volatility[members] = _smile(under).implied(
                np.log(strike[members] / forward), years[members], factor
            )
        value = self._values(kind, spot, strike, years, volatility, dividend, american)
        return list(zip(value.tolist(), volatility.tolist(), strict=True))

    def _values(
        self, kind: NDArray[np.int8], spot: Floats, strike: Floats, years: Floats, volatility: Floats,
        dividend: Floats, american: NDArray[np.bool_],
    ) -> Floats:  # fmt: skip
        value = np.full(len(kind), np.nan)
        ended = years <= 0.0
        value[ended] = np.maximum(0.0, kind[ended] * (spot[ended] - strike[ended]))
        for chosen, pricer in (
            (american & ~ended & (kind != 0), american_price),
            (~american & ~ended & (kind != 0), price),
        ):
            if chosen.any():
                value[chosen] = pricer(
                    kind[chosen], spot[chosen], strike[chosen], years[chosen], self._rate, volatility[chosen],
                    dividend[chosen],
                )  # fmt: skip
        return value

    def _middles(self, one: Instrument, times: Sequence[Ints], indexes: Sequence[int]) -> Floats:
        """Return middle prices (currency) at all times; ``times[k]`` lie in session ``indexes[k]``."""
        path, under = self._path(one), one.under or one
        at = np.concatenate(times)
        ends = np.cumsum([len(part) for part in times])
        relative = np.empty(len(at))
        done = 0
        for index, members in groupby(range(len(indexes)), indexes.__getitem__):
            *_, last = members
            relative[done : ends[last]] = path.prices(at[done : ends[last]], index)
            done = ends[last]
        spot = one.product.level * relative * self._carry(under, at)
        if one.under is None:
            return spot
        lengths = [len(part) for part in times]
        level = np.repeat([path.level(i) / path.close(max(i - 1, 0)) ** -_LEVERAGE for i in indexes], lengths)
        factor = level * relative**-_LEVERAGE
        years = np.maximum(0.0, (one.contract.expiry_ns - at) / YEAR_NS)
        size = len(at)
        strike = np.full(size, one.contract.strike / PRICE_SCALE)
        dividend = np.full(size, one.listing.dividend_yield)
        forward = spot * np.exp((self._rate - dividend) * years)
        volatility = _smile(under).implied(np.log(strike / forward), years, factor)
        kind = np.full(size, one.contract.kind, dtype=np.int8)
        return self._values(
            kind, spot, strike, years, volatility, dividend, np.full(size, one.listing.american)
        )

    def _day_bar(self, one: Instrument, begins: int, until: int) -> Bar:
        if one.under is None:
            return self.bars(one.contract.con_id, "TRADES", [(begins, until)])[0]
        at = np.append(np.arange(begins, until - 1, _COARSE_NS), until - SECOND_NS)
        index = self._path(one).index_at(begins)
        shown = sides(one, self._middles(one, [at], [index]), at)[0]
        return Bar(begins, int(shown[0]), int(shown.max()), int(shown.min()), int(shown[-1]))

    def _day_volume(self, one: Instrument) -> float:
        if one.under is None:
            return one.product.daily_volume
        return 2_000.0 * (0.05 + LIQUIDITY["monthly"] - LIQUIDITY[one.product.options])

    def _volumes(self, one: Instrument, at_ns: Ints, index: int) -> Ints:
        traded = self._path(one).volumes(at_ns, index)
        return np.floor(self._day_volume(one) * traded).astype(np.int64)

    def _volume(self, one: Instrument, at_ns: int, index: int) -> int:
        return int(self._volumes(one, np.array([at_ns], dtype=np.int64), index)[0])


def _first_ns(date: dt.date) -> int:
    earlier = max(date - dt.timedelta(days=731), FIRST_SIMULATED)
    while not is_session(earlier):
        earlier += dt.timedelta(days=1)
    return session_bounds(earlier)[0]


def _smile(under: Instrument) -> Smile:
    broad = under.contract.security_type in ("IND", "FUT") or under.product.is_fund
    return Smile(under.product.volatility, -0.70 if broad else -0.35, 1.15 if broad else 1.30)


def _samples(start_ns: int, end_ns: int) -> Ints:
    """Return the whole seconds in ``[start_ns, end_ns)`` at which an extreme may lie: ends and knots.

    Knots lie at whole multiples of five seconds, as every grid begins at a whole hour.
    """
    last = end_ns - SECOND_NS
    knots = np.arange(start_ns - start_ns % KNOT_NS + KNOT_NS, last + 1, KNOT_NS, dtype=np.int64)
    return np.concatenate(([start_ns], knots, [last]))


def _in_parts(intervals: Sequence[tuple[int, int]]) -> Iterator[Sequence[tuple[int, int]]]:
    """Cut a list of intervals so that no part has many more than ``_SAMPLES_AT_ONCE`` samples."""
    first, samples = 0, 0
    for k, (begin, end) in enumerate(intervals):
        samples += (end - begin) // KNOT_NS + 2
        if samples >= _SAMPLES_AT_ONCE or k == len(intervals) - 1:
            yield intervals[first : k + 1]
            first, samples = k + 1, 0


def _bid_ask_bars(intervals: Sequence[tuple[int, int]], starts: Ints, bid: Ints, ask: Ints) -> list[Bar]:
    """Return bars of average bid, highest ask, lowest bid, average ask, as the broker defines them."""
    counts = np.diff(np.append(starts, len(bid)))
    bids, asks = np.add.reduceat(bid, starts) // counts, np.add.reduceat(ask, starts) // counts
    highs, lows = np.maximum.reduceat(ask, starts), np.minimum.reduceat(bid, starts)
    return [
        Bar(begin, int(bids[k]), int(highs[k]), int(lows[k]), int(asks[k]))
        for k, (begin, _) in enumerate(intervals)
    ]
