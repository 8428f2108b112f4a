"""What the tape displays now."""

from __future__ import annotations

from optionsib.common.errors import DataError
from optionsib.common.ports import TapeQuote, TapeStep


class QuoteBoard:
    """The latest quote of every contract, as displayed; what fills have taken is in the books."""

    def __init__(self, con_ids: frozenset[int]) -> None:
        self._con_ids = con_ids
        self._quotes: dict[int, TapeQuote] = {}

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
        self._quotes.update(quotes)
        return [quotes[con_id] for con_id in sorted(quotes)]

    def quote(self, con_id: int) -> TapeQuote | None:
        """Return the displayed quote, or None before the first one."""
        return self._quotes.get(con_id)

    def doubled_mark(self, con_id: int) -> int | None:
        """Return twice the middle price (1/20000 units keep it whole); one side alone counts twice."""
        quote = self._quotes.get(con_id)
        if quote is None:
            return None
        bid = quote.bid if quote.bid is not None else quote.ask
        ask = quote.ask if quote.ask is not None else quote.bid
        return None if bid is None or ask is None else bid + ask
