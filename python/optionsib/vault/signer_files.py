"""Signers whose key comes from outside: an encrypted file, an environment variable, another machine.

A key file is JSON: the 32-byte seed of an Ed25519 key under AES-256-GCM, with a key that scrypt (RFC 7914)
makes of a passphrase. Public key and parameters are authenticated with it.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import httpx2
import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import SecretStr
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature

from optionsib.common.errors import ConfigError
from optionsib.vault.signers import LocalSigner, Signer, SignerError

PASSPHRASE_VARIABLE = "OPTIONSIB_VAULT_PASSPHRASE"  # noqa: S105 - a name
TOKEN_VARIABLE = "OPTIONSIB_VAULT_SIGNER_TOKEN"  # noqa: S105 - a name
SCRYPT_N = 2**17  # with r = 8: 128 MiB and some tenths of a second a try
_SCRYPT_R, _SCRYPT_P = 8, 1
_LEAST_N, _MOST_N = 2**14, 2**20
_SHORTEST_PASSPHRASE = 8
_MAXIMUM_FILE_BYTES = 64 * 1024
_MAXIMUM_ANSWER_BYTES = 4_096
Prompt = Callable[[str], str]


class _KeyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: int
    public_key: str
    scrypt_n: int
    scrypt_r: int
    scrypt_p: int
    salt: str
    nonce: str
    secret: str


class EncryptedFileSigner(LocalSigner):
    """The key of a file that ``write_key_file`` made.

    Raises
    ------
    ConfigError
        If the file is not there, not a key file, or others than its owner may read it.
    SignerError
        If the passphrase is wrong, or the file was changed.
    """

    __slots__ = ()

    def __init__(self, path: Path, passphrase: SecretStr) -> None:
        super().__init__(_decrypted(path, _key_file(path), passphrase))


class EnvironmentSigner(LocalSigner):
    """The key in an environment variable: base58 of 64 bytes, or the JSON list of the Solana tools.

    Raises
    ------
    ConfigError
        If the variable is not set or holds no key.
    """

    __slots__ = ()

    def __init__(self, variable: str) -> None:
        text = os.environ.get(variable)
        if not text:
            raise ConfigError(f"environment variable {variable} is not set: expected a key")
        super().__init__(_parsed(text, f"environment variable {variable}"))


class RemoteSigner:
    """A key that never enters this machine: each message is posted to a signing service.

    Request ``{"public_key": base58, "message": base64}`` with a bearer token; answer
    ``{"signature": base58}``, checked against the public key.

    Parameters
    ----------
    url
        https, or http on the loopback.
    public_key
        Whose signatures are expected.
    token
        Sent as ``Authorization: Bearer``; empty = none.
    timeout
        Seconds for one signature.

    Raises
    ------
    ConfigError
        If ``url`` would send messages in the clear to another machine.
    """

    def __init__(self, url: str, public_key: Pubkey, token: SecretStr, *, timeout: float = 10.0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
            raise ConfigError(
                f"remote signer {parts.scheme}://{parts.hostname}: expected https, or http on the loopback"
            )
        self._url, self._public_key, self._token, self._timeout = url, public_key, token, timeout

    @property
    def public_key(self) -> Pubkey:
        """Whose signatures these are."""
        return self._public_key

    async def sign(self, message: bytes) -> Signature:
        """Ask for a signature.

        Raises
        ------
        SignerError
            If the service does not answer, refuses, or its signature is none of this key.
        """
        headers = {}
        if self._token.get_secret_value():
            headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        body = {"public_key": str(self._public_key), "message": base64.b64encode(message).decode()}
        try:
            # A proxy of the environment would get what goes over http, token and all, off this machine.
            environment = urlsplit(self._url).scheme == "https"
            async with httpx2.AsyncClient(
                timeout=self._timeout, follow_redirects=False, trust_env=environment
            ) as client:
                answer = await client.post(self._url, json=body, headers=headers)
        except httpx2.HTTPError as error:
            raise SignerError(f"{self!r} does not answer: {type(error).__name__}") from None
        if answer.status_code != 200 or len(answer.content) > _MAXIMUM_ANSWER_BYTES:
            raise SignerError(f"{self!r} refuses: HTTP {answer.status_code}")
        try:
            signature = Signature.from_string(msgspec.json.decode(answer.content)["signature"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            raise SignerError(f"{self!r}: the answer has no signature") from None
        if not signature.verify(self._public_key, message):
            raise SignerError(f"{self!r}: the answer is no signature of this message by this key")
        return signature

    def __repr__(self) -> str:
        return f"RemoteSigner({self._public_key}, {urlsplit(self._url).hostname})"


def signer_of(words: str, *, prompt: Prompt | None = None) -> Signer:
    """Return the signer that ``file:PATH``, ``environment:VARIABLE`` or ``remote:URL#KEY`` names.

    The passphrase of a file comes from OPTIONSIB_VAULT_PASSPHRASE, else from ``prompt``; the token of a
    remote signer from OPTIONSIB_VAULT_SIGNER_TOKEN.

    Raises
    ------
    ConfigError, SignerError
        If it is none of them, or cannot be had.
    """
    kind, colon, rest = words.partition(":")
    if colon and rest and kind == "file":
        path = Path(rest)
        return EncryptedFileSigner(path, _passphrase(path, prompt))
    if colon and rest and kind == "environment":
        return EnvironmentSigner(rest)
    if colon and rest and kind == "remote":
        url, key = urldefrag(rest)
        try:
            public_key = Pubkey.from_string(key)
        except ValueError:
            raise ConfigError(
                "remote signer: expected remote:URL#KEY with the public key in base58"
            ) from None
        return RemoteSigner(url, public_key, SecretStr(os.environ.get(TOKEN_VARIABLE, "")))
    # What was given instead may be a key: it is not repeated.
    raise ConfigError("signer: expected file:PATH, environment:VARIABLE or remote:URL#KEY")


def write_key_file(path: Path, pair: Keypair, passphrase: SecretStr, *, scrypt_n: int = SCRYPT_N) -> None:
    """Write a new key file that only its owner may read.

    Raises
    ------
    ConfigError
        If the file exists already, the folder does not, or the passphrase is shorter than 8 characters.
    """
    if len(passphrase.get_secret_value()) < _SHORTEST_PASSPHRASE:
        raise ConfigError(
            f"passphrase: expected {_SHORTEST_PASSPHRASE} characters or more; nothing was written"
        )
    salt, nonce = os.urandom(16), os.urandom(12)
    draft = _KeyFile(
        version=1,
        public_key=str(pair.pubkey()),
        scrypt_n=scrypt_n,
        scrypt_r=_SCRYPT_R,
        scrypt_p=_SCRYPT_P,
        salt=base64.b64encode(salt).decode(),
        nonce=base64.b64encode(nonce).decode(),
        secret="",
    )
    sealed = AESGCM(_key_of(draft, salt, passphrase)).encrypt(nonce, bytes(pair)[:32], _authenticated(draft))
    whole = msgspec.structs.replace(draft, secret=base64.b64encode(sealed).decode())
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError(f"key file {path}: {error.strerror}; nothing was written") from error
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(whole)) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def make_key_file(path: Path, passphrase: SecretStr, plain: Path | None = None) -> Pubkey:
    """Write a key file of a new key, or of one in the format of the Solana tools; return its public key.

    Raises
    ------
    ConfigError
        As ``write_key_file`` and ``read_plain_key``; nothing was written.
    """
    pair = Keypair() if plain is None else read_plain_key(plain)
    write_key_file(path, pair, passphrase)
    return pair.pubkey()


def public_key_of(path: Path) -> Pubkey:
    """Return the public key that a key file names; its passphrase is not needed (so nothing proves it)."""
    return Pubkey.from_string(_key_file(path).public_key)


def read_plain_key(path: Path) -> Keypair:
    """Read the JSON list of 64 numbers that the Solana tools write, to import it.

    Raises
    ------
    ConfigError
        If it is none, or others than its owner may read it.
    """
    return _parsed(_private_bytes(path).decode("utf-8", "replace"), str(path))


def _parsed(text: str, where: str) -> Keypair:
    try:
        if text.lstrip().startswith("["):
            return Keypair.from_bytes(bytes(msgspec.json.decode(text, type=list[int])))
        return Keypair.from_base58_string(text.strip())
    except (ValueError, OverflowError, msgspec.MsgspecError):  # none of them may show the text
        raise ConfigError(
            f"{where}: expected a key: base58 of 64 bytes, or a JSON list of 64 numbers"
        ) from None


def _private_bytes(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"key file {path}: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            raise ConfigError(
                f"key file {path}: expected a plain file of this user that nobody else may read (chmod 600), "
                f"its mode is {stat.S_IMODE(facts.st_mode):03o}"
            )
        return file.read(_MAXIMUM_FILE_BYTES)


def _key_file(path: Path) -> _KeyFile:
    try:
        found = msgspec.json.decode(_private_bytes(path), type=_KeyFile)
    except msgspec.MsgspecError:
        raise ConfigError(f"{path} is no key file (`optionsib vault key new` makes one)") from None
    n = found.scrypt_n
    if found.version != 1 or (found.scrypt_r, found.scrypt_p) != (_SCRYPT_R, _SCRYPT_P):
        raise ConfigError(f"key file {path}: a version or parameters that are not known here")
    if not _LEAST_N <= n <= _MOST_N or n & (n - 1):
        raise ConfigError(f"key file {path}: scrypt_n={n}, expected a power of two, {_LEAST_N} to {_MOST_N}")
    return found


def _decrypted(path: Path, file: _KeyFile, passphrase: SecretStr) -> Keypair:
    try:
        salt, nonce, sealed = (
            base64.b64decode(text, validate=True) for text in (file.salt, file.nonce, file.secret)
        )
        seed = AESGCM(_key_of(file, salt, passphrase)).decrypt(nonce, sealed, _authenticated(file))
        pair = Keypair.from_seed(seed)
    except (binascii.Error, ValueError, InvalidTag):
        raise SignerError(f"key file {path}: wrong passphrase, or the file was changed") from None
    if str(pair.pubkey()) != file.public_key:
        raise SignerError(f"key file {path}: it does not hold the key of {file.public_key}")
    return pair


def _authenticated(file: _KeyFile) -> bytes:
    parts = (file.version, file.public_key, file.scrypt_n, file.scrypt_r, file.scrypt_p, file.salt)
    return "|".join(map(str, parts)).encode()


def _key_of(file: _KeyFile, salt: bytes, passphrase: SecretStr) -> bytes:
    derive = Scrypt(salt=salt, length=32, n=file.scrypt_n, r=file.scrypt_r, p=file.scrypt_p)
    return derive.derive(passphrase.get_secret_value().encode())


def _passphrase(path: Path, prompt: Prompt | None) -> SecretStr:
    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given:
        return SecretStr(given)
    if prompt is None:
        raise ConfigError(f"key file {path}: expected its passphrase in {PASSPHRASE_VARIABLE}")
    return SecretStr(prompt(f"passphrase of {path}: "))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
