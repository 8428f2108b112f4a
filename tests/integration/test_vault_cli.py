"""``optionsib vault``: a vault's life from the command line, against the local chain as a process."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("solders")

from solders.hash import Hash
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from spl.token.instructions import get_associated_token_address

from optionsib.bus.journal import Journal
from optionsib.cli import main
from optionsib.common.clock import SystemClock
from optionsib.common.config import load_config
from optionsib.common.errors import ConfigError
from optionsib.common.events import Event, LedgerEntry
from optionsib.vault.books import transfer
from optionsib.vault.client import SolanaVault
from optionsib.vault.ledger import VaultLedger
from optionsib.vault.mandates import refuse_other_symbol, symbols_hash
from optionsib.vault.program_client import CloseMessage, ed25519_instruction
from optionsib.vault.signer_files import PASSPHRASE_VARIABLE, signer_of
from optionsib.vault.signers import LocalSigner
from optionsib.vault.tokens import USDT_MINT
from tests.integration.localnet_processes import Chain, chain, own, run
from tests.vault_trading import Trading

HELD = 50_000_000_000
PASSPHRASE = "planted passphrase of the tests"
Command = Callable[..., str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with chain(tmp_path_factory.mktemp("localnet")) as started:
        yield started


@pytest.fixture
def trading(running: Chain) -> Trading:
    """A trader of one's own, with SOL and USDT; the other roles likewise."""
    found = Trading(
        Pubkey.from_string(running.facts["program"]),
        Hash.from_string(running.facts["genesisHash"]),
        Pubkey.from_string(running.facts["usdtAuthority"]),
        trader=Keypair(),
        engine=Keypair(),
        attestor=Keypair(),
        settlement=Keypair(),
        fees=Keypair(),
    )

    async def give(rpc: Any) -> None:
        await own(rpc, "advanceClock", 1)
        for owner in (*found.owners, found.engine):
            await rpc.request_airdrop(owner.pubkey(), 10**10)
        for owner in found.owners:
            await own(rpc, "mint", str(owner.pubkey()), HELD)

    run(running, give)
    return found


@pytest.fixture
def command(
    running: Chain,
    trading: Trading,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Carry a command out; returns what it printed, or the error text where a failure is expected."""
    monkeypatch.setenv("OPTIONSIB_VAULT__RPC_URL", running.url)
    monkeypatch.setenv("OPTIONSIB_VAULT__PROGRAM", running.facts["program"])
    monkeypatch.setenv("OPTIONSIB_VAULT__TRADER", str(trading.trader.pubkey()))
    for name in ("trader", "engine", "settlement"):
        monkeypatch.setenv(f"TEST_{name.upper()}", str(getattr(trading, name)))

    def carry_out(*words: str, fails: int = 0) -> str:
        capsys.readouterr()
        assert main(["vault", *words]) == fails, capsys.readouterr()
        printed = capsys.readouterr()
        return printed.err if fails else printed.out

    return carry_out


def created(command: Command, trading: Trading) -> None:
    command(
        "create",
        f"engine={trading.engine.pubkey()}",
        f"attestor={trading.attestor.pubkey()}",
        f"settlement={trading.usdt_account(trading.settlement)}",
        f"fee_account={trading.usdt_account(trading.fees)}",
        "trade_cap=2000",
        "--signer",
        "environment:TEST_TRADER",
        "--yes",
    )


def test_a_vault_from_creation_to_withdrawal(command: Command, trading: Trading) -> None:
    created(command, trading)
    assert "trade_cap         2,000.000000 USDT" in command("mandate", "show")
    assert "free now: 1,000.500000 USDT" in command(
        "deposit", "1000.5", "--signer", "environment:TEST_TRADER"
    )
    status = json.loads(command("status", "--json"))
    assert (status["free"], status["escrow"], status["warnings"]) == (1_000_500_000, 0, [])
    assert "this package's, nobody can replace it" in status["program"]
    payout = get_associated_token_address(trading.trader.pubkey(), USDT_MINT)
    assert str(payout) in command("withdraw", "0.5", "--signer", "environment:TEST_TRADER")
    assert "1,000.000000" in command("withdraw", "all", "--signer", "environment:TEST_TRADER")
    kinds = [
        record["kind"]
        for line in command("history", "--json").splitlines()
        for record in json.loads(line)["records"]
    ]
    assert kinds == ["create", "deposit", "withdraw", "withdraw"]
    assert "4 records" in command("verify")
    assert "withdraw" in command("history")
    assert "free             0.000000 USDT" in command("status")


def journaled(
    path: Path, running: Chain, trading: Trading, change: Callable[[list[Event]], list[Event]] = list
) -> Path:
    """Journal what a daemon's ledger has of this vault, changed."""
    events: list[Event] = []

    async def book(rpc: Any) -> None:
        vault = SolanaVault(
            rpc, program=trading.program, mint=USDT_MINT, trader=trading.trader.pubkey(), clock=SystemClock()
        )
        place = (str(trading.cluster), str(trading.program), str(trading.vault))
        ledger = VaultLedger(SystemClock(), events.append, place=place, trade_seconds=3_600)
        for entry in await vault.history():
            for logged in entry.events:
                ledger.book(logged.record, paid=True, signature=entry.signature)

    run(running, book)
    with Journal.create(path, {"seed": 1}) as journal:
        for event in change(events):
            journal.append_durable(event, 1)
    return path


def test_verify_names_what_chain_and_journal_do_not_share(
    command: Command,
    trading: Trading,
    running: Chain,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    created(command, trading)
    command("deposit", "1000", "--signer", "environment:TEST_TRADER")
    command("withdraw", "250", "--signer", "environment:TEST_TRADER")
    assert "3 records, each hash recomputed" in command("verify")
    good = journaled(tmp_path / "good.sqlite", running, trading)
    printed = command("verify", str(good))
    assert "3 records" in printed
    assert "the ledger has each of them once" in printed

    def differences(path: Path) -> list[str]:
        assert main(["vault", "verify", str(path)]) == 1
        lines = capsys.readouterr().out.splitlines()
        assert all(line.startswith("DIFFERENCE: ") for line in lines)
        return lines

    (missing,) = differences(
        journaled(tmp_path / "missing.sqlite", running, trading, lambda found: [*found[:1], *found[2:]])
    )
    assert "record 1 (deposit, 1,000.000000 USDT) of" in missing
    assert "is not in the ledger" in missing

    def invented(found: list[Event]) -> list[Event]:
        assert isinstance(found[1], LedgerEntry)
        return [*found, msgspec.structs.replace(found[1], reference="chain 7", signature="nowhere")]

    (extra,) = differences(journaled(tmp_path / "extra.sqlite", running, trading, invented))
    assert "the ledger has record 7 (deposit of nowhere), the chain has not" in extra

    def bent(found: list[Event]) -> list[Event]:
        assert isinstance(found[1], LedgerEntry)
        return [
            found[0],
            msgspec.structs.replace(found[1], postings=transfer("outside", "free", 1)),
            found[2],
        ]

    (moved,) = differences(journaled(tmp_path / "bent.sqlite", running, trading, bent))
    assert "moves free +1,000.000000, outside -1,000.000000; the ledger has free +0.000001" in moved

    with sqlite3.connect(good) as connection:
        (payload,) = connection.execute("SELECT payload FROM records WHERE seq = 2").fetchone()
        changed = payload.replace(b"deposit", b"Deposit")
        assert changed != payload
        connection.execute("UPDATE records SET payload = ? WHERE seq = 2", (changed,))
    (tampered,) = differences(good)
    assert "is bad at record 2: its content does not match its hash" in tampered
    assert "no journal" in command("verify", str(tmp_path / "none.sqlite"), fails=1)


class OtherNode(BaseHTTPRequestHandler):
    """A node that has none of the local chain's own methods."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        error = {"code": -32601, "message": "Method not found"}
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        return None


def test_a_local_chain_gives_sol_and_usdt_away(
    command: Command, trading: Trading, running: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    key = str(tmp_path / "new.key")
    command("key", "new", key)
    owner, account = command("key", "show", key).strip(), command("key", "account", key).strip()
    assert account == str(get_associated_token_address(Pubkey.from_string(owner), USDT_MINT))
    assert command("fund", owner, "--sol", "2.5", "--usdt", "40") == (
        f"{owner}: 2.5 SOL; 40 USDT in {account}\n"
    )

    async def look(rpc: Any) -> tuple[int, int]:
        lamports = (await rpc.get_balance(Pubkey.from_string(owner))).value
        return lamports, int((await rpc.get_token_account_balance(Pubkey.from_string(account))).value.amount)

    assert run(running, look) == (2_500_000_000, 40_000_000)
    assert "expected an address" in command("fund", "abc", fails=1)
    assert "no answer" in command("fund", owner, "--rpc", "http://127.0.0.1:9", fails=1)
    with HTTPServer(("127.0.0.1", 0), OtherNode) as node:
        threading.Thread(target=node.handle_request, daemon=True).start()
        refused = command("fund", owner, "--rpc", f"http://127.0.0.1:{node.server_port}", fails=1)
    assert "nobody gives SOL or USDT away elsewhere" in refused


def test_a_daemon_trades_what_the_mandate_allows(trading: Trading) -> None:
    config = load_config("paper").vault
    mandate = trading.mandate(symbols_hash=symbols_hash(["SPY", "SIMX"]))
    several = config.model_copy(update={"symbols": "SIMX, SPY"})
    refuse_other_symbol(mandate, several, "SPY")
    refuse_other_symbol(trading.mandate(), config, "anything")  # a mandate without symbols
    with pytest.raises(ConfigError, match="the mandate's symbols are not SPY: expected them in"):
        refuse_other_symbol(mandate, config, "SPY")
    with pytest.raises(ConfigError, match="is QQQ; the mandate allows SIMX, SPY"):
        refuse_other_symbol(mandate, several, "QQQ")


def test_a_mandate_changes_after_its_timelock(command: Command, trading: Trading, running: Chain) -> None:
    created(command, trading)
    signer = ("--signer", "environment:TEST_TRADER")
    shown = command("mandate", "propose", "trade_cap=3000", "timelock_hours=48", "--yes", *signer)
    assert "pending" in shown
    assert "trade_cap         3,000.000000 USDT" in shown
    assert "TIMELOCKED" in command("mandate", "apply", *signer, fails=1)
    run(running, lambda rpc: own(rpc, "advanceClock", 86_400))
    assert "trade_cap         3,000.000000 USDT" in command("mandate", "apply", *signer)
    assert ", paused" in command("mandate", "pause", "--signer", "environment:TEST_ENGINE")
    assert "paused: nothing opens" in command("status")
    assert "paused" not in command("mandate", "unpause", *signer).splitlines()[1]
    command("mandate", "propose", "trade_cap=4000", "--yes", *signer)
    assert "pending" not in command("mandate", "cancel", *signer)


def test_an_owed_profit_is_paid(command: Command, trading: Trading, running: Chain) -> None:
    created(command, trading)
    command("deposit", "1000", "--signer", "environment:TEST_TRADER")
    assert "nothing is owed" in command("pay", "--signer", "environment:TEST_SETTLEMENT")

    async def owe(rpc: Any) -> None:
        vault = SolanaVault(
            rpc, program=trading.program, mint=USDT_MINT, trader=trading.trader.pubkey(), clock=SystemClock()
        )
        engine = LocalSigner(trading.engine)
        now = (await vault.read()).chain_time
        await vault.run([trading.open(1, 10**8, now + 3_600)], signers=[engine])
        trade = await vault.trade(1)
        assert trade is not None
        terms: dict[str, Any] = {
            "share": 10**8, "pnl": 7_000_000, "close_number": 0, "executions_hash": b"\5" * 32,
            "valid_until": now + 600,
        }  # fmt: skip
        digest = CloseMessage(
            cluster=bytes(trading.cluster), program=trading.program, vault=trading.vault, trade_id=1, **terms
        ).digest()
        close = vault.program.close(
            vault.trader,
            trade,
            settlement_authority=trading.settlement.pubkey(),
            settlement_signs=False,
            **terms,
        )
        attested = ed25519_instruction(
            trading.attestor.pubkey(), trading.attestor.sign_message(digest), digest
        )
        await vault.run([attested, close], signers=[engine])

    run(running, owe)
    assert "7.000000 USDT owed" in command("status")
    assert "a profit is unpaid" in command("status")
    assert "trade 1: paid 7.000000 of 7.000000" in command("pay", "--signer", "environment:TEST_SETTLEMENT")
    assert json.loads(command("status", "--json"))["trades"] == []
    assert "records" in command("verify")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("withdraw", "1", "--signer", "environment:TEST_TRADER"), "has no vault"),
        (("deposit", "-1", "--signer", "environment:TEST_TRADER"), "expected 0 to"),
        (("deposit", "1.0000001", "--signer", "environment:TEST_TRADER"), "steps of 0.000001"),
        (("deposit", "much", "--signer", "environment:TEST_TRADER"), "expected USDT"),
        (("create", "engine=abc", "--yes", "--signer", "environment:TEST_TRADER"), "address in base58"),
        (("create", "--yes", "--signer", "environment:TEST_TRADER"), "names no engine"),
        (("create", "colour=red", "--yes", "--signer", "environment:TEST_TRADER"), "expected one of"),
        (("mandate", "apply"), "expected --signer"),
        (("status", "--rpc", "ftp://secret-key@node"), "expected http"),
        (("status", "--rpc", "http://127.0.0.1:9"), "no answer"),
    ],
)
def test_a_wrong_word_is_named(command: Command, words: tuple[str, ...], reason: str) -> None:
    error = command(*words, fails=1)
    assert reason in error
    assert "secret-key" not in error


def test_nothing_is_signed_unasked(command: Command, trading: Trading) -> None:
    assert "not agreed" in command(
        "create",
        f"engine={trading.engine.pubkey()}",
        f"attestor={trading.attestor.pubkey()}",
        f"settlement={trading.usdt_account(trading.settlement)}",
        f"fee_account={trading.usdt_account(trading.fees)}",
        "--signer",
        "environment:TEST_TRADER",
        fails=1,
    )


def test_key_files(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    made = tmp_path / "engine.key"
    printed = command("key", "new", str(made))
    public = command("key", "show", str(made)).strip()
    assert public in printed
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert asyncio.run(signer_of(f"file:{made}").sign(b"m")).verify(Pubkey.from_string(public), b"m")
    pair, plain = Keypair(), tmp_path / "id.json"
    plain.write_text(json.dumps(list(bytes(pair))))
    plain.chmod(0o600)
    command("key", "import", str(tmp_path / "imported.key"), "--from", str(plain))
    assert signer_of(f"file:{tmp_path / 'imported.key'}").public_key == pair.pubkey()
    assert "exists" in command("key", "new", str(made), fails=1)
    assert main(["vault", "key", "import", str(tmp_path / "other.key")]) == 2
