"""Chain, paper exchange, attestor and daemon as processes; the vault is set up as its page says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("solders")
pytest.importorskip("ib_async")

from solders.pubkey import Pubkey

from optionsib.common.events import Execution, LedgerEntry, SessionStarted, VaultIntent
from optionsib.launchers.exchange import RunningExchange, exchange_process
from optionsib.launchers.state_folder import journal_path
from optionsib.vault.program_instructions import VaultProgram
from optionsib.vault.signer_files import PASSPHRASE_VARIABLE
from optionsib.vault.tokens import USDT_MINT, associated_account
from tests.integration.localnet_processes import Chain, chain, client
from tests.integration.session_processes import cli, live_daemon, set_options
from tests.integration.test_operations import (
    HOLD,
    PATIENCE_SECONDS,
    SPEED,
    events_of,
    real_exchange,
    wait_for,
)

pytestmark = pytest.mark.timeout(600)
USDT = 1_000_000
DEPOSIT, GIVEN = 5_000, 10_000  # USDT; the second to each of the owners
OWNERS = ("trader", "settlement", "fees")


def command(*words: str, fails: int = 0) -> str:
    """Run a command; return what it printed, the errors where it must fail."""
    done = cli(*words)
    assert done.returncode == fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout


def set_up(running: Chain, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Pubkey]:
    """Do what docs/vault.md says, word by word; return everybody's public key."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "a passphrase of the tests")
    monkeypatch.setenv("OPTIONSIB_VAULT__RPC_URL", running.url)
    monkeypatch.setenv("OPTIONSIB_VAULT__PROGRAM", running.facts["program"])
    keys = {}
    for name in (*OWNERS, "engine", "attestor"):
        command("vault", "key", "new", f"{name}.key")
        keys[name] = Pubkey.from_string(command("vault", "key", "show", f"{name}.key").strip())
    assert command("vault", "key", "account", "fees.key").strip() == str(associated_account(keys["fees"]))
    monkeypatch.setenv("OPTIONSIB_VAULT__TRADER", str(keys["trader"]))
    command("vault", "fund", *(str(keys[name]) for name in OWNERS))
    command("vault", "fund", str(keys["engine"]), "--usdt", "0")
    trader = ("--signer", "file:trader.key")
    command(
        "vault",
        "create",
        *trader,
        "--yes",
        f"engine={keys['engine']}",
        f"attestor={keys['attestor']}",
        f"settlement={associated_account(keys['settlement'])}",
        f"fee_account={associated_account(keys['fees'])}",
        "symbols=SIMX",
    )
    assert "free now: 5,000.000000" in command("vault", "deposit", str(DEPOSIT), *trader)
    command("vault", "mandate", "propose", "trade_cap=2500", "--yes", *trader)  # cuts risk: in force at once
    assert "trade_cap         2,500.000000 USDT" in command("vault", "mandate", "show")
    monkeypatch.setenv("OPTIONSIB_VAULT__ENGINE_SIGNER", "file:engine.key")
    monkeypatch.setenv("OPTIONSIB_VAULT__SETTLEMENT_SIGNER", "file:settlement.key")
    monkeypatch.setenv("OPTIONSIB_VAULT__ATTESTOR_SIGNER", "file:attestor.key")
    return keys


@contextlib.contextmanager
def attestor(exchange: RunningExchange, state: Path) -> Iterator[None]:
    """Run the attestor; it ends in an orderly way on leaving."""
    words = ["--set", f"gateway.port={exchange.port}", "--set", f"paths.state={state}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "optionsib.cli", "vault", "attestor", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, errors) == (0, "")


def usdt_of(running: Chain, keys: dict[str, Pubkey]) -> dict[str, int]:
    """Return who has how much, by the chain itself."""
    own = VaultProgram(Pubkey.from_string(running.facts["program"]), USDT_MINT).addresses(keys["trader"])
    accounts = {name: associated_account(keys[name]) for name in OWNERS}

    async def read() -> dict[str, int]:
        async with client(running) as rpc:
            return {
                name: int((await rpc.get_token_account_balance(account)).value.amount)
                for name, account in (*accounts.items(), ("funds", own.funds), ("escrow", own.escrow))
            }

    return asyncio.run(read())


def chain_words(answer: Any) -> dict[str, str]:
    """Return what the chain has of each trade, by the daemon."""
    return dict(answer["view"]["vault"]["trades"])


def is_on_chain(answer: Any) -> bool:
    return bool(answer["view"]["trades"]) and set(chain_words(answer).values()) == {"on chain"}


def names_attestor(answer: Any) -> bool:
    return any(words.startswith("ATTESTOR_DOWN: ") for words in answer["view"]["vault"]["conditions"])


def all_settled(answer: Any) -> bool:
    vault = answer["view"]["vault"]
    return vault["escrow"] == vault["under_way"] == 0 and not vault["trades"] and not vault["conditions"]


def test_a_daemon_settles_on_a_chain_of_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    with chain(tmp_path / "chain") as running:
        keys = set_up(running, tmp_path, monkeypatch)
        with exchange_process(real_exchange(), tmp_path / "exchange.log") as exchange:
            trade_and_settle(exchange, state)
            words = set_options(exchange, state, *HOLD)
        what_is_left(running, keys, state, words)


def trade_and_settle(exchange: RunningExchange, state: Path) -> None:
    words = set_options(exchange, state, *HOLD)
    with attestor(exchange, state):
        with live_daemon(exchange, state, SPEED, *HOLD) as daemon:
            wait_for(state, is_on_chain, daemon, "a trade on the chain")
            daemon.kill()
            daemon.wait()
        assert "escrow           0.000000" not in command("vault", "status")

    with live_daemon(exchange, state, SPEED, *HOLD) as daemon:
        # The attestor is away: what is sold is sold, and its settlement waits.
        wait_for(state, is_on_chain, daemon, "what the killed daemon had opened")
        command("flatten", *words)
        answer = wait_for(
            state,
            lambda a: names_attestor(a) and not a["view"]["trades"],
            daemon,
            "exits all the same",
        )
        assert answer["view"]["vault"]["escrow"] > 0
        shown = command("status", *words)
        assert "vault ATTESTOR_DOWN: no answer" in shown
        assert ": close due" in shown
        command("resume", *words)
        with attestor(exchange, state):
            wait_for(state, lambda a: not names_attestor(a), daemon, "the attestor's return")
            command("flatten", *words)
            answer = wait_for(state, all_settled, daemon, "the settlement of all trades")
            assert answer["view"]["vault"]["settled"] != 0
            assert "then confirmed by the network in" in command("status", *words)
            command("resume", *words)
            wait_for(state, is_on_chain, daemon, "another trade")
            daemon.send_signal(signal.SIGTERM)
            out, err = daemon.communicate(timeout=PATIENCE_SECONDS)
            assert daemon.returncode == 0, out + err


def what_is_left(running: Chain, keys: dict[str, Pubkey], state: Path, words: list[str]) -> None:
    """Chain, journal and executions tell the same, and no unit of money came or went."""
    journal, events = journal_path(state), events_of(state)
    assert [event.resumed for event in events if isinstance(event, SessionStarted)] == [False, True]
    assert "the ledger has each of them once" in command("vault", "verify", str(journal))
    records = [
        record
        for line in command("vault", "history", "--json").splitlines()
        for record in json.loads(line)["records"]
    ]
    assert [record["kind"] for record in records[:3]] == ["create", "deposit", "propose"]
    opened = [record["trade_id"] for record in records if record["kind"] == "open"]
    closed = [record["trade_id"] for record in records if record["kind"] == "close"]
    assert len(opened) == len(set(opened)) > 1, "each trade once"
    intended = [e.trade for e in events if isinstance(e, VaultIntent) and e.kind == "close"]
    assert sorted(closed) == sorted(intended), "each close once"
    assert closed

    held = usdt_of(running, keys)
    assert sum(held.values()) == len(OWNERS) * GIVEN * USDT
    status = json.loads(command("vault", "status", "--json"))
    assert status["warnings"] == []
    assert (status["free"], status["escrow"]) == (held["funds"], held["escrow"])
    assert held["escrow"] == sum(trade["remaining"] for trade in status["trades"])
    results = sum(record["pnl"] for record in records)
    assert held["settlement"] == GIVEN * USDT - results
    booked = {posting.account: 0 for e in events if isinstance(e, LedgerEntry) for posting in e.postings}
    for entry in events:
        for posting in entry.postings if isinstance(entry, LedgerEntry) else ():
            booked[posting.account] += posting.amount
    assert booked["free"] + booked["reserved"] == held["funds"]
    assert (booked["escrow"], -booked["settlement"]) == (held["escrow"], results)
    assert any(isinstance(event, Execution) for event in events)
    assert "last session ended: SIGTERM" in command("status", *words)
