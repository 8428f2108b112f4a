"""``optionsib vault``: a vault's life from the command line, against the local chain as a process."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("solders")

from solders.hash import Hash
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from spl.token.instructions import get_associated_token_address

from optionsib.cli import main
from optionsib.common.clock import SystemClock
from optionsib.vault.client import SolanaVault
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
