"""What an order costs: the dated fee table applied to one trading date."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal

from optionsib.common.config import FeeRow, FeesConfig
from optionsib.common.types import MONEY_SCALE


class FeeTable:
    """The fee rows in force on ``trading_date``: per name the latest one that has begun."""

    def __init__(self, fees: FeesConfig, trading_date: dt.date) -> None:
        in_force: dict[str, FeeRow] = {}
        for row in sorted(fees.rows, key=lambda row: row.valid_from):
            if row.valid_from <= trading_date:
                in_force[row.name] = row
        self._rows = tuple(
            (_to_money(row.per_contract), _to_money(row.minimum_per_order)) for row in in_force.values()
        )

    def total(self, contracts: int) -> int:
        """Return what an order with ``contracts`` filled contracts has cost so far (money)."""
        if contracts == 0:
            return 0
        return sum(max(each * contracts, minimum) for each, minimum in self._rows)


def share_out(amount: int, weights: list[int]) -> list[int]:
    """Split ``amount`` in proportion to ``weights``, exactly; the first one takes the remainder."""
    total = sum(weights)
    shares = [amount * weight // total for weight in weights]
    shares[0] += amount - sum(shares)
    return shares


def _to_money(value: Decimal) -> int:
    return int((value * MONEY_SCALE).to_integral_value(ROUND_HALF_UP))
