"""The exception tree. Each error names the value, what was expected, and what was left untouched."""

from __future__ import annotations


class OptionsIBError(Exception):
    """Root of every error that this package raises on purpose."""


class ConfigError(OptionsIBError):
    """A configuration value is missing, unknown or out of range."""


class DataError(OptionsIBError):
    """Input data is broken; the message names file, row and column."""


class JournalError(OptionsIBError):
    """The journal cannot be opened, written or verified."""


class BusError(OptionsIBError):
    """A control socket or event stream is unreachable, refuses, or lost messages for good."""


class CircuitOpenError(OptionsIBError):
    """A circuit breaker refuses the call; nothing was sent."""


class BrokerError(OptionsIBError):
    """The broker refused, is unreachable, or answered something impossible."""


class SettlementError(OptionsIBError):
    """A vault movement failed; the message says which balances are unchanged."""


class ModelError(OptionsIBError):
    """A model artefact is missing, does not match its card, or may not serve here."""


class ExecutionError(OptionsIBError):
    """An order or execution contradicts what is already booked."""


class LiveTradingRefusedError(OptionsIBError):
    """Live trading was asked for without the arming switch and a confirmed account."""


class MissingExtraError(OptionsIBError):
    """An optional dependency is not installed; the message names the extra."""

    def __init__(self, extra: str, module: str) -> None:
        super().__init__(f"{module} is not installed: pip install 'optionsib[{extra}]'")
