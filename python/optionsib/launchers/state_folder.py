"""What stands in a state folder: journal, tick tape, and the sockets of the daemon that writes them."""

from __future__ import annotations

import socket
from pathlib import Path

from optionsib.bus.endpoints import state_endpoint
from optionsib.bus.journal import writer_of
from optionsib.common.config import Config

PROBE_SECONDS = 1.0


def journal_path(folder: Path) -> Path:
    """Return the journal of a state folder."""
    return folder / "journal.sqlite"


def tape_path(folder: Path) -> Path:
    """Return the tick tape of a state folder."""
    return folder / "ticks.tape"


def control_endpoint(config: Config) -> str:
    """Return the control socket of the daemon that uses this configuration."""
    return state_endpoint(Path(config.paths.state), "control", config.control.endpoint)


def stream_endpoint(config: Config) -> str:
    """Return where the daemon publishes its events to attached processes."""
    return state_endpoint(Path(config.paths.state), "stream", config.control.stream_endpoint)


class RescueWatch:
    """Tells a daemon that ``cancel-all`` or ``flatten`` acted as a process of its own since it was asked.

    A daemon that hung and goes on must compare with the broker before it "closes" what is closed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = set(self._journals())
        self._seen = set(self._known)

    def __call__(self) -> bool:
        """Return whether a rescue is at work, or ended since the last call."""
        new = [path for path in self._journals() if path not in self._known]
        self._known.update(path for path in new if writer_of(path) is None)
        self._seen.update(new)
        return bool(new)

    def has_begun(self) -> bool:
        """Return whether a rescue began since the last call of the watch itself."""
        return not self._seen.issuperset(self._journals())

    def _journals(self) -> list[Path]:
        return sorted(self._folder.glob("rescue-*.sqlite"))


def is_silent(endpoint: str) -> bool:
    """Tell whether certainly nobody listens on an ipc endpoint (a tcp one is worth a try)."""
    if not endpoint.startswith("ipc://"):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(endpoint.removeprefix("ipc://"))
        except (FileNotFoundError, ConnectionRefusedError):
            return True
        except OSError:
            return False
    return False
