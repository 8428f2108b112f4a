"""Mandates in words: from the configuration, changed by NAME=VALUE, shown to people."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec
from solders.pubkey import Pubkey

from optionsib.common.errors import ConfigError
from optionsib.common.types import MONEY_SCALE
from optionsib.vault.program_client import NO_KEY, Mandate

if TYPE_CHECKING:
    from optionsib.common.config import VaultConfig

_AMOUNTS = ("trade_cap", "total_cap", "day_loss_cap", "lifetime_loss_cap")
_HOURS = ("max_duration", "heartbeat_limit", "timelock")
_KEYS = (
    "engine", "attestor", "settlement", "fee_account", "payout", "recovery", "mint_authority",
    "freeze_authority",
)  # fmt: skip
_MOST = 2**50


def base_units(text: str | Decimal, what: str = "amount") -> int:
    """Return an amount of USDT in base units.

    Raises
    ------
    ConfigError
        If it is no number, negative, finer than a base unit, or beyond what the program takes.
    """
    try:
        units = Decimal(text) * MONEY_SCALE
        whole = int(units)
    except (InvalidOperation, ValueError, OverflowError):
        raise ConfigError(f"{what} {text!r}: expected USDT such as 250 or 0.5") from None
    if units != whole or not 0 <= whole <= _MOST:
        raise ConfigError(f"{what} {text}: expected 0 to {_MOST / MONEY_SCALE:.0f} USDT in steps of 0.000001")
    return whole


def usdt(units: int) -> str:
    """Return base units as USDT."""
    sign, size = ("-" if units < 0 else ""), abs(units)
    return f"{sign}{size // MONEY_SCALE:,}.{size % MONEY_SCALE:06d}"


def symbols_hash(symbols: Iterable[str]) -> bytes:
    """Return the 32 bytes that stand for the allowed symbols: SHA-256 over them, sorted, one a line."""
    return hashlib.sha256("".join(f"{symbol}\n" for symbol in sorted(set(symbols))).encode()).digest()


def allowed_symbols(config: VaultConfig, symbol: str) -> list[str]:
    """Return the symbols that ``vault.symbols`` names; where it names none, the session's own."""
    return [word.strip() for word in config.symbols.split(",") if word.strip()] or [symbol]


def refuse_other_symbol(mandate: Mandate, config: VaultConfig, symbol: str) -> None:
    """Refuse a session in what the mandate does not allow; one without symbols allows everything.

    Raises
    ------
    ConfigError
        If the configured symbols are not the mandate's, or the session's is none of them.
    """
    allowed = allowed_symbols(config, symbol)
    if mandate.symbols_hash == bytes(32):
        return
    if symbols_hash(allowed) != mandate.symbols_hash:
        raise ConfigError(
            f"the mandate's symbols are not {', '.join(allowed)}: expected them in vault.symbols, or "
            f"`optionsib vault mandate propose symbols={','.join(allowed)}`"
        )
    if symbol not in allowed:
        raise ConfigError(f"session.symbol is {symbol}; the mandate allows {', '.join(allowed)}")


def terms_of(config: VaultConfig, symbols: Iterable[str]) -> dict[str, Any]:
    """Return the caps, times and symbols that a new mandate has by this configuration."""
    return {
        "symbols_hash": symbols_hash(symbols),
        **{name: base_units(getattr(config, name), name) for name in _AMOUNTS},
        "fee_bps": config.fee_bps,
        **{name: getattr(config, f"{name}_hours") * 3_600 for name in _HOURS},
    }


def changed(mandate: Mandate, words: Sequence[str]) -> Mandate:
    """Return ``mandate`` with the changes NAME=VALUE: USDT, hours, base58 (``none`` = no key) or symbols.

    Raises
    ------
    ConfigError
        If a word names nothing of a mandate, or its value is none.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise ConfigError(f"{word!r}: expected NAME=VALUE")
        if name in _AMOUNTS:
            found[name] = base_units(text, name)
        elif name in (*(f"{hours}_hours" for hours in _HOURS), "fee_bps"):
            if not text.isdecimal():
                raise ConfigError(f"{word!r}: expected a whole number")
            hours = name.removesuffix("_hours")
            found[hours] = int(text) * (1 if hours == name else 3_600)
        elif name in _KEYS:
            found[name] = NO_KEY if text == "none" else address(text, name)
        elif name == "symbols":
            found["symbols_hash"] = symbols_hash(symbol for symbol in text.split(",") if symbol)
        else:
            known = ", ".join(
                (*_AMOUNTS, *(f"{hours}_hours" for hours in _HOURS), "fee_bps", *_KEYS, "symbols")
            )
            raise ConfigError(f"{name!r}: expected one of {known}")
    return msgspec.structs.replace(mandate, **found)


def address(text: str, what: str) -> Pubkey:
    """Return an address.

    Raises
    ------
    ConfigError
        If it is none.
    """
    try:
        return Pubkey.from_string(text)
    except ValueError:
        raise ConfigError(f"{what} {text!r}: expected an address in base58") from None


def shown(mandate: Mandate) -> dict[str, str]:
    """Return what a mandate says, by name."""
    return {
        **{name: "none" if (key := getattr(mandate, name)) == NO_KEY else str(key) for name in _KEYS},
        **{name: f"{usdt(getattr(mandate, name))} USDT" for name in _AMOUNTS},
        "fee": f"{mandate.fee_bps / 100:g} % of new profit",
        **{name: f"{getattr(mandate, name) / 3_600:g} h" for name in _HOURS},
        "symbols": mandate.symbols_hash.hex(),
    }
