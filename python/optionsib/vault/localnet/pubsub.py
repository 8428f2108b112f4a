"""Subscriptions over a websocket: signatures, logs, accounts and slots, at the commitment asked for."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from optionsib.vault.localnet.bank import COMMITMENTS, Bank, Commitment
from optionsib.vault.localnet.errors import INTERNAL_ERROR, METHOD_NOT_FOUND, RpcError, invalid_params
from optionsib.vault.localnet.params import Params, to_address, to_signature
from optionsib.vault.localnet.reading import Reading
from optionsib.vault.localnet.service import Service, failed, parse, request_id
from optionsib.vault.localnet.store import Landed

MAXIMUM_MESSAGE_BYTES = 50 * 1024
MAXIMUM_CONNECTIONS = 256
MAXIMUM_SUBSCRIPTIONS = 1_000  # of one connection
MAXIMUM_UNSENT = 1_000

Kind = Literal["signature", "logs", "account", "slot"]
_KINDS: tuple[Kind, ...] = ("signature", "logs", "account", "slot")


@dataclass(slots=True, eq=False)
class _Listener:
    connection: ServerConnection
    unsent: deque[bytes] = field(default_factory=deque)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    subscriptions: int = 0

    def put(self, message: Any) -> None:
        self.unsent.append(msgspec.json.encode(message))
        self.ready.set()


@dataclass(slots=True, eq=False)
class _Subscription:
    number: int
    kind: Kind
    listener: _Listener
    commitment: Commitment
    subject: Any  # signature text, address, None for all
    config: dict[str, Any]


class PubSub:
    """The websocket side of one chain."""

    def __init__(self, bank: Bank, reading: Reading, wake: Callable[[], None]) -> None:
        self._bank, self._reading, self._wake = bank, reading, wake
        self._numbers = itertools.count(1)
        self._subscriptions: dict[int, _Subscription] = {}
        self._due: list[tuple[int, int, Commitment, Landed, _Subscription | None]] = []
        self._events = itertools.count()
        self._connections = 0
        self._server: Server | None = None
        self._slot = bank.slot()

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Browsers are refused: they name an origin."""
        self._server = await serve(
            self._connected, host, port, max_size=MAXIMUM_MESSAGE_BYTES, origins=[None], compression=None
        )
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def close(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    # --- events ----------------------------------------------------------------------------------------

    def landed(self, landed: Landed) -> None:
        """Note a transaction, to be told of when it has come far enough."""
        if not self._subscriptions:
            return
        times = (landed.processed_ns, landed.confirmed_ns, landed.finalized_ns)
        for commitment, due_ns in zip(COMMITMENTS, times, strict=True):
            heapq.heappush(self._due, (due_ns, next(self._events), commitment, landed, None))

    def next_due_ns(self) -> int | None:
        """Return when something is to be told; None if nothing is known."""
        return self._due[0][0] if self._due else None

    @property
    def follows_slots(self) -> bool:
        """Whether somebody wants to hear of every slot."""
        return any(item.kind == "slot" for item in self._subscriptions.values())

    def publish(self) -> None:
        """Tell what has become due."""
        now = self._bank.now_ns()
        while self._due and self._due[0][0] <= now:
            _, _, commitment, landed, only = heapq.heappop(self._due)
            if only is None:
                self._tell(landed, commitment)
            elif only.number in self._subscriptions:
                self._tell_signature(only, landed)
        slot = self._bank.slot()
        if slot != self._slot:
            self._slot = slot
            value = {"parent": slot - 1, "root": self._bank.slot("finalized"), "slot": slot}
            for item in self._subscriptions.values():
                if item.kind == "slot":
                    self._notify(item, value)

    def _tell(self, landed: Landed, commitment: Commitment) -> None:
        outcome = msgspec.json.decode(landed.outcome)
        keys: list[Pubkey] | None = None
        for item in list(self._subscriptions.values()):
            if item.commitment != commitment or item.kind == "slot":
                continue
            if item.kind == "signature":
                if item.subject == landed.signature:
                    self._tell_signature(item, landed)
                continue
            if keys is None:
                keys = list(VersionedTransaction.from_bytes(landed.wire).message.account_keys)
            if item.subject is not None and item.subject not in keys:
                continue
            if item.kind == "logs":
                value = {
                    "signature": landed.signature,
                    "err": outcome["err"],
                    "logs": outcome["logMessages"],
                }
            else:
                account = self._bank.account(item.subject, commitment)
                value = self._reading.shown(account, item.config, "base58") or self._reading.nothing()
            self._notify(item, self._reading.in_context(value, commitment))

    def _tell_signature(self, item: _Subscription, landed: Landed) -> None:
        value = {"err": msgspec.json.decode(landed.outcome)["err"]}
        self._notify(item, self._reading.in_context(value, item.commitment))
        self._remove(item)

    def _notify(self, item: _Subscription, result: Any) -> None:
        listener = item.listener
        if len(listener.unsent) >= MAXIMUM_UNSENT:
            listener.connection.transport.abort()  # reads slower than the chain runs
            return
        listener.put(
            {
                "jsonrpc": "2.0",
                "method": f"{item.kind}Notification",
                "params": {"result": result, "subscription": item.number},
            }
        )

    def _remove(self, item: _Subscription) -> None:
        if self._subscriptions.pop(item.number, None) is not None:
            item.listener.subscriptions -= 1

    # --- connections -----------------------------------------------------------------------------------

    async def _connected(self, connection: ServerConnection) -> None:
        if self._connections >= MAXIMUM_CONNECTIONS:
            await connection.close(1013, "too many connections")
            return
        self._connections += 1
        listener = _Listener(connection)
        sender = asyncio.create_task(self._send_all(listener))
        try:
            async for message in connection:
                listener.put(self._answer(message, listener))
                self.publish()
                self._wake()
        except ConnectionClosed:
            pass
        finally:
            self._connections -= 1
            sender.cancel()
            for item in [item for item in self._subscriptions.values() if item.listener is listener]:
                self._remove(item)

    @staticmethod
    async def _send_all(listener: _Listener) -> None:
        try:
            while True:
                await listener.ready.wait()
                listener.ready.clear()
                while listener.unsent:
                    await listener.connection.send(listener.unsent.popleft(), text=True)
        except ConnectionClosed:
            pass

    def _answer(self, message: str | bytes, listener: _Listener) -> dict[str, Any]:
        identity = None
        try:
            request = parse(message)
            identity = request_id(request)
            method, values = Service.method_and_values(request)
            return {"jsonrpc": "2.0", "result": self._call(method, values, listener), "id": identity}
        except RpcError as error:
            return failed(identity, error)

    def _call(self, method: str, values: list[Any], listener: _Listener) -> Any:
        for kind in _KINDS:
            if method == f"{kind}Subscribe":
                return self._subscribe(kind, values, listener)
            if method == f"{kind}Unsubscribe":
                number = Params(values, self._bank, 1).integer(0, "subscription")
                found = self._subscriptions.get(number)
                if found is None or found.listener is not listener or found.kind != kind:
                    raise invalid_params("Invalid subscription id.")
                self._remove(found)
                return True
        raise RpcError(METHOD_NOT_FOUND, "Method not found")

    def _subscribe(self, kind: Kind, values: list[Any], listener: _Listener) -> int:
        if listener.subscriptions >= MAXIMUM_SUBSCRIPTIONS:
            raise RpcError(INTERNAL_ERROR, f"more than {MAXIMUM_SUBSCRIPTIONS} subscriptions")
        params = Params(values, self._bank, 0 if kind == "slot" else 2)
        config = {} if kind == "slot" else params.config(1)
        commitment = params.commitment(config)
        subject: Any = None
        if kind == "signature":
            subject = str(to_signature(params.text(0, "a signature")))
        elif kind == "account":
            subject = params.address(0)
            self._reading.shown(None, config, "base58")  # a bad encoding is refused now, not at an event
        elif kind == "logs":
            subject = _mentioned(values[0] if values else None)
        item = _Subscription(next(self._numbers), kind, listener, commitment, subject, config)
        self._subscriptions[item.number] = item
        listener.subscriptions += 1
        if kind == "signature" and (landed := self._bank.store.transaction(subject)) is not None:
            self._follow(item, landed)
        return item.number

    def _follow(self, item: _Subscription, landed: Landed) -> None:
        # Subscribed after it landed: due at once, or when it has come that far. Told after the number is.
        times = (landed.processed_ns, landed.confirmed_ns, landed.finalized_ns)
        due_ns = times[COMMITMENTS.index(item.commitment)]
        heapq.heappush(self._due, (due_ns, next(self._events), item.commitment, landed, item))


def _mentioned(value: Any) -> Pubkey | None:
    if value in ("all", "allWithVotes"):
        return None
    if isinstance(value, dict):
        mentions = value.get("mentions")
        if isinstance(mentions, list) and len(mentions) == 1 and isinstance(mentions[0], str):
            return to_address(mentions[0])
    raise invalid_params("expected 'all' or {mentions: [address]}")
