"""Random streams of orders, quotes, cancels and corrections through the whole order desk.

1. No order fills more than it may: not beyond its quantity, its parent's share, its OCA group.
2. Positions are the sum of the legs' executions, in their newest versions; legs that fill apart never
   exceed their share of the order.
3. Cash is what it was, less what the executions paid and cost.
4. What is not live is not at work, and everything that is live can be cancelled.
5. Equal input gives equal executions.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.contracts import ComboLeg, ContractDirectory
from optionsib.brokers.paper.desk_rules import DeskRules
from optionsib.brokers.paper.order_desk import OrderDesk
from optionsib.brokers.paper.order_ticket import OrderTicket
from optionsib.brokers.paper.orders import ClientOrder
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.brokers.paper.session import Session
from optionsib.common.config import FeesConfig
from optionsib.common.fees import FeeTable
from optionsib.common.ports import ContractQuery, TapeQuote, TapeStep
from optionsib.common.types import MINUTE_NS, MONEY_SCALE, SECOND_NS, Contract, price_to_money

OPEN_NS = 1_402_061_400 * SECOND_NS
CASH = 1_000_000 * MONEY_SCALE


class Chain:
    """A share and three options."""

    name, simulated, sha256 = "test", True, ""
    session_open_ns, session_close_ns = OPEN_NS, OPEN_NS + 390 * MINUTE_NS
    underlying = Contract(1, "TWX", "STK")
    contracts = tuple(
        Contract(
            con_id, "TWX", "OPT", multiplier=100, right=right, strike=strike * 10_000, expiry_ns=2 * OPEN_NS
        )  # type: ignore[arg-type]
        for con_id, strike, right in ((11, 60, "C"), (12, 60, "P"), (13, 70, "C"))
    )

    def steps(self) -> Iterator[TapeStep]:
        return iter(())


class Client:
    """A session that remembers messages instead of sending them."""

    client_id, version = 1, 178

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.messages: list[list[Any]] = []

    def send(self, fields: list[Any]) -> None:
        self.messages.append(list(fields))

    def error(self, request_id: int, code: int, text: str) -> None:
        self.codes.append(code)


LEGS = (((11, 1),), ((12, 1),), ((13, 1),), ((11, 1), (13, -1)), ((12, 2), (13, -1)), ((11, -1), (12, -3)))
KINDS = ("LMT", "LMT", "LMT", "MKT", "STP", "STP LMT", "TRAIL", "TRAIL LIMIT")


def make_script(
    seed: int, *, length: int = 60, group: str | None = None, oca: int = 0, modifies: bool = True
) -> list[Any]:
    """Return a busy market: quotes around 0.20, orders around them, cancels, modifies, trades, corrections.

    With ``group`` every order is a member of it, with type ``oca``, and nothing is modified.
    """
    chance = random.Random(seed)

    def cents(low: int, high: int) -> int:
        return chance.randint(low, high) * 100

    def quote(con_id: int) -> TapeQuote:
        bid = cents(12, 28)
        return TapeQuote(con_id, bid, chance.randint(0, 9), bid + cents(1, 4), chance.randint(0, 9))

    def order() -> dict[str, Any]:
        return {
            "legs": chance.choice(LEGS),
            "action": chance.choice(("BUY", "SELL")),
            "quantity": chance.randint(1, 9),
            "kind": chance.choice(KINDS),
            "price": cents(10, 32),
            "stop": cents(10, 32),
            "tif": chance.choice(("DAY", "DAY", "DAY", "GTC", "IOC", "FOK")),
            "group": chance.choice(("", "", "a", "b")) if group is None else group,
            "oca": oca or chance.choice((1, 2, 3)),
            "parent": chance.choice((0, 0, 0, 1, 1, 2)) if group is None else 0,
            "transmit": chance.choice("1110"),
            "apart": chance.random() < 0.4,
        }

    script: list[Any] = [quote(con_id) for con_id in (11, 12, 13)]
    while len(script) < length:
        what = chance.choice(("quote",) * 5 + ("order",) * 4 + (("cancel", "modify", "trade", "correct")))
        if what == "quote":
            script.append(quote(chance.choice((11, 12, 13))))
        elif what == "order":
            script.append(order())
        elif what == "cancel":
            script.append(("cancel", chance.randint(1, 20)))
        elif what == "modify" and group is None and modifies:
            script.append(("modify", chance.randint(1, 20), cents(10, 32), chance.randint(1, 12)))
        elif what == "trade":
            script.append(("trade", chance.choice((11, 12, 13)), cents(10, 32), chance.randint(1, 9)))
        elif what == "correct" and group is None:
            script.append(("correct", chance.randint(0, 30), cents(10, 32)))
    return script


class Run:
    """Plays a script and checks the books after every action."""

    def __init__(self, script: list[Any], *, queue: bool) -> None:
        directory = ContractDirectory(Chain())
        self.board = QuoteBoard(directory.tape_ids)
        self.account = Account("DU1", CASH, directory, self.board)
        self.client = Client()
        session = cast(Session, self.client)
        self.desk = OrderDesk(
            directory,
            self.board,
            self.account,
            FeeTable(FeesConfig(), dt.date(2014, 6, 6)),
            lambda: [session],
            rules=DeskRules(queue=queue, working_orders_per_side=None, checks_funds=False),
        )
        self.now = OPEN_NS
        self.last_id = 0
        self.tickets: dict[int, OrderTicket] = {}
        self.modified = any(isinstance(step, tuple) and step[0] == "modify" for step in script)
        self.groups: dict[str, list[ClientOrder]] = {}  # since all of a group were done
        for step in script:
            self.now += MINUTE_NS
            self.act(step, session)
            self.check()
        self.desk.cancel_all(self.now)
        assert self.desk.working() == []
        assert self.desk.show(self.board.apply(TapeStep(self.now, ())), self.now) is False

    def act(self, step: Any, session: Session) -> None:
        if isinstance(step, TapeQuote):
            self.desk.show(self.board.apply(TapeStep(self.now, (step,))), self.now)
        elif isinstance(step, dict):
            self.last_id += 1
            self.tickets[self.last_id] = self.ticket(step)
            known = len(self.desk.registry.all)
            over = {name for name, members in self.groups.items() if not any(one.is_live for one in members)}
            self.desk.place(session, self.tickets[self.last_id], self.now, is_open=True)
            for new in self.desk.registry.all[known:]:
                if new.oca_group in over:
                    self.groups[new.oca_group] = []
                self.groups.setdefault(new.oca_group, []).append(new)
        elif step[0] == "cancel":
            self.desk.cancel(session, step[1], self.now)
        elif step[0] == "trade":
            self.desk.show_trade(step[1], step[2], step[3], self.now)
        elif step[0] == "correct":
            records = [record for record in self.desk.log if record.con_id]
            if records:
                record = records[step[1] % len(records)]
                self.desk.interventions.correct_execution(record.execution_id, price=step[2] / 10_000)
        elif step[1] in self.tickets:
            old = self.tickets[step[1]]
            values = {**old.values, "totalQuantity": str(step[3]), "transmit": "1"}
            if values["lmtPrice"]:
                values["lmtPrice"] = str(step[2] / 10_000)
            self.desk.place(
                session,
                OrderTicket(step[1], old.query, values, old.legs, routing=old.routing),
                self.now,
                is_open=True,
            )

    def ticket(self, wanted: dict[str, Any]) -> OrderTicket:
        legs = wanted["legs"]
        kind = wanted["kind"]
        values = {
            "action": wanted["action"],
            "totalQuantity": str(wanted["quantity"]),
            "orderType": kind,
            "lmtPrice": str(wanted["price"] / 10_000) if "LMT" in kind else "",
            "auxPrice": str(wanted["stop"] / 10_000) if kind not in ("LMT", "MKT") else "",
            "lmtPriceOffset": "0.02" if kind == "TRAIL LIMIT" else "",
            "tif": wanted["tif"],
            "ocaGroup": wanted["group"],
            "ocaType": str(wanted["oca"]),
            "parentId": str(max(0, self.last_id - wanted["parent"])) if wanted["parent"] > 0 else "",
            "transmit": wanted["transmit"],
            "triggerMethod": "4",
        }
        if len(legs) == 1:
            return OrderTicket(self.last_id, ContractQuery(con_id=legs[0][0]), values)
        combo = tuple(ComboLeg(con, abs(ratio), "BUY" if ratio > 0 else "SELL", "") for con, ratio in legs)
        routing: tuple[tuple[str, str], ...] = ()
        if wanted["apart"] and not wanted["group"] and not values["parentId"] and wanted["tif"] != "FOK":
            routing = (("NonGuaranteed", "1"),)
        query = ContractQuery(symbol="TWX", security_type="BAG")
        return OrderTicket(self.last_id, query, values, combo, routing=routing)

    def check(self) -> None:
        positions: Counter[int] = Counter()
        cash = CASH
        filled: Counter[int] = Counter()
        legs_filled: Counter[tuple[int, int]] = Counter()
        for record in self.desk.log:
            if record.con_id:
                positions[record.con_id] += record.side * record.quantity
                cash -= record.side * price_to_money(record.price, 100, record.quantity) + record.commission
                legs_filled[record.perm_id, record.con_id] += record.side * record.quantity
            else:
                filled[record.perm_id] += record.quantity
        assert {con_id: held.quantity for con_id, held in self.account.positions()} == dict(positions)
        assert self.account.cash == cash
        working = {order.perm_id for order in self.desk.working()}
        for order in self.desk.registry.all:
            assert 0 <= order.filled <= order.quantity
            assert order.quantity <= order.base or order.base == 0
            units = []
            for con_id, ratio in order.leg_sides():
                done, rest = divmod(legs_filled[order.perm_id, con_id] * (1 if ratio > 0 else -1), abs(ratio))
                assert order.filled <= done + (rest > 0) <= max(order.quantity, order.filled)
                assert rest == 0 or order.fills_legs_apart
                units.append(done)
            assert min(units) == order.filled
            if order.is_combo:
                assert filled[order.perm_id] == (0 if order.fills_legs_apart else order.filled)
            if order.is_live and order.is_transmitted:
                assert order.perm_id in working
            else:
                assert order.perm_id not in working
            if order.parent is not None and order.parent.base and not self.modified:
                parent = Fraction(order.parent.filled, order.parent.base)
                assert order.filled <= order.base * parent
        for name, members in self.groups.items():
            if name and {one.oca_type for one in members} <= {2, 3} and not self.modified:
                assert sum(Fraction(one.filled, one.base) for one in members if one.base) <= 1
            elif name and {one.oca_type for one in members} == {1}:
                assert sum(one.filled > 0 for one in members) <= 1


seeds = st.integers(0, 2**32)


@settings(max_examples=60, deadline=None)
@given(seeds, st.booleans(), st.booleans())
def test_the_books_balance_after_every_action(seed: int, queue: bool, modifies: bool) -> None:
    Run(make_script(seed, modifies=modifies), queue=queue)


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_equal_input_gives_equal_executions(seed: int) -> None:
    first, second = Run(make_script(seed), queue=False), Run(make_script(seed), queue=False)
    assert list(first.desk.log) == list(second.desk.log)
    assert first.client.messages == second.client.messages


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from([1, 2, 3]))
def test_a_group_never_fills_more_than_one_of_its_members(seed: int, kind: int) -> None:
    """Fractions of the members' own quantities add up to at most 1; with type 1 only one fills at all."""
    run = Run(make_script(seed, group="a", oca=kind), queue=False)
    assert len(run.groups["a"]) > 0


def test_the_streams_are_busy() -> None:
    run = Run([step for seed in range(14) for step in make_script(seed)], queue=True)
    filled = [one for one in run.desk.registry.all if one.filled]
    assert len(run.desk.log) > 60
    assert {one.order_type for one in filled} == set(KINDS)
    assert any(one.is_combo for one in filled)
    assert any(one.fills_legs_apart and one.begun > one.filled for one in run.desk.registry.all)
    assert any(one.fills_legs_apart and one.status == "Filled" for one in filled)
    assert any(one.parent is not None for one in filled)
    assert {202, 103, 104, 10148, 135} <= set(run.client.codes)
