"""The local chain as a process."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from optionsib.common.clock import SystemClock
from optionsib.common.config import Config
from optionsib.common.errors import ConfigError, SettlementError
from optionsib.vault.localnet import Faults, Localnet, LocalnetSettings
from optionsib.vault.localnet.server import STATE_FILE, is_loopback
from optionsib.vault.localnet.store import Store
from optionsib.vault.mandates import address, base_units
from optionsib.vault.rpc import METHOD_NOT_FOUND, RpcRefusedError, call, connect
from optionsib.vault.schema import PROGRAM_FILE, program_file
from optionsib.vault.tokens import associated_account

_LAMPORTS_PER_UNIT = 1_000  # SOL has nine decimals, amounts are read with six


def settings_of(
    faults: Sequence[str],
    *,
    seed: int,
    state: Path,
    program: Path | None,
    host: str,
    port: int,
    slot_ms: int,
) -> LocalnetSettings:
    """Return settings; ``faults`` are words NAME=VALUE, the name one of `Faults`; no program: the vault's.

    Raises
    ------
    ValueError
        If a word is none of these, or a value is out of range.
    SettlementError
        If the vault's program is not installed.
    """
    if program is None:
        program = program_file(PROGRAM_FILE)
    named: dict[str, object] = {}
    for word in faults:
        name, equals, value = word.partition("=")
        if not equals or name not in Faults.__struct_fields__:
            raise ValueError(f"--fault {word!r}: expected NAME=VALUE, NAME one of {Faults.__struct_fields__}")
        named[name] = value.split(",") if name == "methods" else value
    return LocalnetSettings(
        seed=seed,
        state=state,
        program=program,
        host=host,
        port=port,
        slot_ms=slot_ms,
        faults=msgspec.convert(named, Faults, strict=False),
    )


def fund(config: Config, keys: Sequence[str], *, sol: str, usdt: str) -> int:
    """Give SOL and USDT to each of ``keys``; only a local chain has a method for it.

    Raises
    ------
    ConfigError
        If there is no node, or an address or amount is none.
    SettlementError
        If the node does not answer, or is none of these chains.
    """
    url = config.vault.rpc_url.get_secret_value()
    if not url:
        raise ConfigError("no RPC node: expected --rpc URL or OPTIONSIB_VAULT__RPC_URL")
    owners = [address(key, "address") for key in keys]
    lamports, units = base_units(sol, "--sol") * _LAMPORTS_PER_UNIT, base_units(usdt, "--usdt")

    async def work() -> None:
        client = connect(url)
        try:
            await call(client, Any, "localnet_info")
            for owner in owners:
                if lamports:
                    await call(client, Any, "requestAirdrop", str(owner), lamports)
                await call(client, Any, "localnet_mint", str(owner), units)
                print(f"{owner}: {sol} SOL; {usdt} USDT in {associated_account(owner)}")
        except RpcRefusedError as error:
            if error.code != METHOD_NOT_FOUND:
                raise
            raise SettlementError(
                "this node is not `optionsib vault localnet`: nobody gives SOL or USDT away elsewhere"
            ) from error
        finally:
            await client.close()

    asyncio.run(work())
    return 0


async def serve(settings: LocalnetSettings, *, reset: bool = False) -> None:
    """Serve until SIGINT or SIGTERM; the first line on stdout is JSON with the addresses.

    Raises
    ------
    SettlementError
        If the state cannot be opened, or a port is taken.
    """
    if reset and settings.state is not None:
        store = Store(settings.state / STATE_FILE)
        store.clear()
        store.close()
    if not is_loopback(settings.host):
        print(f"warning: whoever reaches {settings.host} can mint, freeze and break here", file=sys.stderr)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Localnet(settings, SystemClock()) as chain:
        facts = chain.call("localnet_info")
        names = ("program", "usdtMint", "usdtAuthority", "genesisHash", "transactions")
        where = {"rpc": chain.url, "websocket": chain.websocket_url, "state": str(settings.state)}
        print(json.dumps({**where, **{name: facts[name] for name in names}}), flush=True)
        await stop.wait()
