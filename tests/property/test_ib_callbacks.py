"""Callbacks may come in any order and any number; state, executions and commissions end the same."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionsib.brokers.ib.inbox import Inbox
from optionsib.brokers.ib.library import Contract as IBContract
from optionsib.brokers.ib.library import Execution as IBExecution
from optionsib.brokers.ib.library import Order as IBOrder
from optionsib.brokers.ib.library import OrderState
from optionsib.brokers.ib.order_kinds import Terms, Ticket
from optionsib.brokers.ib.orders import OrderTracker
from optionsib.common.clock import SteppedClock
from optionsib.common.events import BrokerEvent, BrokerNotice, CommissionReport, Execution, OrderUpdate

CLIENT, ORDER_ID, PERM_ID = 1, 5, 77
OPTION = IBContract(conId=100, symbol="TST", secType="OPT", exchange="SMART")
BAG = IBContract(conId=28812380, symbol="TST", secType="BAG", exchange="SMART")
Callbacks = OrderTracker | Inbox
Message = Callable[[Callbacks], None]


def open_order(
    contract: IBContract, quantity: int, status: str = "Submitted", perm_id: int = PERM_ID
) -> Message:
    order = IBOrder(
        orderId=ORDER_ID,
        clientId=CLIENT,
        permId=perm_id,
        action="BUY",
        totalQuantity=quantity,
        lmtPrice=1.25,
        orderRef="O1",
        account="DU1",
        tif="DAY",
    )
    return lambda to: to.on_open_order(contract, order, OrderState(status=status))


def status(text: str, perm_id: int = PERM_ID) -> Message:
    return lambda to: to.on_order_status(ORDER_ID, CLIENT, perm_id, text)


def execution(execution_id: str, contract: IBContract, shares: float, side: str = "BOT") -> Message:
    raw = IBExecution(
        execId=execution_id,
        acctNumber="DU1",
        side=side,
        shares=shares,
        price=1.2,
        permId=PERM_ID,
        clientId=CLIENT,
        orderId=ORDER_ID,
        orderRef="O1",
    )
    return lambda to: to.on_execution(contract, raw)


def commission(execution_id: str, amount: float | None) -> Message:
    def tell(to: Callbacks) -> None:
        tracker = to.orders if isinstance(to, Inbox) else to
        tracker.executions.on_commission(execution_id, amount, "USD")

    return tell


def own_order(contract: IBContract, quantity: int) -> tuple[OrderTracker, list[BrokerEvent]]:
    """A tracker that has just sent the order."""
    events: list[BrokerEvent] = []
    tracker = OrderTracker(events.append, lambda: 7, CLIENT)
    tracker.account = "DU1"
    tracker.placed(Ticket("O1", contract, "BUY", quantity, "DAY", "DU1"), ORDER_ID)
    return tracker, events


def fills(events: Iterable[BrokerEvent]) -> Counter[BrokerEvent]:
    return Counter(event for event in events if isinstance(event, Execution | CommissionReport))


def end_of(tracker: OrderTracker) -> tuple[object, ...]:
    order = tracker.get("O1")
    assert order is not None
    return (order.status, order.limit_price, order.executed, order.perm_ids, order.order_id, order.waits_for)


def assert_commissions_follow_their_executions(events: Sequence[BrokerEvent]) -> None:
    known: set[str] = set()
    for event in events:
        if isinstance(event, Execution):
            known.add(event.execution_id)
        elif isinstance(event, CommissionReport):
            assert event.execution_id in known


SINGLE = (
    open_order(OPTION, 1),
    status("Filled"),
    execution("0001.01.01", OPTION, 1),
    commission("0001.01.01", 0.65),
)


def sequences(messages: Sequence[Message]) -> set[tuple[int, ...]]:
    """Every order of the messages' numbers, each message once or twice."""
    numbers = range(len(messages))
    return set(itertools.permutations(numbers)) | set(itertools.permutations([*numbers, *numbers]))


def test_all_orders_of_the_four_callbacks_of_our_order_end_alike() -> None:
    expected_fills, expected_end = None, None
    for sequence in sorted(sequences(SINGLE)):
        tracker, events = own_order(OPTION, 1)
        for number in sequence:
            SINGLE[number](tracker)
        expected_fills = expected_fills or fills(events)
        expected_end = expected_end or end_of(tracker)
        assert fills(events) == expected_fills, sequence
        assert end_of(tracker) == expected_end, sequence
        assert_commissions_follow_their_executions(events)
        assert [e for e in events if isinstance(e, BrokerNotice)] == []
    assert expected_end == ("filled", 12_500, 1, [PERM_ID], ORDER_ID, set())
    assert expected_fills is not None
    assert sum(expected_fills.values()) == 2


def test_all_orders_of_the_four_callbacks_of_an_adopted_order_end_alike() -> None:
    """Through the gateway's inbox, for an order that an earlier session sent."""
    expected = None
    for sequence in sorted(sequences(SINGLE)):
        inbox = Inbox(
            SteppedClock(7),
            client_id=CLIENT,
            market_data_lines=1,
            stamps_late=False,
            on_lost=lambda message: None,
        )
        for number in sequence:
            SINGLE[number](inbox)
        events = inbox.take_events()
        expected = expected or fills(events)
        assert fills(events) == expected, sequence
        updates = [e for e in events if isinstance(e, OrderUpdate)]
        assert (updates[-1].status, updates[-1].perm_id) == ("filled", PERM_ID), sequence
        assert_commissions_follow_their_executions(events)
    assert expected is not None
    assert sum(expected.values()) == 2


COMBO = (
    open_order(BAG, 3),
    status("Submitted"),
    status("Filled"),
    *(execution(f"{part}.00.01", BAG, 1) for part in range(3)),
    *(execution(f"{part}.10.01", OPTION, 1) for part in range(3)),
    *(execution(f"{part}.20.01", IBContract(conId=102, secType="OPT"), 2, "SLD") for part in range(3)),
    *(commission(f"{part}.10.01", 0.65) for part in range(3)),
    *(commission(f"{part}.20.01", amount) for part in range(3) for amount in (None, -1.0, 1.3)),
)


@given(
    order=st.permutations(range(len(COMBO))),
    repeats=st.lists(st.tuples(st.integers(0, len(COMBO) - 1), st.integers(0, len(COMBO))), max_size=20),
)
def test_a_ratio_combo_in_three_parts_ends_alike(order: list[int], repeats: list[tuple[int, int]]) -> None:
    sequence = list(order)
    for number, position in repeats:
        sequence.insert(position, number)
    tracker, events = own_order(BAG, 3)
    for number in sequence:
        COMBO[number](tracker)
    assert end_of(tracker) == ("filled", 12_500, 3, [PERM_ID], ORDER_ID, set())
    executions = [e for e in events if isinstance(e, Execution)]
    held: Counter[int] = Counter()
    for one in executions:
        if not one.is_combo:
            held[one.con_id] += one.side * one.quantity
    assert held == {100: 3, 102: -6}
    assert len(executions) == len({e.execution_id for e in executions}) == 9
    assert sum(e.amount for e in events if isinstance(e, CommissionReport)) == 3 * 650_000 + 3 * 1_300_000
    assert_commissions_follow_their_executions(events)


@given(
    order=st.permutations(range(4)),
    lost=st.sets(st.sampled_from([0, 1])),  # openOrder and orderStatus may never come
)
def test_a_fill_needs_its_execution_only(order: list[int], lost: set[int]) -> None:
    tracker, events = own_order(OPTION, 1)
    for number in order:
        if number not in lost:
            SINGLE[number](tracker)
    assert end_of(tracker)[0] == "filled"
    assert sum(fills(events).values()) == 2
    assert tracker.unanswered() == []


@given(order=st.permutations(range(4)))
def test_the_newest_correction_stands(order: list[int]) -> None:
    messages = (
        execution("1.01", OPTION, 1),
        execution("1.02", OPTION, 2),
        execution("1.03", OPTION, 3),
        open_order(OPTION, 5),
    )
    tracker, _ = own_order(OPTION, 5)
    for number in order:
        messages[number](tracker)
    assert [(e.execution_id, e.quantity) for e in tracker.executions.all()] == [("1.03", 3)]
    assert end_of(tracker)[:3] == ("working", 12_500, 3)


ENDS = ("Filled", "Cancelled", "ApiCancelled", "Inactive")


@given(
    end=st.sampled_from(ENDS),
    late=st.lists(
        st.sampled_from(["Submitted", "PreSubmitted", "PendingCancel", "PendingSubmit"]), min_size=1
    ),
)
def test_an_order_that_has_ended_stays_ended(end: str, late: list[str]) -> None:
    tracker, events = own_order(OPTION, 1)
    status(end)(tracker)
    before = end_of(tracker)[0]
    for text in late:
        status(text)(tracker)
        open_order(OPTION, 1, text)(tracker)
    assert end_of(tracker)[0] == before
    assert [e.status for e in events if isinstance(e, OrderUpdate)] == [before]


def completed(text: str) -> Message:
    order = IBOrder(permId=PERM_ID, orderRef="O1", account="DU1")

    def tell(to: Callbacks) -> None:
        to.on_completed_order(order, OrderState(status=text, completedStatus=text))

    return tell


def ask_again(tracker: OrderTracker, answers: Sequence[Message], listed: set[tuple[str, int]]) -> None:
    """What a query adds: open orders, completed orders, executions with commissions, and their ends."""
    ended, messages = tracker.ended(), tracker.messages
    for answer in answers:
        answer(tracker)
    tracker.concluded(listed, ended, messages)


def subsets(numbers: Sequence[int]) -> list[tuple[int, ...]]:
    return [chosen for size in range(len(numbers) + 1) for chosen in itertools.combinations(numbers, size)]


def test_whatever_is_lost_or_doubled_in_any_order_a_query_ends_in_one_state() -> None:
    ends, booked = set(), set()
    for order in itertools.permutations(range(4)):
        for lost in subsets(range(4)):
            for doubled in subsets([number for number in order if number not in lost]):
                tracker, events = own_order(OPTION, 1)
                heard = [number for number in order if number not in lost]
                for number in [*heard, *doubled]:
                    SINGLE[number](tracker)
                ask_again(tracker, [completed("Filled"), SINGLE[2], SINGLE[3]], set())
                state = tracker.get("O1")
                assert state is not None
                ends.add((state.status, state.executed, tuple(state.perm_ids), frozenset(state.waits_for)))
                booked.add(frozenset(fills(events).items()))
                assert_commissions_follow_their_executions(events)
                assert [e for e in events if isinstance(e, BrokerNotice)] == [], (order, lost, doubled)
                assert tracker.executions.without_commission() == []
    assert ends == {("filled", 1, (PERM_ID,), frozenset())}
    (only,) = booked
    assert sorted(count for _, count in only) == [1, 1]


WORKING = (open_order(OPTION, 2), status("PreSubmitted"), status("Submitted"))


def test_whatever_is_lost_of_a_working_order_a_query_finds_it_working() -> None:
    for order in itertools.permutations(range(3)):
        for lost in subsets(range(3)):
            tracker, _ = own_order(OPTION, 2)
            for number in order:
                if number not in lost:
                    WORKING[number](tracker)
            ask_again(tracker, [WORKING[0]], {("O1", PERM_ID)})
            assert end_of(tracker) == ("working", 12_500, 0, [PERM_ID], ORDER_ID, set()), (order, lost)


def test_an_answer_to_an_older_question_says_nothing_about_what_left_since() -> None:
    tracker, _ = own_order(OPTION, 1)
    ended, messages = tracker.ended(), tracker.messages - 1  # asked before the order left
    tracker.concluded(set(), ended, messages)
    order = tracker.get("O1")
    assert order is not None
    assert (order.waits_for, tracker.unconfirmed()) == ({"place"}, ())


@given(order=st.permutations(range(3)))
def test_an_order_made_larger_while_it_filled_is_never_given_up(order: list[int]) -> None:
    messages = (open_order(OPTION, 4), status("Submitted"), execution("0001.01.01", OPTION, 2))
    tracker, events = own_order(OPTION, 2)
    open_order(OPTION, 2)(tracker)
    mine = tracker.get("O1")
    assert mine is not None
    tracker.modifying(mine, Terms(12_500, 4))
    for number in order:
        messages[number](tracker)
    assert (mine.status, mine.executed, mine.quantity) == ("working", 2, 4)
    assert [e for e in events if isinstance(e, BrokerNotice)] == []
    execution("0002.01.01", OPTION, 2)(tracker)
    assert mine.status == "filled"


@pytest.mark.parametrize("code", [104, 201])
def test_an_order_that_fills_before_it_was_made_larger_is_filled(code: int) -> None:
    tracker, _ = own_order(OPTION, 2)
    open_order(OPTION, 2)(tracker)
    mine = tracker.get("O1")
    assert mine is not None
    tracker.modifying(mine, Terms(12_500, 4))
    execution("0001.01.01", OPTION, 2)(tracker)
    assert mine.status == "working"  # whether four are asked for is not known yet
    tracker.on_error(ORDER_ID, code, "too late")
    ask_again(tracker, [], set())
    assert (mine.status, mine.waits_for) == ("filled", set())


def test_a_filled_order_that_the_broker_still_works_comes_back_with_an_alarm() -> None:
    tracker, events = own_order(OPTION, 4)
    for message in (open_order(OPTION, 4), execution("0001.01.01", OPTION, 2), status("Filled")):
        message(tracker)
    mine = tracker.get("O1")
    assert mine is not None
    assert mine.status == "filled"
    assert tracker.unanswered() == [mine]
    ask_again(tracker, [open_order(OPTION, 4)], {("O1", PERM_ID)})
    assert mine.status == "working"
    assert "was filled, but the broker lists it as open" in events[-2].message  # type: ignore[union-attr]
    assert tracker.live_orders() == [mine]


def test_a_word_that_an_order_on_hold_works_is_asked_about() -> None:
    tracker, events = own_order(OPTION, 1)
    for message in (open_order(OPTION, 1, "Inactive"), status("Submitted")):
        message(tracker)
    mine = tracker.get("O1")
    assert mine is not None
    assert mine.status == "rejected"  # one word may be an old one
    assert tracker.unanswered() == [mine]
    ask_again(tracker, [open_order(OPTION, 1)], {("O1", PERM_ID)})
    assert (mine.status, tracker.unanswered()) == ("working", [])
    assert [e.code for e in events if isinstance(e, BrokerNotice)] == [-2]


@given(order=st.permutations(range(4)))
def test_an_order_with_two_lives_ends_when_both_have_ended(order: list[int]) -> None:
    twin = 78

    def of(perm_id: int, text: str) -> Message:
        raw = IBOrder(
            orderId=ORDER_ID,
            clientId=CLIENT,
            permId=perm_id,
            action="BUY",
            totalQuantity=1,
            lmtPrice=1.25,
            orderRef="O1",
            account="DU1",
        )
        if text == "Submitted":
            return lambda to: to.on_open_order(OPTION, raw, OrderState(status=text))
        return lambda to: to.on_order_status(ORDER_ID, CLIENT, perm_id, text)

    tracker, events = own_order(OPTION, 1)
    of(PERM_ID, "Submitted")(tracker)
    of(twin, "Submitted")(tracker)
    assert tracker.has_doubles_to_end()
    ends = [of(PERM_ID, "PendingCancel"), of(twin, "PendingCancel")]
    ends += [of(PERM_ID, "Cancelled"), of(twin, "Cancelled")]
    cancelled = set()
    for number in order:
        ends[number](tracker)
        cancelled |= {number} & {2, 3}
        assert (end_of(tracker)[0] == "cancelled") == (cancelled == {2, 3})
    assert not tracker.doubles()
    assert [e.code for e in events if isinstance(e, BrokerNotice)] == [-2]


@given(st.permutations(range(6)))
def test_a_permanent_id_may_come_late(order: list[int]) -> None:
    """The first callbacks of an order may carry permId 0; that is no second order."""
    tracker, events = own_order(OPTION, 1)
    messages = (
        open_order(OPTION, 1, "PendingSubmit", perm_id=0),
        status("PendingSubmit", perm_id=0),
        *SINGLE,
    )
    for number in order:
        messages[number](tracker)
    assert end_of(tracker) == ("filled", 12_500, 1, [PERM_ID], ORDER_ID, set())
    assert [event for event in events if isinstance(event, BrokerNotice)] == []
    assert sum(fills(events).values()) == 2
