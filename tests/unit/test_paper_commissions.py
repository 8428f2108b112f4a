"""What orders of each kind cost, whole and in parts."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionsib.brokers.paper.commissions import Commissions
from optionsib.brokers.paper.contracts import ComboLeg
from optionsib.brokers.paper.order_ticket import OrderTicket
from optionsib.brokers.paper.orders import ClientOrder
from optionsib.common.config import FeeRow, FeesConfig
from optionsib.common.fees import FeeTable
from optionsib.common.ports import ContractQuery
from optionsib.common.types import MONEY_SCALE, Contract

ROW = FeeRow(
    name="commission",
    per_contract=Decimal("0.65"),
    minimum_per_order=Decimal("1.00"),
    valid_from=dt.date(2014, 1, 1),
    source="test",
    verified=False,
)
COMMISSIONS = Commissions(FeeTable(FeesConfig(rows=(ROW,)), dt.date(2014, 6, 6)))
CALL, PUT = Contract(1, "TWX", "OPT", multiplier=100), Contract(2, "TWX", "OPT", multiplier=100)
SHARE, EURO = Contract(3, "TWX", "STK"), Contract(4, "EUR", "CASH")
ES, MES = Contract(5, "ES", "FUT", multiplier=50), Contract(6, "MES", "FUT", multiplier=5)
ON_ES = Contract(7, "ES", "FOP", multiplier=50)


def order(*contracts: Contract, quantity: int = 1_000_000) -> ClientOrder:
    legs = tuple(ComboLeg(one.con_id, 1, "BUY", "SMART") for one in contracts) if len(contracts) > 1 else ()
    return ClientOrder(
        client_id=1,
        order_id=1,
        perm_id=1,
        account="DU1",
        ticket=OrderTicket(1, ContractQuery(), {}),
        contracts=contracts,
        ratios=(1,) * len(contracts),
        combo_legs=legs,
        symbol=contracts[0].symbol,
        currency="USD",
        action="BUY",
        quantity=quantity,
    )


@pytest.mark.parametrize(
    ("contracts", "counts", "price", "expected"),
    [
        ((CALL,), [1], 0, 1.00),
        ((CALL,), [10], 0, 6.50),
        ((CALL, PUT), [1, 2], 0, 1.95),
        ((SHARE,), [10], 0, 1.00),
        ((SHARE,), [1_000], 0, 5.00),
        ((CALL, SHARE), [1, 100], 0, 2.00),  # the minimum of each
        ((ES,), [3], 0, 2.55),
        ((MES,), [3], 0, 0.75),
        ((ES, MES), [1, 10], 0, 3.35),
        ((ON_ES,), [2], 0, 1.70),
        ((EURO,), [20_000], 11_000, 2.00),
        ((EURO,), [1_000_000], 11_000, 22.00),
        ((CALL,), [0], 0, 0.00),
    ],
)
def test_rates(contracts: tuple[Contract, ...], counts: list[int], price: int, expected: float) -> None:
    cost = COMMISSIONS.total(order(*contracts), counts, price * counts[0])
    assert cost == round(expected * MONEY_SCALE)


@given(
    st.sampled_from([(CALL,), (SHARE,), (EURO,), (ES,), (CALL, PUT), (CALL, SHARE), (ES, ON_ES)]),
    st.lists(st.integers(1, 400), min_size=1, max_size=8),
)
def test_parts_cost_what_the_whole_costs(contracts: tuple[Contract, ...], parts: list[int]) -> None:
    one, price = order(*contracts), 12_345
    before, paid = [0] * len(contracts), 0
    for part in parts:
        value = one.filled_value
        one.filled_value += price * part
        shares = COMMISSIONS.shares(one, before, [part] * len(contracts), value)
        assert min(shares) >= 0
        paid += sum(shares)
        before = [count + part for count in before]
    assert paid == COMMISSIONS.total(one, before, one.filled_value)
