"""What orders cost: the broker's commissions by kind of contract.

Options cost what the dated fee table says. The rest are Interactive Brokers' published rates: US shares,
fixed pricing; US futures and options on them, lowest volume tier; spot currencies, lowest tier. Of the rest,
fees of exchanges, clearing and regulators are left out.
"""

from __future__ import annotations

from optionsib.brokers.paper.orders import ClientOrder
from optionsib.common.fees import FeeTable, share_out
from optionsib.common.types import MONEY_SCALE, PRICE_SCALE, Contract

_SHARE, _SHARE_MINIMUM = MONEY_SCALE // 200, MONEY_SCALE  # 0.005 each, 1.00 an order
_FUTURE, _MICRO_FUTURE = 85 * MONEY_SCALE // 100, 25 * MONEY_SCALE // 100  # each
_MICRO = frozenset({"MES", "MNQ", "M2K", "MYM"})
_CURRENCY_PART, _CURRENCY_MINIMUM = 50_000, 2 * MONEY_SCALE  # 0.2 basis points of the value, 2.00 an order


class Commissions:
    """Prices orders by what they have filled.

    Parameters
    ----------
    fees
        The fee table of options.
    """

    def __init__(self, fees: FeeTable) -> None:
        self._fees = fees

    def total(self, order: ClientOrder, counts: list[int], value: int) -> int:
        """Return what an order costs (money) that has filled so much.

        Parameters
        ----------
        counts
            Contracts filled of each leg.
        value
            What an order for one contract has filled, price (1/10000) times contracts.
        """
        return sum(self._by_kind(order, counts, value).values())

    def shares(self, order: ClientOrder, before: list[int], counts: list[int], value: int) -> list[int]:
        """Return what a fill costs, leg by leg.

        Parameters
        ----------
        before
            Contracts of each leg that the order had filled until then.
        counts
            Contracts of each leg in this fill.
        value
            What the order had filled before and has filled now, see :meth:`total`; ``order`` knows the
            latter.
        """
        then = self._by_kind(order, before, value)
        now = self._by_kind(
            order, [old + new for old, new in zip(before, counts, strict=True)], order.filled_value
        )
        shares = [0] * len(counts)
        for kind, cost in now.items():
            legs = [i for i, one in enumerate(order.contracts) if counts[i] and _kind(one) == kind]
            if legs:
                parts = share_out(cost - then[kind], [counts[leg] for leg in legs])
                for leg, part in zip(legs, parts, strict=True):
                    shares[leg] = part
        return shares

    def _by_kind(self, order: ClientOrder, counts: list[int], value: int) -> dict[str, int]:
        contracts: dict[str, int] = {}
        for contract, count in zip(order.contracts, counts, strict=True):
            contracts[_kind(contract)] = contracts.get(_kind(contract), 0) + count
        return {kind: self._cost(kind, count, value) for kind, count in contracts.items()}

    def _cost(self, kind: str, count: int, value: int) -> int:
        if not count:
            return 0
        match kind:
            case "OPT":
                return self._fees.total(count)
            case "STK":
                return max(_SHARE_MINIMUM, count * _SHARE)
            case "CASH":
                return max(_CURRENCY_MINIMUM, abs(value) * (MONEY_SCALE // PRICE_SCALE) // _CURRENCY_PART)
            case "MICRO":
                return count * _MICRO_FUTURE
            case _:
                return count * _FUTURE


def _kind(contract: Contract) -> str:
    """Return what decides the rate: the security type, micro futures for themselves."""
    kind = contract.security_type
    return "MICRO" if kind == "FUT" and contract.symbol in _MICRO else kind
