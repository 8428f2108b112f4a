"""A Dask cluster as an executor: connected, its workers examined before any work, its losses named.

A Dask scheduler lets everybody who reaches it run any code on its workers. An address ``tcp://`` is neither
authenticated nor encrypted; ``tls://`` is both, with certificates that client, scheduler and workers share
an authority of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from optionsib.common.errors import OptionsIBError
from optionsib.pricing import WorkerMismatchError, simd_path
from optionsib.pricing._shipping import build


class ClusterError(OptionsIBError):
    """The cluster is unreachable, has no workers, or lost the work for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Where the scheduler is: ``tcp://host:port``, or ``tls://host:port`` with PEM files."""

    address: str
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    timeout: float = 10.0  # seconds to connect

    def __post_init__(self) -> None:
        scheme, mark, place = self.address.partition("://")
        if not mark or scheme not in ("tcp", "tls") or ":" not in place:
            raise ClusterError(
                f"cluster: expected tcp://HOST:PORT or tls://HOST:PORT, got {self.address!r}; "
                "nothing was sent"
            )
        files = {"ca": self.tls_ca, "cert": self.tls_cert, "key": self.tls_key}
        if scheme == "tcp" and any(files.values()):
            raise ClusterError("cluster: certificates are for a tls:// address; nothing was sent")
        if scheme == "tls":
            for name, file in files.items():
                if file is None or not file.is_file():
                    raise ClusterError(
                        f"cluster: a tls:// address needs the PEM file --tls-{name}, got {file}; "
                        "nothing was sent"
                    )

    def warning(self) -> str | None:
        """Return what is to be said of a cluster that others may reach."""
        scheme, _, place = self.address.partition("://")
        host = place.rpartition(":")[0]
        if scheme == "tls" or host in ("127.0.0.1", "localhost", "[::1]"):
            return None
        return f"{self.address} is neither authenticated nor encrypted; tls:// is both"


@contextmanager
def cluster(settings: ClusterSettings) -> Iterator[Executor]:
    """Give an executor of the cluster's workers; what is left of the work at the end is cancelled.

    Raises
    ------
    ClusterError
        If the scheduler cannot be reached or has no workers, or if workers died until it gave the work up.
    WorkerMismatchError
        If a worker runs another build of this package, or lacks it or the SIMD path of this process.
    ModuleNotFoundError
        If distributed is not installed (extra ``cluster``).
    """
    dask = import_module("distributed")
    killed = import_module("distributed.scheduler").KilledWorker
    security = None
    if settings.address.startswith("tls://"):
        security = dask.Security(
            require_encryption=True,
            tls_ca_file=str(settings.tls_ca),
            tls_client_cert=str(settings.tls_cert),
            tls_client_key=str(settings.tls_key),
        )
    try:
        client = dask.Client(
            settings.address, timeout=settings.timeout, security=security, set_as_default=False
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise ClusterError(f"no scheduler answers at {settings.address}: {error}") from None
    with client:
        _examine(client, settings.address)
        try:
            with client.get_executor(pure=False) as executor:
                try:
                    yield executor
                finally:
                    executor.shutdown(wait=False)
        except killed as error:
            raise ClusterError(f"{settings.address}: {error}") from None
        except CancelledError:
            raise ClusterError(f"{settings.address} lost the work: is the scheduler still there?") from None


def _examine(client: Any, address: str) -> None:
    """Raise unless every worker can give the bits that this process would."""
    found = client.run(_look(build(), simd_path()), on_error="return")
    if not found:
        raise ClusterError(f"{address} has no workers")
    for worker, answer in sorted(found.items()):
        if answer:
            raise WorkerMismatchError(f"worker {worker}: {answer}")


def _look(sender: str, path: str) -> Callable[[], str]:
    def look() -> str:  # sent by value, being no module's: a worker may lack this package
        try:
            from optionsib.pricing import _shipping

            return _shipping.unfit(sender, path)
        except (ImportError, AttributeError) as error:
            return f"{error}; it needs {sender}"

    return look
