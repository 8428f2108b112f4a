"""Limits and contracts as the native engine takes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from optionsib.common.config import LimitsConfig
from optionsib.common.types import MONEY_SCALE, PRICE_SCALE, Contract
from optionsib.risk.refusals import MONEY_LIMITS

_PRICE_LIMITS = frozenset({"price_collar", "max_order_price"})
_MOST = 2**63 - 1
_NO_NUMBERS = frozenset({"scenario_spot_moves", "scenario_volatility_moves", "restricted"})

# con_id, kind, number of the expiry, strike, multiplier, fee, (lower edge, increment) of the tick bands
ContractRow = tuple[int, int, int, int, int, int, tuple[tuple[int, int], ...]]


def contract_rows(contracts: Sequence[Contract], fees: Mapping[int, int]) -> list[ContractRow]:
    """Return what the engine needs to know of each contract.

    Raises
    ------
    ValueError
        If a contract is an index, has no fee, or lacks what its payoff depends on, or they have several
        underlyings.
    """
    symbols = sorted({contract.symbol for contract in contracts})
    if len(symbols) > 1:  # at one spot their losses would cancel
        raise ValueError(f"contracts of one underlying are judged together, got {', '.join(symbols)}")
    expiries = sorted({c.expiry_ns for c in contracts if c.kind})
    expiry_index = {expiry_ns: i for i, expiry_ns in enumerate(expiries)}
    rows: list[ContractRow] = []
    for contract in contracts:
        if contract.security_type == "IND":
            raise ValueError(f"con_id {contract.con_id} is an index and cannot be traded")
        if problem := _payoff_problem(contract):
            raise ValueError(f"con_id {contract.con_id}: {problem}; its losses are not known")
        if contract.con_id not in fees or fees[contract.con_id] < 0:
            raise ValueError(f"con_id {contract.con_id} needs a fee >= 0")
        bands = tuple((band.lower_edge, band.increment) for band in contract.tick_grid.bands)
        expiry = expiry_index[contract.expiry_ns] if contract.kind else 0
        rows.append(
            (
                contract.con_id,
                contract.kind,
                expiry,
                contract.strike,
                contract.multiplier,
                fees[contract.con_id],
                bands,
            )
        )
    return rows


def _payoff_problem(contract: Contract) -> str:
    """Say what is missing of a contract's payoff: an option without its right would count as a share."""
    is_option = contract.security_type in ("OPT", "FOP")
    if contract.multiplier < 1:
        return f"multiplier {contract.multiplier}, expected 1 or more"
    if is_option != (contract.kind != 0):
        return f"{contract.security_type} with right {contract.right!r}"
    if is_option and (contract.strike < 1 or contract.expiry_ns < 1):
        return f"strike {contract.strike}, expiry {contract.expiry_ns}, expected both above 0"
    return ""


def _scaled(value: Decimal | None, scale: int, name: str) -> int | None:
    """Return a Decimal limit in integer units.

    Raises
    ------
    ValueError
        If the limit is finer than one unit.
    """
    if value is None:
        return None
    units = value * scale
    if units != int(units):
        raise ValueError(f"{name} = {value} is finer than 1/{scale}")
    return int(units)


def limit_values(limits: LimitsConfig) -> dict[str, int | float | None]:
    """Return the limits by name, money and prices in integer units.

    Raises
    ------
    ValueError
        If a limit is negative, not finite, out of range, or finer than one unit.
    """
    values: dict[str, int | float | None] = {}
    for name in LimitsConfig.model_fields:
        value = getattr(limits, name)
        if name in _NO_NUMBERS:
            continue
        if value is not None and (not math.isfinite(value) or value < 0):
            raise ValueError(f"{name} must be finite and >= 0, got {value}")
        if name in MONEY_LIMITS:
            values[name] = _scaled(value, MONEY_SCALE, name)
        elif name in _PRICE_LIMITS:
            values[name] = _scaled(value, PRICE_SCALE, name)
        elif isinstance(value, Decimal):
            values[name] = float(value)
        else:
            values[name] = value
        taken = values[name]
        if isinstance(taken, int) and taken > _MOST:
            raise ValueError(f"{name} = {value} is out of range")
    return values
