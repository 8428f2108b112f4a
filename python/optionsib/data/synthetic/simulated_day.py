"""A simulated day of an option chain: seeded, and labelled simulated wherever its name is shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np

from optionsib.common.errors import DataError
from optionsib.common.ports import TapeQuote, TapeStep
from optionsib.common.types import MINUTE_NS, OPTION_GRID, Contract
from optionsib.data.calendars import session_bounds
from optionsib.data.contracts import option_contracts, underlying_contract
from optionsib.data.memory_tape import digest_steps
from optionsib.data.synthetic.market import build_market, draw_spot, draw_start, list_contracts
from optionsib.data.synthetic.parameters import DayParameters
from optionsib.data.synthetic.quoting import QuoteArrays, quote_options, quote_share

DEFAULT_SYMBOL = "SIMX"
DEFAULT_DATE = dt.date(2014, 6, 6)
_GENERATOR_VERSION = 1  # raise when equal parameters give another day than before


class SimulatedTape:
    """A day that no market ever quoted; implements ``QuoteTape``.

    About 180 American-style options over six expiries, priced by our own core from a moving smile
    and quoted like the recorded TWX day of 2014-06-05. Equal arguments give equal days; each part
    (listing, share, smiles, prices, sizes) draws from its own generator.

    Parameters
    ----------
    seed
        Any whole number of 0 or more.
    symbol
        Name of the made-up share.
    date
        A trading day in New York; it decides expiries and session bounds, not the path.
    parameters
        See ``parameters``.

    Raises
    ------
    DataError
        If ``seed`` is negative or ``date`` is no trading day.

    Examples
    --------
    >>> tape = SimulatedTape(seed=7)
    >>> tape.name, len(tape.contracts), len(list(tape.steps()))
    ('SIMX 2014-06-06 simulated (seed 7)', 180, 390)
    """

    def __init__(
        self,
        seed: int,
        symbol: str = DEFAULT_SYMBOL,
        date: dt.date = DEFAULT_DATE,
        *,
        parameters: DayParameters | None = None,
    ) -> None:
        if seed < 0:
            raise DataError(f"seed {seed}: expected 0 or more")
        self.name = f"{symbol} {date.isoformat()} simulated (seed {seed})"
        self.simulated = True
        self.date = date
        self.session_open_ns, self.session_close_ns = session_bounds(date)
        self.underlying = underlying_contract(symbol)
        parameters = parameters or DayParameters()
        children = np.random.SeedSequence(seed).spawn(5)
        start_rng, spot_rng, smile_rng, price_rng, size_rng = (
            np.random.Generator(np.random.PCG64(child)) for child in children
        )
        start = draw_start(start_rng, parameters)
        self.contracts = option_contracts(symbol, list_contracts(date, start, parameters))
        minutes = (self.session_close_ns - self.session_open_ns) // MINUTE_NS
        spot = draw_spot(spot_rng, start, minutes, parameters)
        market = build_market(smile_rng, self.contracts, spot, self.session_open_ns, parameters)
        share = quote_share(spot_rng, spot, parameters)
        options = quote_options(price_rng, size_rng, market, OPTION_GRID, parameters.quotes)
        self._steps = _to_steps(self.session_open_ns, [self.underlying, *self.contracts], share, options)
        self.sha256 = digest_steps(_GENERATOR_VERSION, self.name, parameters, self.contracts, self._steps)

    def steps(self) -> Iterator[TapeStep]:
        """Yield one step a minute from a minute after the opening to the close."""
        return iter(self._steps)


def _to_steps(
    open_ns: int, contracts: list[Contract], share: QuoteArrays, options: QuoteArrays
) -> tuple[TapeStep, ...]:
    """Name in each minute the contracts whose quote differs from the minute before."""
    bid, ask, bid_size, ask_size = (
        np.hstack([getattr(share, field), getattr(options, field)])
        for field in ("bid", "ask", "bid_size", "ask_size")
    )
    changed = np.ones(bid.shape, dtype=bool)
    changed[1:] = False
    for values in (bid, ask, bid_size, ask_size):
        changed[1:] |= values[1:] != values[:-1]
    steps = []
    for k in range(len(bid)):
        quotes = tuple(
            TapeQuote(
                contracts[i].con_id,
                int(bid[k, i]) or None,
                int(bid_size[k, i]),
                int(ask[k, i]) or None,
                int(ask_size[k, i]),
            )
            for i in np.flatnonzero(changed[k])
        )
        steps.append(TapeStep(open_ns + (k + 1) * MINUTE_NS, quotes))
    return tuple(steps)
