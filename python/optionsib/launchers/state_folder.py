"""What stands in a state folder: journal, tick tape, and the sockets of the daemon that writes them."""

from __future__ import annotations

import socket
from pathlib import Path

from optionsib.bus.endpoints import state_endpoint
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
