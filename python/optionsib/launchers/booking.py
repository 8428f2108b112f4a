"""``optionsib book``: fills that the broker no longer reports, named by the daemon and booked by a person."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from optionsib.bus.control import ControlClient, Handler
from optionsib.common.config import Config
from optionsib.common.errors import BusError, ConfigError
from optionsib.common.ports import Clock
from optionsib.common.types import MONEY_SCALE, PRICE_SCALE, Contract, Json
from optionsib.execution import unreported
from optionsib.execution.desk import OrderDesk
from optionsib.launchers.state_folder import control_endpoint, is_silent

_TOO_MUCH = 2**62  # what a message holds


def booking_handlers(desk: OrderDesk, clock: Clock, contracts: Mapping[int, Contract]) -> dict[str, Handler]:
    """Return the daemon's side: what differs, and the booking of a fill that explains it."""

    def name(con_id: int) -> str:
        contract = contracts.get(con_id)
        return contract.local_symbol or str(con_id) if contract else str(con_id)

    def unreported_fills() -> Json:
        return {
            "differences": [
                {"contract": name(con_id), "ours": ours, "brokers": theirs}
                for con_id, ours, theirs in desk.differences
            ],
            "fills": [
                {
                    "order_ref": order_ref,
                    "units": units,
                    "legs": [
                        f"{leg.ratio:+d} {name(leg.con_id)}"
                        for leg in desk.manager.records[order_ref].order.legs
                    ],
                }
                for order_ref, units in unreported.explanations(desk.manager, desk.differences)
            ],
        }

    def book_unreported(
        order_ref: str, units: int, prices: list[int], commission: int, reason: str, operator: str
    ) -> Json:
        fill = unreported.UnreportedFill(order_ref, units, tuple(prices), commission)
        unreported.book(desk, fill, reason=reason, operator=operator, at_ns=clock.now_ns())
        return {"differences": msgspec.to_builtins(desk.differences)}

    return {"unreported-fills": unreported_fills, "book-unreported": book_unreported}


def book(
    config: Config, words: Sequence[str], *, commission: str, reason: str, operator: str, timeout: float
) -> int:
    """Show what could be booked, or book it; return the exit status.

    Parameters
    ----------
    config : Config
        Its state folder names the daemon.
    words : sequence of str
        Nothing, or order reference, units, and the price of each leg from the account statement.
    commission : str
        What the fill cost in all, in currency.
    reason, operator : str
        Written in the journal.
    timeout : float
        Seconds to wait for the daemon.

    Raises
    ------
    ConfigError
        If the words are no booking; nothing was sent.
    BusError
        If no daemon answers, or it refuses; the message has its reason.
    """
    if not words:
        _show(_ask(config, "unreported-fills", timeout, {}))
        return 0
    if len(words) < 3 or not words[1].isdecimal():
        raise ConfigError(
            f"book {' '.join(words)}: expected ORDER UNITS PRICE, with one price a leg from the statement"
        )
    answer = _ask(
        config,
        "book-unreported",
        timeout,
        {
            "order_ref": words[0],
            "units": int(words[1]),
            "prices": [exact(word, PRICE_SCALE) for word in words[2:]],
            "commission": exact(commission, MONEY_SCALE),
            "reason": reason,
            "operator": operator or getpass.getuser(),
        },
    )
    left = len(answer["differences"])
    print(
        f"booked by hand: {words[1]} of {words[0]}; "
        + (f"{left} positions still differ" if left else "positions agree; `optionsib resume` lifts the halt")
    )
    return 0


def _ask(config: Config, command: str, timeout: float, arguments: dict[str, Json]) -> Any:
    endpoint = control_endpoint(config)
    if is_silent(endpoint):
        raise BusError(f"none runs with the state folder {config.paths.state}; start it, it comes up halted")
    return ControlClient(endpoint).request(command, timeout=timeout, **arguments)


def exact(text: str, scale: int) -> int:
    """Return a decimal number as a whole number of parts.

    Raises
    ------
    ConfigError
        If it is no number, or has more decimals than parts.
    """
    try:
        value = Decimal(text) * scale
    except InvalidOperation as error:
        raise ConfigError(f"{text!r}: expected a number") from error
    if value.is_finite() and abs(value) >= _TOO_MUCH:
        raise ConfigError(f"{text!r}: expected a number below {_TOO_MUCH / scale:g}")
    if not value.is_finite() or value != value.to_integral_value():
        raise ConfigError(f"{text!r}: expected a number with at most {len(str(scale)) - 1} decimals")
    return int(value)


def _show(answer: Any) -> None:
    if not answer["differences"]:
        print("positions agree with the broker's; nothing to book")
    for one in answer["differences"]:
        print(f"{one['contract']}: {one['ours']:+d} in the books, {one['brokers']:+d} at the broker")
    for fill in answer["fills"]:
        print(
            f"would explain it: {fill['units']} of {fill['order_ref']} ({', '.join(fill['legs'])}); "
            f"optionsib book {fill['order_ref']} {fill['units']} <price of each leg> --commission <amount> "
            "--reason <why>"
        )
    if answer["differences"] and not answer["fills"]:
        print("no order of this journal explains it alone: compare with the account statement")
