"""The withdraw tool: one file and the interface file, no OptionsIB, the engine gone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("solders")

from pydantic import SecretStr
from solders.keypair import Keypair

from optionsib.vault.schema import SCHEMA_FILE, program_file
from optionsib.vault.signer_files import PASSPHRASE_VARIABLE, write_key_file
from tests.integration.localnet_processes import Chain, chain, own, run
from tests.integration.test_vault_trade import do, now, prepared, tokens, trading_on
from tests.vault_tools import ROOT
from tests.vault_trading import DAY, Trading

AMOUNT = 1_000_000_000
# Neither OptionsIB nor its libraries can be imported in there.
ALONE = """
import runpy, sys
for name in ("optionsib", "solana", "spl", "msgspec", "pydantic", "httpx2"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with chain(tmp_path_factory.mktemp("localnet")) as started:
        yield started


@pytest.fixture
def trading(running: Chain) -> Trading:
    """A vault with one open trade, of a trader of its own."""
    found = trading_on(running, Keypair())

    async def trade(rpc: Any) -> None:
        await prepared(rpc, found)
        await do(rpc, [found.open(1, AMOUNT, await now(rpc) + 20 * DAY)], found.engine)

    run(running, trade)
    return found


def tool(
    running: Chain, folder: Path, trading: Trading, key: Path, *words: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the tool from a folder that has it and vault.json, nothing else."""
    if not (folder / "withdraw.py").exists():
        shutil.copy(ROOT / "vault" / "withdraw.py", folder)
        shutil.copy(program_file(SCHEMA_FILE), folder)
    command = [
        sys.executable, "-I", "-c", ALONE, str(folder / "withdraw.py"), "--rpc", running.url,
        "--program", str(trading.program), "--key", str(key),
    ]  # fmt: skip
    return subprocess.run(
        [*command, *words],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def plain_key(folder: Path, trading: Trading) -> Path:
    path = folder / "id.json"
    path.write_text(json.dumps(list(bytes(trading.trader))))
    return path


def test_everything_comes_out_without_the_engine(running: Chain, trading: Trading, tmp_path: Path) -> None:
    key = plain_key(tmp_path, trading)
    whole = 50_000_000_000
    shown = tool(running, tmp_path, trading, key, "status")
    assert "free    49,000.000000" in shown.stdout, shown.stderr
    assert "trade 1: 1,000.000000 in escrow" in shown.stdout
    done = tool(running, tmp_path, trading, key, "withdraw", "48000.5")
    assert "free now: 999.500000" in done.stdout, done.stderr
    alive = tool(running, tmp_path, trading, key, "release", "1")
    assert alive.returncode == 1
    assert "ENGINE_ALIVE" in alive.stderr
    assert "NOT_EXPIRED" in tool(running, tmp_path, trading, key, "expire", "1").stderr
    run(running, lambda rpc: own(rpc, "advanceClock", DAY + 1))
    released = tool(running, tmp_path, trading, key, "release", "1")
    assert "free now: 1,999.500000" in released.stdout, released.stderr
    assert "is not open" in tool(running, tmp_path, trading, key, "release", "1").stderr
    assert "free now: 0.000000" in tool(running, tmp_path, trading, key, "withdraw", "all").stdout

    async def paid_out(rpc: Any) -> int:
        return await tokens(rpc, trading.usdt_account(trading.trader))

    assert run(running, paid_out) == whole


def test_an_expired_trade_and_an_encrypted_key(running: Chain, trading: Trading, tmp_path: Path) -> None:
    key = tmp_path / "trader.key"
    write_key_file(key, trading.trader, SecretStr("planted passphrase"), scrypt_n=2**14)
    run(running, lambda rpc: own(rpc, "advanceClock", 20 * DAY))
    opened = {PASSPHRASE_VARIABLE: "planted passphrase"}
    assert "has expired" in tool(running, tmp_path, trading, key, "status", **opened).stdout
    done = tool(running, tmp_path, trading, key, "expire", "1", **opened)
    assert "free now: 50,000.000000" in done.stdout, done.stderr


def test_what_cannot_be_is_named(running: Chain, trading: Trading, tmp_path: Path) -> None:
    key = plain_key(tmp_path, trading)
    for words, reason in (
        (("withdraw", "much"), "expected an amount"),
        (("withdraw", "1000000"), "INSUFFICIENT_FUNDS"),
        (("release",), "expected the NUMBER"),
    ):
        refused = tool(running, tmp_path, trading, key, *words)
        assert refused.returncode != 0
        assert reason in refused.stderr
    stranger = tmp_path / "stranger.json"
    stranger.write_text(json.dumps(list(bytes(Keypair()))))
    assert "has no vault" in tool(running, tmp_path, trading, stranger, "status").stderr


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b'{"result": {"value": {"data": ["A", "base64"]}}}', "cannot be read"),
        (b'{"result": {"value": {"data": [""]}}}', "expected 1"),
        (b'{"result": 7}', "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"other": 1}', "cannot be read"),
        (b'{"error": {"code": -32005, "message": "behind"}}', "the node refuses: behind"),
        (b'{"error": "no"}', "the node refuses: no"),
        (b"<html>", "no answer from the node"),
    ],
)
def test_no_answer_ends_in_a_traceback(answer: bytes, reason: str, trading: Trading, tmp_path: Path) -> None:
    class Node(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *words: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Node)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        node: Any = SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}")
        found = tool(node, tmp_path, trading, plain_key(tmp_path, trading), "status")
    finally:
        server.shutdown()
        server.server_close()
    assert found.returncode == 1
    assert reason in found.stderr
    assert "Traceback" not in found.stderr


def test_a_key_file_that_is_none_or_open_to_others_is_told(
    running: Chain, trading: Trading, tmp_path: Path
) -> None:
    key = plain_key(tmp_path, trading)
    key.chmod(0o644)
    warned = tool(running, tmp_path, trading, key, "status")
    assert warned.returncode == 0, warned.stderr
    assert "others can read" in warned.stderr
    sealed = tmp_path / "trader.key"
    write_key_file(sealed, trading.trader, SecretStr("planted passphrase"), scrypt_n=2**14)
    wrong = tool(running, tmp_path, trading, sealed, "status", **{PASSPHRASE_VARIABLE: "another one"})
    assert "wrong passphrase (InvalidTag)" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    key.write_text("[1, 2, 999]")
    broken = tool(running, tmp_path, trading, key, "status")
    assert "no key, or a wrong passphrase" in broken.stderr
    assert "999" not in broken.stderr
    absent = tool(running, tmp_path, trading, tmp_path / "none.json", "status")
    assert "No such file" in absent.stderr
