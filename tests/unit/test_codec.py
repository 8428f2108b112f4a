"""Canonical msgpack: equal events give equal bytes, every kind comes back equal, the bytes are pinned."""

from __future__ import annotations

import os
import subprocess
import sys
import typing

import msgspec
import pytest

from optionsib.common import codec
from optionsib.common.events import (
    AnyEvent,
    ApprovedOrder,
    BrokerEvent,
    DecisionRecord,
    Event,
    Execution,
    Halted,
    ModelSignal,
    OrderModifyRequested,
    OrderSubmitted,
    OrderUpdate,
    Quote,
    Refusal,
    RiskVerdict,
    StrategyDecision,
)
from optionsib.common.types import Order, OrderLeg

ORDER = Order("o-1", "t-1", (OrderLeg(1, 1), OrderLeg(2, -1)), 1, -125, "open", "residual")


def leaf(kind: object) -> object:
    """Return some value of a field's type."""
    if kind is int:
        return -7
    if kind is float:
        return 0.1
    if kind is str:
        return "text \u00e9"
    if kind is bool:
        return True
    if kind is Order:
        return ORDER
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is typing.Literal:
        return arguments[-1]
    if typing.get_origin(kind) is dict:
        return {leaf(arguments[0]): leaf(arguments[1])}
    if typing.get_origin(kind) is tuple:
        return tuple(leaf(argument) for argument in arguments if argument is not Ellipsis)
    if arguments:
        return leaf(next(argument for argument in arguments if argument is not type(None)))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return filled(kind)
    raise AssertionError(f"no example for {kind}")


def filled(kind: type[msgspec.Struct]) -> msgspec.Struct:
    hints = typing.get_type_hints(kind)
    return kind(**{field.name: leaf(hints[field.name]) for field in msgspec.structs.fields(kind)})


@pytest.mark.parametrize("kind", typing.get_args(AnyEvent), ids=lambda kind: kind.__name__)
def test_every_event_comes_back_equal(kind: type[Event]) -> None:
    event = filled(kind)
    data = codec.encode(event)
    assert codec.decode(data) == event
    assert type(codec.decode(data)) is kind
    assert codec.encode(codec.decode(data)) == data
    assert msgspec.msgpack.decode(data)["type"] == kind.__name__
    with pytest.raises(AttributeError):
        setattr(event, msgspec.structs.fields(kind)[0].name, None)


def subclasses(kind: type) -> set[type]:
    return {inner for child in kind.__subclasses__() for inner in {child, *subclasses(child)}}


def test_every_class_of_event_is_in_the_union() -> None:
    ours = {kind for kind in subclasses(Event) if kind.__module__ == "optionsib.common.events"}
    assert ours == set(typing.get_args(AnyEvent))
    assert set(typing.get_args(BrokerEvent)) < ours


def test_nested_decision_keeps_all_three_votes() -> None:
    decision = DecisionRecord(
        candidate_id="c",
        at_ns=1,
        tape_offset=8,
        outcome=Refusal(candidate_id="c", layer="risk", reason="max loss"),
        signal=ModelSignal(
            candidate_id="c", model_id="m", made_at_ns=0, valid_until_ns=2, accepts=True, score=0.6, reason=""
        ),
        strategy=StrategyDecision(candidate_id="c", strategy="s", accepts=True, reason="", order=ORDER),
        risk=RiskVerdict(candidate_id="c", order=ORDER, accepts=False, reduces_risk=False, reason="max loss"),
    )
    assert codec.decode(codec.encode(decision)) == decision
    approved = msgspec.structs.replace(
        decision, outcome=ApprovedOrder(candidate_id="c", order=ORDER, max_loss=1, reduces_risk=False)
    )
    assert codec.decode(codec.encode(approved)) == approved


def test_bytes_are_pinned() -> None:
    """If this changes, old journals no longer verify: raise SCHEMA_VERSION."""
    event = Execution(execution_id="e", order_ref="o", con_id=3, side=-1, quantity=2, price=-150, at_ns=2**40)
    assert codec.encode(event) == (
        b"\x8b\xa4type\xa9Execution\xacexecution_id\xa1e\xa9order_ref\xa1o\xa6con_id\x03\xa4side\xff"
        b"\xa8quantity\x02\xa5price\xd1\xff\x6a\xa5at_ns\xcf\x00\x00\x01\x00\x00\x00\x00\x00"
        b"\xa8is_combo\xc2\xa7perm_id\x00\xabliquidation\xc2"
    )
    assert codec.encode(Halted(at_ns=1, reason="r")) == (
        b"\x84\xa4type\xa6Halted\xa5at_ns\x01\xa6reason\xa1r\xa8operator\xa0"
    )


def test_messages_of_version_1_are_read_as_they_were_meant() -> None:
    """Bytes as the first version wrote them: a change was a new limit, nothing was attached."""
    change = {"type": "OrderModifyRequested", "order_ref": "o", "limit_price": 150, "at_ns": 1}
    assert codec.decode(codec.encode(change)) == OrderModifyRequested(order_ref="o", limit_price=150, at_ns=1)
    word = {
        "type": "OrderUpdate", "order_ref": "o", "status": "working", "at_ns": 1, "perm_id": 7,
        "limit_price": 150, "code": 0, "message": "",
    }  # fmt: skip
    told = codec.decode(codec.encode(word))
    assert told == OrderUpdate(order_ref="o", status="working", at_ns=1, perm_id=7, limit_price=150)
    sent = {"type": "OrderSubmitted", "order": msgspec.to_builtins(ORDER), "at_ns": 1}
    assert codec.decode(codec.encode(sent)) == OrderSubmitted(order=ORDER, at_ns=1)


def test_plain_data_is_sorted() -> None:
    assert codec.encode({"b": 1, "a": {"d": 2, "c": 3}}) == codec.encode({"a": {"c": 3, "d": 2}, "b": 1})
    assert codec.encode({"b": 1, "a": 2}) == b"\x82\xa1a\x02\xa1b\x01"


def test_equal_bytes_in_processes_with_other_hash_seeds() -> None:
    code = (
        "from optionsib.common import codec; "
        "print(codec.encode({k: {k} for k in 'qwertz'} | {'set': set('abcdefgh')}).hex())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"text",
        msgspec.msgpack.encode({"type": "Unknown"}),
        msgspec.msgpack.encode({"type": "Halted"}),
        msgspec.msgpack.encode({"type": "Halted", "at_ns": "noon", "reason": ""}),
        msgspec.msgpack.encode({"type": "Halted", "at_ns": 1.5, "reason": ""}),
        codec.encode(Quote(con_id=1, bid=1, ask=2)) + b"\x00",
    ],
)
def test_what_is_no_event_is_an_error(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        codec.decode(data)
