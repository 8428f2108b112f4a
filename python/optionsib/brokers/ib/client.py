"""The lower half of a connection: the client library's socket and message decoder, paced by us."""

# The overrides keep the library's names and meanings, and much of it is untyped:
# ruff: noqa: N802, D102
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import logging
import struct
from collections import deque

from optionsib.brokers.api import MessageTap
from optionsib.brokers.ib.library import DECODER_LOG, Client
from optionsib.brokers.ib.pacing import PacedSender, TokenBucket
from optionsib.brokers.ib.wrapper import DecodeAlarm, TwsWrapper

MAXIMUM_MESSAGE = 0xFFFFFF  # what IB's own client takes at most, bytes
DECODE_ERRORS_TOLERATED, TOLERATED_SECONDS = 20, 60.0  # beyond that the peer does not speak our language
_COMMISSION_MESSAGE = 59
_TIME_REQUEST = "49"


class TwsClient(Client):
    """The library's client with its throttle taken out and ours put in.

    A peer that sends what cannot be a message (impossible length, an undecodable one after the other)
    is dropped: nothing that it says later could be trusted, and a reconnect asks for everything anew.
    """

    MaxRequests = 0

    def __init__(
        self,
        wrapper: TwsWrapper,
        bucket: TokenBucket,
        decode_alarm: DecodeAlarm,
        tap: MessageTap | None = None,
    ) -> None:
        self.tap = tap
        self.received = 0
        self._sender: PacedSender | None = None  # the parent's constructor calls reset()
        super().__init__(wrapper)
        self._sender = PacedSender(self._write, bucket)
        self._now = bucket.now
        self.heard_at = bucket.now()  # monotonic time of the last bytes
        # A logger outside the registry: the alarm hears this connection's decoder and no other.
        logger = logging.Logger(DECODER_LOG)
        logger.parent = logging.getLogger(DECODER_LOG)
        logger.addHandler(decode_alarm)
        self._decode_alarm = decode_alarm
        self._decode_errors = 0
        self._failed_at: deque[float] = deque(maxlen=DECODE_ERRORS_TOLERATED + 1)
        self.decoder.logger = logger
        self.decoder.handlers[_COMMISSION_MESSAGE] = self._commission

    def heartbeat_first(self) -> None:
        """Let a question for the time overtake other requests."""
        if self._sender is not None:
            self._sender.urgent |= {_TIME_REQUEST}

    def slow_down(self) -> None:
        """Send more slowly for a while: the server has complained."""
        if self._sender is not None:
            self._sender.slow_down()

    def _write(self, message: str) -> None:
        if self.tap is not None:
            self.tap("out", message.split("\0")[:-1])
        data = message.encode()
        self.conn.sendMsg(struct.pack(">I", len(data)) + data)

    def _commission(self, fields: list[str]) -> None:
        # The library reads an empty amount as 0.00, which would book a commission that is not known yet.
        _, _, execution_id, amount, currency, *_ = fields
        callbacks = self.wrapper.callbacks
        callbacks.on_commission(execution_id, float(amount) if amount else None, currency)

    def sendMsg(self, msg: str) -> None:
        if self._sender is None:
            raise ConnectionError("Not connected")
        self._sender.send(msg)

    async def orders_sent(self) -> None:
        if self._sender is not None:
            await self._sender.orders_sent()

    def reset(self) -> None:
        super().reset()
        if self._sender is not None:
            self._sender.clear()

    @property
    def waiting(self) -> int:
        """How many messages have not left yet."""
        return 0 if self._sender is None else self._sender.waiting

    @property
    def messages_per_second(self) -> float:
        """The rate at which messages left over the last seconds."""
        return 0.0 if self._sender is None else self._sender.messages_per_second

    def _onSocketHasData(self, data: bytes) -> None:
        self.heard_at = self._now()
        if not self._apiReady:
            try:
                super()._onSocketHasData(data)
            except (IndexError, TypeError, ValueError) as error:
                self._drop(f"the handshake cannot be read: {error!r}")
                return
            if len(self._data) >= 4 and int.from_bytes(self._data[:4], "big") > MAXIMUM_MESSAGE:
                self._drop("the handshake announces a message of impossible length")
            return
        # The parent cuts every message off the front of the buffer, quadratic in the burst of a step.
        buffer = self._data + data if self._data else data
        start, end = 0, len(buffer)
        while end - start > 4:
            length = int.from_bytes(buffer[start : start + 4], "big")
            if length > MAXIMUM_MESSAGE:
                self._drop(
                    f"a message of {length} bytes was announced, at most {MAXIMUM_MESSAGE} are possible"
                )
                return
            stop = start + 4 + length
            if stop > end:
                break
            fields = buffer[start + 4 : stop].decode(errors="backslashreplace").split("\0")
            fields.pop()
            self.received += 1
            if self.tap is not None:
                self.tap("in", fields)
            self.decoder.interpret(fields)
            if self._decode_alarm.count > self._decode_errors and self._speaks_another_language():
                self._drop(f"{DECODE_ERRORS_TOLERATED + 1} messages of a minute could not be decoded")
                return
            start = stop
        self._data = buffer[start:]

    def _speaks_another_language(self) -> bool:
        now = self._now()
        self._decode_errors = self._decode_alarm.count
        self._failed_at.append(now)
        failed_at = self._failed_at
        return len(failed_at) == failed_at.maxlen and now - failed_at[0] < TOLERATED_SECONDS

    def _drop(self, reason: str) -> None:
        self._data = b""
        self.wrapper.callbacks.on_decode_error(f"connection dropped: {reason}")
        transport = self.conn.transport
        if transport is not None:
            transport.abort()
