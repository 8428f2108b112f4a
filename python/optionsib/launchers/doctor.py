"""``optionsib doctor``: what is there, what is wrong, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import platform
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

import optionsib
from optionsib.common.config import Config
from optionsib.common.errors import JournalError, OptionsIBError

LIBRARIES = {
    "numpy": "",
    "msgspec": "app",
    "pydantic-settings": "app",
    "structlog": "app",
    "stamina": "app",
    "psutil": "app",
    "rich": "app",
    "exchange-calendars": "app",
    "ib-async": "live",
    "pyzmq": "live",
    "solders": "vault",
    "solana": "vault",
    "onnxruntime": "infer",
    "plotly": "report",
    "xgboost-cpu": "train",
    "scikit-learn": "train",
    "onnx": "train",
    "onnxmltools": "train",
}
MAXIMUM_CLOCK_OFFSET_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: ``ok``, ``note`` (worth knowing) or ``bad`` (with what to do)."""

    state: Literal["ok", "note", "bad"]
    subject: str
    text: str


def examine(make_config: Callable[[], Config]) -> int:
    """Print all findings; return 1 if one is bad."""
    found = [show(finding) for finding in _all(make_config)]  # all of them, past the first bad one
    return int(any(found))


def show(finding: Finding) -> bool:
    """Print a finding; return whether it is bad."""
    mark = {"ok": "ok  ", "note": "note", "bad": "BAD "}[finding.state]
    print(f"{mark}  {finding.subject + ' ':<15}{finding.text}")
    return finding.state == "bad"


def _all(make_config: Callable[[], Config]) -> Iterator[Finding]:
    yield Finding(
        "ok",
        "build",
        f"optionsib {optionsib.__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, in {Path(sys.prefix)}",
    )
    yield from _kernel()
    yield from _libraries()
    yield from _clock()
    try:
        config = make_config()
    except OptionsIBError as error:
        yield Finding("bad", "configuration", f"{error}")
        return
    yield Finding("ok", "configuration", f"mode {config.session.mode}, digest {config.digest()[:16]}")
    yield from _missing_limits(config)
    yield from _model(config)
    yield from _state(config)
    yield from _port(config)


def _kernel() -> Iterator[Finding]:
    # Hull, Options, Futures and Other Derivatives, 8th ed., example 15.6: 4.76.
    value = float(optionsib.price("call", 42.0, 40.0, 0.5, 0.1, 0.2))
    denormal = float(np.float64(5e-324) * np.float64(1.0))
    if round(value, 2) != 4.76 or denormal == 0.0:
        yield Finding("bad", "native core", "wrong results: rebuild with `pip install --force-reinstall .`")
    else:
        yield Finding(
            "ok",
            "native core",
            f"SIMD path {optionsib.simd_path()}, reference price correct, denormals intact",
        )


def _libraries() -> Iterator[Finding]:
    for name, extra in LIBRARIES.items():
        try:
            yield Finding("ok", "library", f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            state: Literal["note", "bad"] = "note" if extra == "train" else "bad"
            yield Finding(state, "library", f"{name} is missing: pip install 'optionsib[{extra}]'")


def _clock() -> Iterator[Finding]:
    try:
        answer = subprocess.run(
            ["timedatectl", "show", "-p", "NTPSynchronized", "--value"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        answer = ""
    if answer == "yes":
        yield Finding("ok", "clock", "synchronised by NTP")
    elif answer == "no":
        yield Finding("bad", "clock", "not synchronised: enable an NTP service before trading live")
    else:
        yield Finding(
            "note", "clock", "no time service to ask here; matters for live trading, not for replays"
        )


def _missing_limits(config: Config) -> Iterator[Finding]:
    missing = [name for name, value in config.limits.model_dump().items() if value is None]
    if missing:
        yield Finding(
            "bad",
            "limits",
            f"not set, so every order that needs them is refused: {', '.join(missing)}. Set them in "
            "main_config.yaml",
        )
    else:
        yield Finding("ok", "limits", "all set")


def _model(config: Config) -> Iterator[Finding]:
    from optionsib.features import CHAIN_FEATURES
    from optionsib.launchers.session import model_path
    from optionsib.models.serving import load_served

    path = model_path(config)
    if path is None:
        yield Finding("note", "model", "model.path is none: nothing will be opened")
        return
    try:
        model = load_served(path, stage=config.model.stage, features=CHAIN_FEATURES)
        model.warm_up()
    except OptionsIBError as error:
        yield Finding("bad", "model", str(error))
        return
    yield Finding(
        "ok", "model", f"{config.model.path or 'the one in the package'}, sha256 {model.model_id[:16]}"
    )
    if model.card.notice:
        yield Finding("note", "model", model.card.notice)


def _state(config: Config) -> Iterator[Finding]:
    from optionsib.bus.journal import JournalReader
    from optionsib.governance.audit import verify
    from optionsib.launchers.session import journal_path

    path = journal_path(Path(config.paths.state))
    if not path.exists():
        yield Finding("ok", "journal", f"none yet at {path}")
        return
    keep = "Keep it, reconcile with the broker, and begin anew with --set paths.state=<new folder>"
    try:
        report = verify(path)
    except JournalError as error:
        yield Finding("bad", "journal", f"{error}. {keep}")
        return
    if not report.ok:
        yield Finding("bad", "journal", f"{path}: record {report.first_bad_seq}: {report.reason}. {keep}")
        return
    with JournalReader.open_read_only(path) as journal:
        if journal.is_halted():
            yield Finding("note", "journal", f"{path} is halted: `optionsib resume` lifts it")
        else:
            yield Finding("ok", "journal", f"{path}: {report.records} records, chain intact")


def _port(config: Config) -> Iterator[Finding]:
    gateway = config.gateway
    where = f"{gateway.host}:{gateway.port}"
    try:
        with socket.create_connection((gateway.host, gateway.port), timeout=2):
            yield Finding("ok", "broker port", f"{where} accepts connections")
    except OSError as error:
        yield Finding(
            "note",
            "broker port",
            f"{where}: {error.strerror or error}. Start TWS or IB Gateway with its API enabled, or "
            "`optionsib paper-exchange`",
        )
