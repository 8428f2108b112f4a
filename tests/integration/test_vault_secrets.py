"""Secrets in the environment and in the vault's keys: they stand in nothing that a session writes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

pytest.importorskip("solders")

from rich.console import Console
from solders.keypair import Keypair

from optionsib.launchers.demo import DemoSettings, run_demo
from optionsib.vault.keys import derive_secret
from optionsib.vault.signer_files import PASSPHRASE_VARIABLE, TOKEN_VARIABLE

SEED, ROLES = 7, ("trader", "engine", "attestor", "settlement", "fees")
PLANTED = {
    PASSPHRASE_VARIABLE: "planted passphrase 3141",
    TOKEN_VARIABLE: "planted token 2718",
    "OPTIONSIB_VAULT__ATTESTOR_CURVE_SECRET_KEY": "planted-curve-secret-key-1618",
}


def forms(seed: bytes) -> list[bytes]:
    """A key as it might be written: raw, in hex, in base58, as a list of numbers."""
    pair = Keypair.from_seed(seed)
    whole = bytes(pair)
    return [seed, seed.hex().encode(), str(pair).encode(), str(list(whole))[1:-1].encode(), whole]


@pytest.mark.timeout(120)
def test_no_secret_is_written_by_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    shown = io.StringIO()
    state = tmp_path / "state"
    run_demo(DemoSettings(state=state, seed=SEED, minutes=60), Console(file=shown, width=160))
    secrets = [value.encode() for value in PLANTED.values()]
    for role in ROLES:
        secrets += forms(derive_secret(SEED, f"vault {role}"))
    written = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    assert {"journal.sqlite", "daemon.log", "report.html", "attestor.sqlite"} <= {p.name for p in written}
    assert any(path.parent.name == "chain" for path in written)
    for path, content in (*written.items(), (Path("the screen"), shown.getvalue().encode())):
        for secret in secrets:
            assert secret not in content, f"a secret stands in {path.name}"


def test_the_search_would_find_one(tmp_path: Path) -> None:
    pair = Keypair.from_seed(derive_secret(SEED, "vault engine"))
    (tmp_path / "log").write_text(f"engine {pair}")
    assert any(form in (tmp_path / "log").read_bytes() for form in forms(derive_secret(SEED, "vault engine")))
