"""A local chain with its doors open: HTTP and websocket, or called in the process."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec
from solders.pubkey import Pubkey

from optionsib.common.errors import SettlementError
from optionsib.common.ports import Clock
from optionsib.vault.localnet.errors import RpcError, unhealthy
from optionsib.vault.localnet.faults import Faults
from optionsib.vault.localnet.genesis import LocalKeys, open_bank
from optionsib.vault.localnet.http import HttpServer, Reply
from optionsib.vault.localnet.network import Network
from optionsib.vault.localnet.pubsub import PubSub
from optionsib.vault.localnet.service import OWN_PREFIX, Service, failed, parse, request_id
from optionsib.vault.localnet.store import Store

STATE_FILE = "localnet.sqlite"
_LONGEST_SLEEP = 0.05  # seconds; the injected clock may be moved by others


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalnetSettings:
    """How a local chain is run.

    Attributes
    ----------
    seed
        Of its keys, its genesis and its faults.
    state
        Folder of the state; None keeps it in memory.
    program
        ELF to deploy at genesis; None deploys nothing.
    host, port
        Where the RPC listens; the websocket takes the next port, as clients expect. 0 takes two free ones.
    slot_ms
        Length of a slot.
    faults
        What goes wrong from the start.
    """

    seed: int = 7
    state: Path | None = None
    program: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    slot_ms: int = 400
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        if not 1 <= self.slot_ms <= 60_000:
            raise ValueError(f"slot_ms={self.slot_ms}: expected 1 to 60000 milliseconds")
        if not 0 <= self.port <= 65_534:
            raise ValueError(f"port={self.port}: expected 0 to 65534 (the websocket takes the next one)")


class Localnet:
    """One chain. ``call`` works at once; ``start`` opens the sockets.

    Parameters
    ----------
    settings
        How it is run.
    clock
        Gives the time of the chain.

    Raises
    ------
    SettlementError
        If the state cannot be opened or belongs to another chain, or the loader refuses the program.
    """

    def __init__(self, settings: LocalnetSettings, clock: Clock) -> None:
        self.settings = settings
        path = None if settings.state is None else settings.state / STATE_FILE
        self._store = Store(path)
        try:
            self._bank = open_bank(self._store, clock, settings.seed, settings.program, settings.slot_ms)
        except BaseException:
            self._store.close()
            raise
        self._keys = LocalKeys(settings.seed)
        self._network = Network(self._bank, settings.faults, settings.seed)
        self._service = Service(self._bank, self._network, self._keys)
        self._wake = asyncio.Event()
        self._pubsub = PubSub(self._bank, self._service.reading, self._wake.set)
        self._bank.on_landed = self._pubsub.landed
        self._http = HttpServer(self.answer, local_only=is_loopback(settings.host))
        self._ticker: asyncio.Task[None] | None = None
        self._ports = (0, 0)

    @property
    def program(self) -> Pubkey:
        """Address of the deployed program."""
        return self._keys.program.pubkey()

    @property
    def url(self) -> str:
        """Address of the RPC."""
        return f"http://{_named(self.settings.host)}:{self._ports[0]}"

    @property
    def websocket_url(self) -> str:
        """Address of the websocket."""
        return f"ws://{_named(self.settings.host)}:{self._ports[1]}"

    def call(self, method: str, *values: Any) -> Any:
        """Carry a method out in this process.

        Raises
        ------
        RpcError
            As over the network.
        """
        return self._service.call(method, list(values))

    def set_faults(self, faults: Faults) -> None:
        """Change what goes wrong from now on."""
        self._network.set_faults(faults)

    def confirmed_ns(self, signature: str) -> int | None:
        """Return when a transaction was or will be confirmed, chain time; None where it has not landed."""
        landed = self._store.transaction(signature)
        return None if landed is None else landed.confirmed_ns

    async def start(self) -> Self:
        """Open the sockets.

        Raises
        ------
        SettlementError
            If the ports are taken.
        """
        tries = 20 if self.settings.port == 0 else 1
        for left in reversed(range(tries)):
            port = await self._listen(self._http, self.settings.port)
            try:
                self._ports = (port, await self._listen(self._pubsub, port + 1))
                break
            except SettlementError:
                await self._http.close()
                if not left:
                    raise
        self._ticker = asyncio.create_task(self._tick())
        return self

    async def _listen(self, server: HttpServer | PubSub, port: int) -> int:
        try:
            return await server.start(self.settings.host, port)
        except (OSError, OverflowError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
            raise SettlementError(f"cannot listen on {self.settings.host}:{port}: {reason}") from error

    async def close(self) -> None:
        """Close sockets and state."""
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
            await self._http.close()
            await self._pubsub.close()
        self._store.close()

    async def __aenter__(self) -> Self:
        """Start."""
        return await self.start()

    async def __aexit__(self, *about: object) -> None:
        """Close."""
        await self.close()

    # --- HTTP ------------------------------------------------------------------------------------------

    async def answer(self, body: bytes) -> Reply:
        """Answer the body of a request, RPC faults included."""
        try:
            request = parse(body)
        except RpcError as error:
            return Reply(body=msgspec.json.encode(failed(None, error)))
        lose_answer = False
        if self._meets_faults(request):
            faults, happens = self._network.faults, self._network.draws.happens
            drawn = {
                name: happens(name, getattr(faults, name))
                for name in ("rpc_timeout", "rpc_unavailable", "rpc_error", "rpc_lost_answer")
            }
            if drawn["rpc_timeout"]:
                await asyncio.sleep(faults.rpc_timeout_ms / 1000.0)
                return Reply(close=True)
            if drawn["rpc_unavailable"]:
                return Reply(503, b"service unavailable\n", b"text/plain; charset=utf-8")
            if drawn["rpc_error"]:
                return Reply(body=msgspec.json.encode(failed(request_id(request), unhealthy())))
            lose_answer = drawn["rpc_lost_answer"]
        answer = self._service.answer(request)
        self._publish()
        if lose_answer:
            return Reply(close=True)
        return Reply(204, b"") if answer is None else Reply(body=msgspec.json.encode(answer))

    def _meets_faults(self, request: Any) -> bool:
        items = request if isinstance(request, list) else [request]
        asked = (item.get("method") for item in items if isinstance(item, dict))
        names = {name for name in asked if isinstance(name, str)}
        chosen = self._network.faults.methods
        if chosen:
            return not names.isdisjoint(chosen)
        return any(not name.startswith(OWN_PREFIX) for name in names)

    # --- time ------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        self._pubsub.publish()
        self._wake.set()

    async def _tick(self) -> None:
        while True:
            try:
                self._network.pump()
                self._pubsub.publish()
            except SettlementError:
                return  # every call answers with the reason from now on
            due = [self._network.next_due_ns(), self._pubsub.next_due_ns()]
            waiting = [time_ns for time_ns in due if time_ns is not None]
            sleep: float | None = None
            if waiting:
                left = (min(waiting) - self._bank.clock_ns()) / 1e9
                sleep = min(max(left, 0.0), _LONGEST_SLEEP)
            elif self._pubsub.follows_slots:
                sleep = _LONGEST_SLEEP
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), sleep)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _named(host: str) -> str:
    return f"[{host}]" if ":" in host else host
