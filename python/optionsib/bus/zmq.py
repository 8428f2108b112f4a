"""The event stream for attached processes (view, dashboard, recorder). Never on the way of an order.

A ZeroMQ publisher drops messages for a slow reader without a word. So each topic (the class name of
the event) has its own sequence numbers, the publisher repeats the last numbers in heartbeats, and a
subscriber that sees a gap reads the missing records from the journal before it goes on. Quotes are not
journaled: their gaps are counted, and the next quote makes them good.

A message has three frames: topic, ``(stream, sequence, journal_seq)`` as 8 bytes little-endian each,
canonical msgpack of the event. ``journal_seq`` is 0 for what is not journaled.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from optionsib.bus.endpoints import (
    CurveKeys,
    load_zmq,
    protect_socket_file,
    secure_client,
    secure_server,
    socket_errors,
)
from optionsib.bus.journal import JournalReader
from optionsib.common import codec
from optionsib.common.errors import BusError, OptionsIBError
from optionsib.common.events import AnyEvent, Event

_HEADER = struct.Struct("<QQQ")
_HEARTBEAT = b"!heads"
_heads_decoder: msgspec.msgpack.Decoder[dict[str, tuple[int, int]]] = msgspec.msgpack.Decoder(
    dict[str, tuple[int, int]]
)


class Delivery(msgspec.Struct, frozen=True):
    """One event for a subscriber. ``replayed`` = read from the journal to fill a gap."""

    topic: str
    event: AnyEvent
    journal_seq: int
    replayed: bool = False


class ZmqPublisher:
    """Send events to whoever is attached; a reader that does not keep up loses some and can tell.

    Parameters
    ----------
    endpoint
        ``ipc://path`` (only this user may connect) or ``tcp://127.0.0.1:port``; port 0 takes a free one.
    keys
        Needed if other machines can reach the endpoint.
    high_water_mark
        Messages kept for a slow reader.

    Raises
    ------
    BusError
        If the endpoint cannot be bound.
    ConfigError
        If other machines could reach it and there are no keys.
    """

    def __init__(
        self, endpoint: str, *, keys: CurveKeys | None = None, high_water_mark: int = 10_000
    ) -> None:
        zmq = load_zmq()
        self._heads: dict[str, tuple[int, int]] = {}
        self._stream = int.from_bytes(os.urandom(8), "little")  # tells a restarted publisher from a gap
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.linger = 500
        self._socket.sndhwm = high_water_mark
        self._authenticator: Any = None
        try:
            self._authenticator = secure_server(self._socket, endpoint, keys)
            with socket_errors("listen on", endpoint):
                self._socket.bind(endpoint)
            protect_socket_file(endpoint)
        except OptionsIBError:
            self.close()
            raise
        self.endpoint: str = self._socket.last_endpoint.decode()

    def publish(self, event: Event, journal_seq: int = 0) -> int:
        """Send ``event`` and return its number within its topic (from 1).

        Publish a journaled event after its commit, so that a gap can be filled from the journal.
        """
        topic = type(event).__name__
        number = self._heads.get(topic, (0, 0))[0] + 1
        self._heads[topic] = (number, journal_seq)
        header = _HEADER.pack(self._stream, number, journal_seq)
        self._socket.send_multipart([topic.encode(), header, codec.encode(event)])
        return number

    def heartbeat(self) -> None:
        """Send the last number of each topic; call it about once a second, or once a step."""
        header = _HEADER.pack(self._stream, 0, 0)
        self._socket.send_multipart([_HEARTBEAT, header, codec.encode(self._heads)])

    def close(self) -> None:
        """Close the socket. A second call does nothing."""
        if self._authenticator is not None:
            self._authenticator.stop()
            self._authenticator = None
        self._socket.close()
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ZmqSubscriber:
    """Receive topics in order, with the gaps filled from the journal.

    Parameters
    ----------
    endpoint
        Of the ``ZmqPublisher``.
    topics
        Classes of the wanted events.
    journal
        Where gaps are filled from; None = gaps of journaled topics are errors, and a subscriber that
        joins late begins with the first message it gets.
    after
        Journal sequence number up to which the caller knows everything (0 = nothing). What was
        journaled after it and before the first message is delivered as a replay.
    keys
        Needed if the daemon is on another machine.
    high_water_mark
        Messages kept while the caller is busy.

    Attributes
    ----------
    lost
        Topic -> number of messages that were dropped and are in no journal (quotes).
    """

    def __init__(
        self,
        endpoint: str,
        topics: Sequence[type[Event]],
        *,
        journal: Path | None = None,
        after: int = 0,
        keys: CurveKeys | None = None,
        high_water_mark: int = 10_000,
    ) -> None:
        zmq = load_zmq()
        self.endpoint = endpoint
        self.lost: dict[str, int] = {}
        self._journal = journal
        self._stream: int | None = None
        self._joined: set[str] = set()  # topics of which this stream has brought a number
        self._numbers = {topic.__name__: 0 for topic in topics}
        self._journal_seqs = {topic.__name__: after for topic in topics}
        self._ready: deque[Delivery] = deque()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.linger = 0
        self._socket.rcvhwm = high_water_mark
        for topic in (*self._numbers, _HEARTBEAT.decode()):
            self._socket.subscribe(topic)
        try:
            secure_client(self._socket, endpoint, keys)
            with socket_errors("reach", endpoint):
                self._socket.connect(endpoint)
        except OptionsIBError:
            self.close()
            raise

    def receive(self, timeout: float = 1.0) -> Delivery | None:
        """Return the next event, or None after ``timeout`` real seconds without a message.

        None may also come earlier, after a heartbeat that brought nothing new.

        Raises
        ------
        BusError
            If messages of a journaled topic are lost and the journal cannot replace them, or a message
            is not ours.
        """
        if not self._ready and self._socket.poll(round(timeout * 1000)):
            self._take(self._socket.recv_multipart())
        return self._ready.popleft() if self._ready else None

    def close(self) -> None:
        """Close the socket. A second call does nothing."""
        self._socket.close()
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, frames: list[bytes]) -> None:
        try:
            name, header, body = frames
            stream, number, journal_seq = _HEADER.unpack(header)
            heads = _heads_decoder.decode(body) if name == _HEARTBEAT else None
            event = codec.decode(body) if heads is None else None
        except (ValueError, struct.error, msgspec.DecodeError) as error:
            raise BusError(f"{self.endpoint} sent what is no message of ours: {error}") from error
        if stream != self._stream:
            self._stream = stream
            self._numbers = dict.fromkeys(self._numbers, 0)
            self._joined.clear()
        if heads is not None:
            for topic, (last, last_journal_seq) in heads.items():
                if topic in self._numbers:
                    self._fill(topic, last + 1, last_journal_seq + 1 if last_journal_seq else 0)
        elif event is not None and name.decode() in self._numbers:
            topic = name.decode()
            if number <= self._numbers[topic] or 0 < journal_seq <= self._journal_seqs[topic]:
                self._numbers[topic] = max(number, self._numbers[topic])
                return  # known from the journal already
            self._fill(topic, number, journal_seq)
            self._numbers[topic] = number
            self._journal_seqs[topic] = max(journal_seq, self._journal_seqs[topic])
            self._ready.append(Delivery(topic, event, journal_seq))

    def _fill(self, topic: str, number: int, journal_seq: int) -> None:
        """Make good what lies between the last message of ``topic`` and (excluded) ``number``."""
        missing = number - self._numbers[topic] - 1
        joining = topic not in self._joined
        self._joined.add(topic)
        self._numbers[topic] = max(number - 1, self._numbers[topic])
        if joining:
            if self._journal is not None and journal_seq:
                self._replay(topic, missing, journal_seq)
        elif missing > 0 and journal_seq:
            self._replay(topic, missing, journal_seq)
        elif missing > 0:
            self.lost[topic] = self.lost.get(topic, 0) + missing

    def _replay(self, topic: str, missing: int, before: int) -> None:
        if self._journal is None:
            raise BusError(
                f"{missing} messages of {topic} are lost and there is no journal to read them from"
            )
        last = self._journal_seqs[topic]
        with JournalReader.open_read_only(self._journal) as reader:
            if reader.last_seq < before - 1:
                raise BusError(
                    f"{missing} messages of {topic} are lost and {self._journal} ends at record "
                    f"{reader.last_seq}, expected at least {before - 1}: is it the journal of this daemon?"
                )
            for seq, _, event in reader.events([topic], after=last):
                if seq >= before:
                    break
                self._ready.append(Delivery(topic, event, seq, replayed=True))
                self._journal_seqs[topic] = seq
