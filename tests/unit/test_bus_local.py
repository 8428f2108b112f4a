"""The local bus: one sequence, capture first, nothing dropped."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from optionsib.bus.journal import Journal, make_genesis
from optionsib.bus.local import LocalBus
from optionsib.common.errors import BusError
from optionsib.common.events import Event, Halted, OrderCancelRequested, Resumed


def halted(number: int) -> Halted:
    return Halted(at_ns=number, reason="")


def test_handlers_get_their_kind_in_order_of_subscription() -> None:
    bus = LocalBus()
    seen: list[tuple[str, int]] = []
    bus.subscribe(Halted, lambda event: seen.append(("first", event.at_ns)))
    bus.subscribe(Event, lambda event: seen.append(("all", event.at_ns)))  # type: ignore[attr-defined]
    bus.subscribe(Halted, lambda event: seen.append(("last", event.at_ns)))
    assert bus.publish(halted(1)) == 1
    assert bus.publish(Resumed(at_ns=2, reason="")) == 2
    assert seen == [("first", 1), ("all", 1), ("last", 1), ("all", 2)]
    assert bus.sequence == 2


def test_the_tap_comes_first_and_its_failure_stops_the_event() -> None:
    seen: list[str] = []

    def tap(number: int, event: Event) -> None:
        seen.append(f"tap {number}")
        if len(seen) == 1:
            raise OSError("disk full")

    bus = LocalBus(tap)
    bus.subscribe(Halted, lambda event: seen.append("handler"))
    with pytest.raises(OSError, match="disk full"):
        bus.publish(halted(1))
    assert bus.publish(halted(2)) == 1
    assert seen == ["tap 1", "tap 1", "handler"]


def test_the_journal_as_tap(tmp_path: Path) -> None:
    genesis = make_genesis(seed=1, config="", data="", model="", build="", simd_path="")
    with Journal.create(tmp_path / "journal", genesis) as journal:
        numbers: list[tuple[int, int]] = []
        bus = LocalBus(lambda number, event: numbers.append((number, journal.append(event, number))))  # type: ignore[arg-type]

        def answer(event: Halted) -> None:
            bus.publish(Resumed(at_ns=event.at_ns, reason=""))

        bus.subscribe(Halted, answer)
        bus.publish(halted(1))
        journal.commit()
        assert numbers == [(1, 1), (2, 2)]
        assert [type(event).__name__ for _, _, event in journal.events()] == ["Halted", "Resumed"]


def test_every_handler_sees_one_order_even_when_handlers_publish() -> None:
    bus = LocalBus()
    early: list[int] = []
    late: list[int] = []

    def early_handler(event: Halted) -> None:
        early.append(event.at_ns)
        if event.at_ns < 4:
            bus.publish(halted(event.at_ns * 2))
            bus.publish(halted(event.at_ns * 2 + 1))

    bus.subscribe(Halted, early_handler)
    bus.subscribe(Halted, lambda event: late.append(event.at_ns))
    bus.publish(halted(1))
    assert early == late == [1, 2, 3, 4, 5, 6, 7]


def test_a_failing_handler_keeps_nothing_from_the_others() -> None:
    bus = LocalBus()
    seen: list[int] = []

    def broken(event: Halted) -> None:
        if event.at_ns == 1:
            bus.publish(halted(2))
            raise RuntimeError("broken view")

    bus.subscribe(Halted, broken)
    bus.subscribe(Halted, lambda event: seen.append(event.at_ns))
    with pytest.raises(ExceptionGroup) as caught:
        bus.publish(halted(1))
    assert [str(error) for error in caught.value.exceptions] == ["broken view"]
    assert seen == [1, 2]
    bus.publish(halted(3))
    assert seen == [1, 2, 3]


def test_cancel_removes_only_that_subscription() -> None:
    bus = LocalBus()
    seen: list[int] = []

    def handler(event: Halted) -> None:
        seen.append(event.at_ns)

    cancel = bus.subscribe(Halted, handler)
    bus.subscribe(Halted, handler)
    cancel()
    cancel()
    bus.publish(halted(1))
    assert seen == [1]


def test_only_frozen_events() -> None:
    class Loose(Event, frozen=False):  # type: ignore[misc]
        value: int

    bus = LocalBus()
    seen: list[Event] = []
    bus.subscribe(Event, seen.append)
    for bad in ("text", object(), Loose(value=1)):
        with pytest.raises(BusError, match="nothing was delivered"):
            bus.publish(bad)  # type: ignore[arg-type]
    assert seen == []
    event = OrderCancelRequested(order_ref="a", at_ns=1)
    with pytest.raises(AttributeError):
        event.order_ref = "b"  # type: ignore[misc]


def test_one_thread() -> None:
    bus = LocalBus()
    errors: list[Exception] = []

    def other() -> None:
        try:
            bus.publish(halted(1))
        except BusError as error:
            errors.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert "second thread" in str(errors[0])
    assert bus.sequence == 0
