"""Signers: what they sign holds, what they hold is never shown."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import pickle
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("solders")

from pydantic import SecretStr
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from optionsib.common.errors import ConfigError
from optionsib.vault.signer_files import (
    PASSPHRASE_VARIABLE,
    TOKEN_VARIABLE,
    EncryptedFileSigner,
    EnvironmentSigner,
    RemoteSigner,
    public_key_of,
    read_plain_key,
    signer_of,
    write_key_file,
)
from optionsib.vault.signers import DemoSigner, LocalSigner, SignerError

QUICK = 2**14
PASSPHRASE = SecretStr("a planted passphrase")
PAIR = Keypair.from_seed(b"planted key of the tests".ljust(32, b"."))
SECRETS = (str(PAIR), bytes(PAIR)[:32].hex(), str(list(bytes(PAIR))), PASSPHRASE.get_secret_value())


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "engine.key"
    write_key_file(path, PAIR, PASSPHRASE, scrypt_n=QUICK)
    return path


def local_signers(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> list[LocalSigner]:
    monkeypatch.setenv("TEST_KEY", str(PAIR))
    monkeypatch.setenv("TEST_KEY_LIST", json.dumps(list(bytes(PAIR))))
    return [
        LocalSigner(PAIR),
        EncryptedFileSigner(key_file, PASSPHRASE),
        EnvironmentSigner("TEST_KEY"),
        EnvironmentSigner("TEST_KEY_LIST"),
    ]


def test_every_source_gives_the_same_key(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for signer in local_signers(key_file, monkeypatch):
        assert signer.public_key == PAIR.pubkey()
        assert asyncio.run(signer.sign(b"message")).verify(PAIR.pubkey(), b"message")


def test_nothing_shows_a_secret(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for signer in (*local_signers(key_file, monkeypatch), DemoSigner(1, "engine")):
        shown = f"{signer!r} {signer} {getattr(signer, '__dict__', '')}"
        assert str(signer.public_key) in shown
        assert not any(secret in shown for secret in SECRETS)
        for way in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="not pickled or copied"):
                way(signer)
    content = key_file.read_text()
    assert str(PAIR.pubkey()) in content
    assert not any(secret in content for secret in SECRETS)


def test_demo_keys_follow_from_seed_and_role() -> None:
    assert DemoSigner(1, "engine").public_key == DemoSigner(1, "engine").public_key
    keys = {DemoSigner(seed, role).public_key for seed in (1, 2) for role in ("engine", "trader", "attestor")}
    assert len(keys) == 6


def test_a_wrong_passphrase_and_a_changed_file_open_nothing(key_file: Path) -> None:
    with pytest.raises(SignerError, match="wrong passphrase"):
        EncryptedFileSigner(key_file, SecretStr("another passphrase"))
    content = json.loads(key_file.read_text())
    assert public_key_of(key_file) == PAIR.pubkey()
    sealed = bytearray(base64.b64decode(content["secret"]))
    sealed[0] ^= 1
    for change in (
        {"secret": base64.b64encode(sealed).decode()},
        {"public_key": str(Keypair().pubkey())},
        {"salt": base64.b64encode(b"0" * 16).decode()},
        {"scrypt_n": 2 * QUICK},
        {"secret": "no base64"},
    ):
        key_file.write_text(json.dumps({**content, **change}))
        with pytest.raises(SignerError, match="wrong passphrase, or the file was changed"):
            EncryptedFileSigner(key_file, PASSPHRASE)


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"scrypt_r": 1}, {"scrypt_n": 2**30}, {"scrypt_n": 30_000}, {"more": 1}]
)
def test_parameters_that_weaken_or_choke_are_refused(key_file: Path, change: dict[str, Any]) -> None:
    key_file.write_text(json.dumps({**json.loads(key_file.read_text()), **change}))
    with pytest.raises(ConfigError):
        EncryptedFileSigner(key_file, PASSPHRASE)


def test_a_file_that_others_may_read_is_refused(key_file: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    for mode in (0o640, 0o604, 0o666):
        key_file.chmod(mode)
        with pytest.raises(ConfigError, match=f"its mode is {mode:03o}"):
            EncryptedFileSigner(key_file, PASSPHRASE)
    key_file.chmod(0o600)
    link = tmp_path / "link.key"
    link.symlink_to(key_file)
    with pytest.raises(ConfigError):
        EncryptedFileSigner(link, PASSPHRASE)
    with pytest.raises(ConfigError, match="No such file"):
        EncryptedFileSigner(tmp_path / "none.key", PASSPHRASE)


def test_a_key_file_is_never_written_over(key_file: Path, tmp_path: Path) -> None:
    before = key_file.read_bytes()
    with pytest.raises(ConfigError, match="nothing was written"):
        write_key_file(key_file, Keypair(), PASSPHRASE, scrypt_n=QUICK)
    assert key_file.read_bytes() == before
    with pytest.raises(ConfigError, match="8 characters"):
        write_key_file(tmp_path / "short.key", PAIR, SecretStr("short"), scrypt_n=QUICK)
    assert not (tmp_path / "short.key").exists()


def test_keys_of_the_solana_tools_are_read(tmp_path: Path) -> None:
    path = tmp_path / "id.json"
    path.write_text(json.dumps(list(bytes(PAIR))))
    path.chmod(0o600)
    assert read_plain_key(path) == PAIR
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="644"):
        read_plain_key(path)


@pytest.mark.parametrize(
    "text",
    ["planted-secret", "[1, 2, 3]", "[300]", '["planted-secret"]', "[" + "0," * 63 + "0]", "1" * 88, "{"],
)
def test_what_is_no_key_is_not_repeated(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", text)
    with pytest.raises(ConfigError, match="expected a key") as caught:
        EnvironmentSigner("TEST_KEY")
    assert "planted-secret" not in str(caught.value)


def test_signers_by_name(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=PASSPHRASE_VARIABLE):
        signer_of(f"file:{key_file}")
    asked: list[str] = []

    def prompt(words: str) -> str:
        asked.append(words)
        return PASSPHRASE.get_secret_value()

    assert signer_of(f"file:{key_file}", prompt=prompt).public_key == PAIR.pubkey()
    assert asked == [f"passphrase of {key_file}: "]
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE.get_secret_value())
    assert signer_of(f"file:{key_file}").public_key == PAIR.pubkey()
    with pytest.raises(ConfigError, match="NOT_SET is not set"):
        signer_of("environment:NOT_SET")
    for words in (str(PAIR), "", "file:", "keychain:x", "remote:https://host"):
        with pytest.raises(ConfigError, match="expected") as caught:
            signer_of(words)
        assert str(PAIR) not in str(caught.value)


# --- remote --------------------------------------------------------------------------------------------


@asynccontextmanager
async def service(
    answer: Callable[[dict[str, Any]], tuple[int, bytes]],
) -> AsyncIterator[tuple[str, list[str]]]:
    """A signing service; yields its address and the heads of the requests it got."""
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        heads.append(head)
        size = next(
            int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")
        )
        status, body = answer(json.loads(await reader.readexactly(size)))
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/sign", heads


def remote(answer: Callable[[dict[str, Any]], tuple[int, bytes]]) -> list[str]:
    async def scenario() -> list[str]:
        async with service(answer) as (url, heads):
            signer = signer_of(f"remote:{url}#{PAIR.pubkey()}")
            assert isinstance(signer, RemoteSigner)
            assert "planted-token" not in repr(signer)
            signature = await signer.sign(b"message")
            assert signature.verify(PAIR.pubkey(), b"message")
            return heads

    return asyncio.run(scenario())


def honest(request: dict[str, Any]) -> tuple[int, bytes]:
    assert request["public_key"] == str(PAIR.pubkey())
    signature = PAIR.sign_message(base64.b64decode(request["message"]))
    return 200, json.dumps({"signature": str(signature)}).encode()


def test_a_remote_signer_is_asked_with_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "planted-token")
    assert any("bearer planted-token" in head.lower() for head in remote(honest))
    monkeypatch.delenv(TOKEN_VARIABLE)
    assert not any("authorization" in head.lower() for head in remote(honest))


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, {"signature": str(Keypair().sign_message(b"message"))}, "no signature of this message"),
        (200, {"signature": str(PAIR.sign_message(b"another"))}, "no signature of this message"),
        (200, {"signature": "x"}, "has no signature"),
        (200, {}, "has no signature"),
        (200, [], "has no signature"),
        (403, {"reason": "planted-token"}, "HTTP 403"),
        (302, {}, "HTTP 302"),
        (200, {"signature": "1" * 10_000}, "HTTP 200"),
    ],
)
def test_a_remote_signer_is_not_believed(
    status: int, body: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "planted-token")
    with pytest.raises(SignerError, match=words) as caught:
        remote(lambda request: (status, json.dumps(body).encode()))
    assert "planted-token" not in str(caught.value)


def test_nothing_is_sent_in_the_clear_to_another_machine() -> None:
    for url in ("http://example.com/sign", "ftp://127.0.0.1/", "http://10.0.0.1:1/"):
        with pytest.raises(ConfigError, match="expected https"):
            RemoteSigner(url, PAIR.pubkey(), SecretStr(""))
    RemoteSigner("https://example.com/sign", Pubkey.default(), SecretStr(""))

    async def gone() -> None:
        await RemoteSigner("http://127.0.0.1:9/", PAIR.pubkey(), SecretStr("")).sign(b"m")

    with pytest.raises(SignerError, match="does not answer"):
        asyncio.run(gone())


def test_what_goes_over_http_passes_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Http is for the loopback alone; a proxy of the environment would see message and token."""
    passed: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed.append(await reader.read(4_096))
        writer.close()

    async def ask() -> None:
        server = await asyncio.start_server(proxy, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, address)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        async with server:
            signer = RemoteSigner("http://127.0.0.1:1/sign", PAIR.pubkey(), SecretStr("a planted token"))
            with pytest.raises(SignerError, match="does not answer"):
                await signer.sign(b"m")

    asyncio.run(ask())
    assert passed == []
