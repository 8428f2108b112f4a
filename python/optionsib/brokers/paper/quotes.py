"""What is displayed now: the tape's quotes as they came, any other contract's when it is asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from optionsib.common.errors import DataError
from optionsib.common.ports import DayFacts, SimulatedMarket, TapeQuote, TapeStep, Trade


class QuoteBoard:
    """The latest quote of every contract, as displayed; what fills have taken is in the books.

    The tape's quotes are remembered with their times, for bars and delayed data. Quotes of the
    simulated market are made at :attr:`now_ns`, and only for contracts that somebody asks for.
    """

    def __init__(self, con_ids: frozenset[int], market: SimulatedMarket | None = None) -> None:
        self.now_ns = 0
        self._con_ids = con_ids
        self._market = market
        self._quotes: dict[int, TapeQuote] = {}
        self._record: dict[int, tuple[list[int], list[TapeQuote]]] = {}
        self._made: dict[int, tuple[int, TapeQuote]] = {}  # simulated: when, and the quote

    def apply(self, step: TapeStep) -> list[TapeQuote]:
        """Show the quotes of ``step`` and return them by rising contract id.

        Raises
        ------
        DataError
            If a quote names a contract that the tape does not list, names one twice, or has a
            negative size; nothing is shown then.
        """
        quotes = {quote.con_id: quote for quote in step.quotes}
        if len(quotes) < len(step.quotes):
            raise DataError(f"tape step at {step.at_ns} ns quotes a contract twice")
        for quote in step.quotes:
            if quote.con_id not in self._con_ids:
                raise DataError(f"tape step at {step.at_ns} ns quotes contract {quote.con_id}, not listed")
            if quote.bid_size < 0 or quote.ask_size < 0:
                raise DataError(f"tape step at {step.at_ns} ns: contract {quote.con_id} has a negative size")
        self.now_ns = step.at_ns
        self._quotes.update(quotes)
        for con_id, quote in quotes.items():
            times, shown = self._record.setdefault(con_id, ([], []))
            times.append(step.at_ns)
            shown.append(quote)
        return [quotes[con_id] for con_id in sorted(quotes)]

    def refresh(self, con_ids: Iterable[int], at_ns: int) -> list[TapeQuote]:
        """Move the time on; return the simulated ones of ``con_ids`` that changed, by rising id."""
        self.now_ns = at_ns
        wanted = sorted({con_id for con_id in con_ids if con_id not in self._con_ids})
        if not wanted or self._market is None:
            self._made.clear()
            return []
        before = self._made
        quotes = self._market.quotes(wanted, at_ns)
        self._made = {quote.con_id: (at_ns, quote) for quote in quotes}
        return [quote for quote in quotes if before.get(quote.con_id, (0, None))[1] != quote]

    def quote(self, con_id: int) -> TapeQuote | None:
        """Return the displayed quote, or None before the first one."""
        if con_id in self._con_ids or self._market is None:
            return self._quotes.get(con_id)
        when, quote = self._made.get(con_id, (-1, None))
        if when != self.now_ns:
            if self._market.listing(con_id) is None:
                return None
            (quote,) = self._market.quotes([con_id], self.now_ns)
            self._made[con_id] = (self.now_ns, quote)
        return quote

    def day_facts(self, con_id: int) -> DayFacts | None:
        """Return what the day has shown so far; None for the tape's contracts, which have no trades."""
        if con_id in self._con_ids or self._market is None or self._market.listing(con_id) is None:
            return None
        return self._market.facts(con_id, self.now_ns)

    def trades(self, con_id: int, start_ns: int, end_ns: int) -> Sequence[Trade]:
        """Return the trades in ``[start_ns, end_ns)``; none for the tape's contracts."""
        if con_id in self._con_ids or self._market is None:
            return ()
        return self._market.trades(con_id, start_ns, end_ns)

    def quote_at(self, con_id: int, at_ns: int) -> TapeQuote | None:
        """Return the quote that was displayed at ``at_ns``; None where there was none yet."""
        if con_id in self._con_ids:
            times, shown = self._record.get(con_id, ([], []))
            place = bisect_right(times, at_ns)
            return shown[place - 1] if place else None
        if self._market is None or self._market.listing(con_id) is None:
            return None
        (quote,) = self._market.quotes([con_id], at_ns)
        return quote

    def recorded(self, con_id: int, start_ns: int, end_ns: int) -> list[tuple[int, TapeQuote]]:
        """Return the tape's quotes in ``(start_ns, end_ns)`` with their times."""
        times, shown = self._record.get(con_id, ([], []))
        first, last = bisect_right(times, start_ns), bisect_right(times, end_ns - 1)
        return list(zip(times[first:last], shown[first:last], strict=True))

    def doubled_mark(self, con_id: int) -> int | None:
        """Return twice the middle price (1/20000 units keep it whole); one side alone counts twice."""
        quote = self.quote(con_id)
        if quote is None:
            return None
        bid = quote.bid if quote.bid is not None else quote.ask
        ask = quote.ask if quote.ask is not None else quote.bid
        return None if bid is None or ask is None else bid + ask
