"""Which contracts to watch first when there are fewer market data lines than contracts."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from optionsib.common.events import Quote
from optionsib.common.types import YEAR_NS, Contract

SHORTEST_YEARS = 1 / 365


def nearest_first(
    options: Sequence[Contract], spot: float, now_ns: int, needed: Collection[int]
) -> list[Contract]:
    """Return ``options`` in the order of their claim to a line.

    First those in ``needed`` (held, or legs of working orders), then by distance from the money,
    ``|ln(strike / spot)| / sqrt(time to expiry)``; ties keep the chain's order.

    Parameters
    ----------
    spot
        Price of the underlying, 1/10000.
    """

    def claim(contract: Contract) -> tuple[bool, float]:
        years = max((contract.expiry_ns - now_ns) / YEAR_NS, SHORTEST_YEARS)
        return contract.con_id not in needed, abs(math.log(contract.strike / spot)) / math.sqrt(years)

    return sorted(options, key=claim)


def merge_quotes(earlier: Sequence[Quote], later: Sequence[Quote]) -> list[Quote]:
    """Return the latest quote of each contract, by rising ``con_id``."""
    latest = {quote.con_id: quote for quote in (*earlier, *later)}
    return [latest[con_id] for con_id in sorted(latest)]
