"""Where the sockets of the daemon stand, and who may talk to them."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from optionsib.common.errors import BusError, ConfigError, MissingExtraError

if TYPE_CHECKING:
    import zmq

_LONGEST_SOCKET_PATH = 107  # sockaddr_un.sun_path less its final zero byte


class CurveKeys(msgspec.Struct, frozen=True):
    """A key pair for use off the loopback, Z85 text of 40 characters each.

    A server sets ``peers`` = public keys of the clients it lets in; a client sets it to the one
    public key of its server.
    """

    public: str
    secret: str
    peers: tuple[str, ...]

    def __repr__(self) -> str:
        """Name the public half only."""
        return f"CurveKeys(public={self.public!r}, peers={self.peers!r})"


def make_curve_keys() -> tuple[str, str]:
    """Return a new (public, secret) pair."""
    public, secret = load_zmq().curve_keypair()
    return public.decode("ascii"), secret.decode("ascii")


def load_zmq() -> Any:
    """Import pyzmq when it is needed first.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import zmq
    except ImportError as error:
        raise MissingExtraError("live", "pyzmq") from error
    return zmq


def is_local(endpoint: str) -> bool:
    """Tell whether only this machine can reach ``endpoint``.

    Raises
    ------
    ConfigError
        If it is no ``ipc://path`` and no ``tcp://host:port``.
    """
    scheme, separator, rest = endpoint.partition("://")
    if separator and rest and scheme in ("ipc", "inproc"):
        return True
    if scheme != "tcp" or ":" not in rest:
        raise ConfigError(f"endpoint {endpoint!r}: expected ipc://path or tcp://host:port")
    host = urlsplit(endpoint).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # "*" or a name: may be reached from elsewhere


def state_endpoint(state: Path, name: str, configured: str = "") -> str:
    """Return the configured endpoint, or an ipc socket ``name`` in the state folder.

    Socket paths end at 107 bytes; for a deeper folder the socket stands in a private folder under
    the system's temporary one, named by the hash of the state folder.

    Raises
    ------
    ConfigError
        If that private folder belongs to somebody else.
    """
    if configured:
        is_local(configured)
        return configured
    path = state.resolve() / f"{name}.sock"
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        private = Path("/tmp") / f"optionsib-{os.getuid()}"  # noqa: S108 (owner and mode are checked below)
        private.mkdir(mode=0o700, exist_ok=True)
        facts = private.lstat()
        if facts.st_uid != os.getuid() or not stat.S_ISDIR(facts.st_mode) or facts.st_mode & 0o077:
            raise ConfigError(f"{private} is not a private folder of this user; set control.endpoint")
        digest = hashlib.sha256(os.fsencode(state.resolve())).hexdigest()[:16]
        path = private / f"{digest}-{name}.sock"
    return f"ipc://{path}"


@contextmanager
def socket_errors(what: str, endpoint: str) -> Iterator[None]:
    """Turn errors of ZeroMQ into ``BusError`` that name the endpoint."""
    library = load_zmq()
    try:
        yield
    except library.ZMQError as error:
        hint = "; another process listens there" if error.errno == library.EADDRINUSE else ""
        raise BusError(f"cannot {what} {endpoint}: {error}{hint}") from error


def secure_server(socket: zmq.Socket[bytes], endpoint: str, keys: CurveKeys | None) -> Any:
    """Arm a socket before it binds; return the authenticator to stop at the end, if one was needed.

    Raises
    ------
    ConfigError
        If ``endpoint`` can be reached from other machines and there are no keys.
    """
    if keys is None:
        if is_local(endpoint):
            return None
        raise ConfigError(
            f"endpoint {endpoint} can be reached from other machines: expected CURVE keys or a loopback"
        )
    _require_keys(keys)
    from zmq.auth.thread import ThreadAuthenticator

    authenticator = ThreadAuthenticator(socket.context)
    authenticator.start()
    authenticator.configure_curve_callback("*", _AllowedPeers(keys.peers))
    socket.curve_server = True
    socket.curve_publickey = keys.public.encode("ascii")
    socket.curve_secretkey = keys.secret.encode("ascii")
    return authenticator


def secure_client(socket: zmq.Socket[bytes], endpoint: str, keys: CurveKeys | None) -> None:
    """Arm a socket before it connects.

    Raises
    ------
    ConfigError
        If ``endpoint`` is on another machine and there are no keys, or not one server key.
    """
    if keys is None:
        if is_local(endpoint):
            return
        raise ConfigError(f"endpoint {endpoint} is not on this machine: expected CURVE keys or a loopback")
    _require_keys(keys)
    if len(keys.peers) != 1:
        raise ConfigError(f"{len(keys.peers)} server keys for {endpoint}: expected one")
    socket.curve_serverkey = keys.peers[0].encode("ascii")
    socket.curve_publickey = keys.public.encode("ascii")
    socket.curve_secretkey = keys.secret.encode("ascii")


def protect_socket_file(endpoint: str) -> None:
    """Let only this user reach a bound ipc socket."""
    if endpoint.startswith("ipc://"):
        Path(endpoint.removeprefix("ipc://")).chmod(0o600)


class _AllowedPeers:
    def __init__(self, peers: tuple[str, ...]) -> None:
        self._peers = frozenset(peer.encode("ascii") for peer in peers)

    def callback(self, domain: str, key: bytes) -> bool:
        return key in self._peers


def _require_keys(keys: CurveKeys) -> None:
    for name, key in (
        ("public", keys.public),
        ("secret", keys.secret),
        *(("peer", peer) for peer in keys.peers),
    ):
        if len(key) != 40:
            raise ConfigError(f"the {name} CURVE key has {len(key)} characters, expected 40 (Z85)")
    if not keys.peers:
        raise ConfigError("no peer CURVE keys: expected the public keys of those who may connect")
