"""The scenario file: which faults are armed when, as a YAML list.

.. code-block:: yaml

    - {at: "10:05", fault: connectivity, code: 1100}       # New York time of the simulated day
    - {at: "10:07", fault: connectivity, code: 1101}
    - after: {message: execDetails, count: 2}              # once two have been sent
      fault: drop
      message: commission
    - {after: {request: placeOrder, order_ref: vertical-1}, fault: cut}

An entry without ``at`` and ``after`` is armed at the start. Each entry acts once.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from optionsib.brokers.paper.contracts import ZONE, local_time
from optionsib.brokers.paper.control import FaultRequestError, arm, bind_fault
from optionsib.brokers.paper.faults import Faults
from optionsib.brokers.paper.message_faults import message_number
from optionsib.brokers.paper.request_faults import request_numbers
from optionsib.common.errors import ConfigError
from optionsib.common.types import SECOND_NS

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_MAXIMUM_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Trigger:
    """After ``count`` messages or requests with one of these numbers (and this order reference)."""

    is_request: bool
    numbers: frozenset[int]
    count: int
    order_ref: str | None


@dataclass(frozen=True, slots=True)
class ScenarioStep:
    """One fault, armed at a time of day, after something, or at once."""

    at: dt.time | None
    after: Trigger | None
    fault: str
    arguments: Mapping[str, object]


class Timed(Protocol):
    """The exchange, as the scenario needs it."""

    faults: Faults

    @property
    def now_ns(self) -> int:
        """Simulated time, UTC ns."""
        ...

    def call_at(self, at_ns: int, action: Any) -> None:
        """Call ``action`` once simulated time has come to ``at_ns``."""
        ...


def read_scenario(path: Path) -> list[ScenarioStep]:
    """Read and check a scenario file.

    Raises
    ------
    ConfigError
        If it cannot be read, or names something that does not exist; the entry's number is told.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"scenario {path}: {error.strerror or error}") from error
    if len(text) > _MAXIMUM_BYTES:
        raise ConfigError(f"scenario {path}: larger than {_MAXIMUM_BYTES} bytes")
    try:
        # Every scalar stays text: YAML would make a number of 10:05. The faults' own types convert.
        entries = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - builds nothing but text, lists, maps
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"scenario {path}: {error}") from error
    if not isinstance(entries, list):
        raise ConfigError(f"scenario {path}: a list of faults is expected, got {type(entries).__name__}")
    steps = []
    for number, entry in enumerate(entries, start=1):
        try:
            steps.append(_step(entry))
        except (FaultRequestError, ValueError) as error:
            raise ConfigError(f"scenario {path}, entry {number}: {error}") from error
    return steps


def play_scenario(exchange: Timed, steps: list[ScenarioStep]) -> None:
    """Arm what is due now, and put the rest where it will be met.

    Raises
    ------
    FaultRequestError
        If a fault that is due now refuses its arguments.
    """
    faults = exchange.faults
    today = local_time(exchange.now_ns).date()
    for step in steps:
        if step.at is not None:
            moment = dt.datetime.combine(today, step.at, ZONE)
            exchange.call_at(round(moment.timestamp()) * SECOND_NS, _Action(faults, step))
        elif step.after is not None:
            _Watch(faults, step, step.after)
        else:
            arm(faults, step.fault, step.arguments)


class _Action:
    """Arms a step's fault; a refusal then is reported through the event loop, not lost."""

    def __init__(self, faults: Faults, step: ScenarioStep) -> None:
        self._faults, self._step = faults, step

    def __call__(self) -> None:
        try:
            arm(self._faults, self._step.fault, self._step.arguments)
        except FaultRequestError as error:
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"scenario: {error}", "exception": error}
            )


class _Watch:
    """Counts until its trigger is met; acts after the message in hand is done with."""

    def __init__(self, faults: Faults, step: ScenarioStep, trigger: Trigger) -> None:
        self._faults, self._step, self._trigger = faults, step, trigger
        self._left = trigger.count
        if trigger.is_request:
            faults.watch(requests=self.see)
        else:
            faults.watch(messages=self.see)

    def see(self, number: int, order_ref: str | None) -> None:
        """Take notice of a message or request."""
        if number not in self._trigger.numbers or self._trigger.order_ref not in (None, order_ref):
            return
        self._left -= 1
        if self._left == 0:
            self._faults.unwatch(self.see)
            asyncio.get_running_loop().call_soon(_Action(self._faults, self._step))


def _step(entry: object) -> ScenarioStep:
    if not isinstance(entry, dict):
        raise ValueError(f"a mapping with 'fault' is expected, got {entry!r}")
    arguments = dict(entry)
    at, after, fault = arguments.pop("at", None), arguments.pop("after", None), arguments.pop("fault", "")
    if at is not None and after is not None:
        raise ValueError("'at' and 'after' exclude each other")
    bind_fault(fault, arguments)
    clock = None if at is None else _CLOCK.fullmatch(str(at))
    if at is not None and clock is None:
        raise ValueError(f"at: {at!r} is not a time of day such as 10:05 or 10:05:30")
    moment = None if clock is None else dt.time(int(clock[1]), int(clock[2]), int(clock[3] or 0))
    return ScenarioStep(moment, None if after is None else _trigger(after), fault, arguments)


def _trigger(after: object) -> Trigger:
    if not isinstance(after, dict) or len(after.keys() & {"message", "request"}) != 1:
        raise ValueError(f"after: a mapping with either 'message' or 'request' is expected, got {after!r}")
    if unknown := after.keys() - {"message", "request", "count", "order_ref"}:
        raise ValueError(f"after: {', '.join(sorted(unknown))} is unknown")
    count = int(after.get("count", "1"))
    if count < 1:
        raise ValueError(f"after: count must be 1 or more, got {count}")
    reference = after.get("order_ref")
    if "message" in after:
        return Trigger(False, frozenset({message_number(after["message"])}), count, reference)
    return Trigger(True, request_numbers(after["request"]), count, reference)
