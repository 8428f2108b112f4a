"""Contracts as our tapes name them: ids, local symbols and tick grids from what a listing says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Literal, NamedTuple

from optionsib.common.errors import DataError
from optionsib.common.types import OPTION_GRID, PENNY_GRID, Contract
from optionsib.data.calendars import expiry_instant, last_session_on_or_before

UNDERLYING_ID = 1
FIRST_OPTION_ID = 1001
OPTION_MULTIPLIER = 100


class ContractName(NamedTuple):
    """What a listing says of an option; sorts by expiry, strike, call before put.

    ``expiry`` is the nominal date, which may be a Saturday or a holiday; ``strike`` in 1/10000.
    """

    expiry: dt.date
    strike: int
    right: Literal["C", "P"]


def underlying_contract(symbol: str) -> Contract:
    """Return the share behind a chain."""
    return Contract(
        con_id=UNDERLYING_ID,
        symbol=symbol,
        security_type="STK",
        local_symbol=symbol,
        trading_class=symbol,
        tick_grid=PENNY_GRID,
    )


def option_contracts(symbol: str, names: Iterable[ContractName]) -> tuple[Contract, ...]:
    """Return the contracts in (expiry, strike, call before put) order with ids from 1001 on.

    Equal lists of names get equal ids. ``expiry_date`` is the last trading day.

    Raises
    ------
    DataError
        If two names stand for one contract (a Friday and the Saturday after it, for instance).
    """
    ordered = sorted(names)
    contracts = tuple(_option_contract(FIRST_OPTION_ID + i, symbol, name) for i, name in enumerate(ordered))
    seen: dict[tuple[int, int, str], ContractName] = {}
    for name, contract in zip(ordered, contracts, strict=True):
        key = (contract.expiry_ns, contract.strike, contract.right)
        if key in seen:
            raise DataError(f"{symbol}: {name} and {seen[key]} are one contract; expected each once")
        seen[key] = name
    return contracts


def _option_contract(con_id: int, symbol: str, name: ContractName) -> Contract:
    last_day = last_session_on_or_before(name.expiry)
    return Contract(
        con_id=con_id,
        symbol=symbol,
        security_type="OPT",
        multiplier=OPTION_MULTIPLIER,
        right=name.right,
        strike=name.strike,
        expiry_date=f"{last_day:%Y%m%d}",
        expiry_ns=expiry_instant(name.expiry),
        local_symbol=f"{symbol:<6}{last_day:%y%m%d}{name.right}{name.strike // 10:08d}",
        trading_class=symbol,
        tick_grid=OPTION_GRID,
    )
