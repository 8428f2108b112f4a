"""The event stream over real sockets: order, gaps, replay from the journal, keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from optionsib.bus.endpoints import CurveKeys, is_local, make_curve_keys, state_endpoint
from optionsib.bus.journal import Journal, make_genesis
from optionsib.bus.zmq import Delivery, ZmqPublisher, ZmqSubscriber
from optionsib.common.errors import BusError, ConfigError
from optionsib.common.events import Halted, OrderCancelRequested, Quote, Resumed

GENESIS = make_genesis(seed=1, config="", data="", model="", build="", simd_path="")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.create(tmp_path / "journal", GENESIS) as opened:
        yield opened


def cancel(number: int) -> OrderCancelRequested:
    return OrderCancelRequested(order_ref=f"o-{number}", at_ns=number)


def record(journal: Journal, publisher: ZmqPublisher | None, event: Halted | OrderCancelRequested) -> int:
    seq = journal.append_durable(event, event.at_ns)
    if publisher is not None:
        publisher.publish(event, seq)
    return seq


def drain(subscriber: ZmqSubscriber, until: Callable[[list[Delivery]], bool]) -> list[Delivery]:
    got: list[Delivery] = []
    deadline = time.monotonic() + 60
    while not until(got):
        assert time.monotonic() < deadline, f"only {len(got)} deliveries came"
        delivery = subscriber.receive(0.05)
        if delivery is not None:
            got.append(delivery)
    return got


def join(publisher: ZmqPublisher, *subscribers: ZmqSubscriber) -> None:
    """Wait until subscriptions have reached the publisher (ZeroMQ joins in the background)."""
    for subscriber in subscribers:
        deadline = time.monotonic() + 60
        while not subscriber._joined:
            assert time.monotonic() < deadline
            publisher.heartbeat()
            assert subscriber.receive(0.02) is None


def test_events_arrive_in_order_with_their_numbers(journal: Journal, tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/s"
    with ZmqPublisher(endpoint) as publisher:
        assert publisher.publish(Halted(at_ns=0, reason="nobody listens yet"), 1) == 1
        with ZmqSubscriber(endpoint, [Halted, OrderCancelRequested]) as subscriber:
            join(publisher, subscriber)
            assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
            for number in range(2, 100):
                publisher.publish(cancel(number), number)
            publisher.publish(Resumed(at_ns=0, reason="not subscribed"), 100)
            got = drain(subscriber, lambda got: len(got) == 98)
            assert [delivery.journal_seq for delivery in got] == list(range(2, 100))
            assert got[0] == Delivery("OrderCancelRequested", cancel(2), 2)
            assert subscriber.receive(0.01) is None


def test_a_late_reader_gets_what_was_before_from_the_journal(journal: Journal) -> None:
    with ZmqPublisher("tcp://127.0.0.1:0") as publisher:
        for number in range(1, 21):
            record(journal, publisher, cancel(number))
        with ZmqSubscriber(
            publisher.endpoint, [OrderCancelRequested], journal=journal.path, after=5
        ) as subscriber:
            got: list[Delivery] = []
            deadline = time.monotonic() + 60
            while len(got) < 15 and time.monotonic() < deadline:
                publisher.heartbeat()
                delivery = subscriber.receive(0.05)
                got += [] if delivery is None else [delivery]
            assert [delivery.journal_seq for delivery in got] == list(range(6, 21))
            assert all(delivery.replayed for delivery in got)
            record(journal, publisher, cancel(21))
            (delivery,) = drain(subscriber, lambda got: len(got) == 1)
            assert (delivery.journal_seq, delivery.replayed) == (21, False)


def test_what_the_reader_knows_already_is_not_delivered_again(pair: ZmqPublisher, journal: Journal) -> None:
    with ZmqSubscriber(pair.endpoint, [OrderCancelRequested], journal=journal.path, after=3) as subscriber:
        lose(pair, cancel(0))
        join(pair, subscriber)
        for number in range(1, 6):
            record(journal, pair, cancel(number))
        got = drain(subscriber, lambda got: len(got) == 2)
        assert [(delivery.journal_seq, delivery.replayed) for delivery in got] == [(4, False), (5, False)]


def test_a_gap_is_filled_from_the_journal(journal: Journal) -> None:
    """Nobody reads, both queues hold two messages, hundreds are dropped: none is missing in the end."""
    with (
        ZmqPublisher("tcp://127.0.0.1:0", high_water_mark=2) as publisher,
        ZmqSubscriber(
            publisher.endpoint, [OrderCancelRequested, Quote], journal=journal.path, high_water_mark=2
        ) as subscriber,
    ):
        record(journal, publisher, cancel(1))
        got: list[Delivery] = []
        while not got:
            publisher.heartbeat()
            delivery = subscriber.receive(0.02)
            got += [] if delivery is None else [delivery]
        big = "x" * 20_000  # fills the kernel's buffers
        last = 0
        for number in range(2, 600):
            event = OrderCancelRequested(order_ref=f"o-{number}", at_ns=number, reason=big)
            seq = journal.append(event, number)
            if number % 50 == 0:
                journal.commit()
            publisher.publish(event, seq)
            last = seq
        journal.commit()
        deadline = time.monotonic() + 60
        while got[-1].journal_seq < last and time.monotonic() < deadline:
            publisher.heartbeat()
            delivery = subscriber.receive(0.02)
            got += [] if delivery is None else [delivery]
        assert [delivery.journal_seq for delivery in got] == list(range(1, last + 1))
        assert any(delivery.replayed for delivery in got[1:])


@pytest.fixture
def pair() -> Iterator[ZmqPublisher]:
    with ZmqPublisher("tcp://127.0.0.1:0") as publisher:
        yield publisher


def lose(publisher: ZmqPublisher, event: Quote | OrderCancelRequested, journal_seq: int = 0) -> None:
    """Number an event as published without sending it: what a full queue does."""
    topic = type(event).__name__
    number = publisher._heads.get(topic, (0, 0))[0] + 1
    publisher._heads[topic] = (number, journal_seq)


def test_lost_quotes_are_counted_and_not_an_error(pair: ZmqPublisher) -> None:
    with ZmqSubscriber(pair.endpoint, [Quote]) as subscriber:
        lose(pair, Quote(con_id=1, bid=1, ask=2))
        join(pair, subscriber)
        for _ in range(3):
            lose(pair, Quote(con_id=1, bid=1, ask=2))
        pair.publish(Quote(con_id=1, bid=3, ask=4))
        drain(subscriber, lambda got: len(got) == 1)
        assert subscriber.lost == {"Quote": 3}


def test_a_lost_tail_shows_at_the_next_heartbeat(pair: ZmqPublisher, journal: Journal) -> None:
    with ZmqSubscriber(pair.endpoint, [OrderCancelRequested], journal=journal.path) as subscriber:
        record(journal, pair, cancel(1))
        got: list[Delivery] = []
        while not got:
            pair.heartbeat()
            delivery = subscriber.receive(0.02)
            got += [] if delivery is None else [delivery]
        seq = journal.append_durable(cancel(2), 2)
        lose(pair, cancel(2), seq)
        assert subscriber.receive(0.05) is None
        pair.heartbeat()
        (delivery,) = drain(subscriber, lambda got: len(got) == 1)
        assert delivery == Delivery("OrderCancelRequested", cancel(2), 2, replayed=True)
        pair.heartbeat()
        assert subscriber.receive(0.05) is None  # once only


def test_a_gap_without_journal_or_with_the_wrong_one_is_an_error(
    pair: ZmqPublisher, journal: Journal
) -> None:
    with (
        ZmqSubscriber(pair.endpoint, [OrderCancelRequested]) as bare,
        ZmqSubscriber(pair.endpoint, [OrderCancelRequested], journal=journal.path) as wrong,
    ):
        lose(pair, cancel(1), 0)
        join(pair, bare, wrong)
        lose(pair, cancel(2), 7)
        lose(pair, cancel(3), 8)
        pair.heartbeat()
        with pytest.raises(
            BusError, match="2 messages of OrderCancelRequested are lost and there is no journal"
        ):
            drain(bare, lambda got: False)
        with pytest.raises(BusError, match="ends at record 0, expected at least 8"):
            drain(wrong, lambda got: False)


def test_a_restarted_publisher_is_no_gap(journal: Journal, tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/s"
    with ZmqSubscriber(endpoint, [OrderCancelRequested], journal=journal.path) as subscriber:
        seen = []
        for run in range(2):
            with ZmqPublisher(endpoint) as publisher:
                for number in range(1, 4):
                    record(journal, publisher, cancel(10 * run + number))
                deadline = time.monotonic() + 60
                while len(seen) < 3 * (run + 1) and time.monotonic() < deadline:
                    publisher.heartbeat()
                    delivery = subscriber.receive(0.05)
                    seen += [] if delivery is None else [delivery.journal_seq]
        assert seen == [1, 2, 3, 4, 5, 6]


def test_foreign_bytes_are_an_error() -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PUB)
    socket.bind("tcp://127.0.0.1:0")

    def talk(subscriber: ZmqSubscriber) -> None:
        for _ in range(200):
            socket.send_multipart([b"Halted", b"short", b""])
            subscriber.receive(0.02)

    try:
        with (
            ZmqSubscriber(socket.last_endpoint.decode(), [Halted]) as subscriber,
            pytest.raises(BusError, match="no message of ours"),
        ):
            talk(subscriber)
    finally:
        socket.close(0)
        context.term()


# --- endpoints and keys ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "local"),
    [
        ("ipc:///tmp/x", True),
        ("tcp://127.0.0.1:5", True),
        ("tcp://127.9.9.9:5", True),
        ("tcp://localhost:5", True),
        ("tcp://[::1]:5", True),
        ("tcp://*:5", False),
        ("tcp://0.0.0.0:5", False),
        ("tcp://10.0.0.1:5", False),
        ("tcp://example.org:5", False),
        ("tcp://127.0.0.1.example.org:5", False),
    ],
)
def test_what_is_local(endpoint: str, local: bool) -> None:
    assert is_local(endpoint) is local


@pytest.mark.parametrize(
    "endpoint", ["", "127.0.0.1:5", "udp://127.0.0.1:5", "tcp://", "ipc://", "tcp://host"]
)
def test_what_is_no_endpoint(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="expected"):
        is_local(endpoint)


def test_off_the_loopback_keys_are_required() -> None:
    for make in (ZmqPublisher, lambda endpoint: ZmqSubscriber(endpoint, [Halted])):
        with pytest.raises(ConfigError, match="CURVE keys"):
            make("tcp://0.0.0.0:0")


def test_keys_let_in_whom_they_name_and_nobody_else() -> None:
    server, friend, stranger = make_curve_keys(), make_curve_keys(), make_curve_keys()
    keys = CurveKeys(*server, peers=(friend[0],))
    assert server[1] not in repr(keys)
    with ZmqPublisher("tcp://0.0.0.0:0", keys=keys) as publisher:
        endpoint = publisher.endpoint.replace("0.0.0.0", "127.0.0.1")
        with (
            ZmqSubscriber(endpoint, [Halted], keys=CurveKeys(*friend, peers=(server[0],))) as welcome,
            ZmqSubscriber(endpoint, [Halted], keys=CurveKeys(*stranger, peers=(server[0],))) as refused,
            ZmqSubscriber(endpoint, [Halted]) as naked,
        ):
            deadline = time.monotonic() + 60
            delivery = None
            while delivery is None and time.monotonic() < deadline:
                publisher.publish(Halted(at_ns=1, reason=""), 0)
                delivery = welcome.receive(0.05)
            assert delivery is not None
            assert refused.receive(0.2) is None
            assert naked.receive(0.2) is None


@pytest.mark.parametrize(
    "keys", [CurveKeys("short", "x" * 40, ("y" * 40,)), CurveKeys("x" * 40, "x" * 40, ())]
)
def test_broken_keys(keys: CurveKeys) -> None:
    with pytest.raises(ConfigError, match="expected"):
        ZmqPublisher("tcp://127.0.0.1:0", keys=keys)


def test_a_port_in_use_is_named() -> None:
    with (
        ZmqPublisher("tcp://127.0.0.1:0") as first,
        pytest.raises(BusError, match=r"another process listens there"),
    ):
        ZmqPublisher(first.endpoint)


def test_state_endpoint(tmp_path: Path) -> None:
    assert state_endpoint(Path("/s"), "control", "tcp://127.0.0.1:1") == "tcp://127.0.0.1:1"
    assert state_endpoint(Path("/srv/state"), "control") == "ipc:///srv/state/control.sock"
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    endpoint = state_endpoint(deep, "control")
    assert endpoint == state_endpoint(deep, "control") != state_endpoint(deep / "f", "control")
    assert len(endpoint) <= len("ipc://") + 107
    ZmqPublisher(endpoint).close()
