"""``optionsib order``: list, change and cancel the daemon's working orders.

Prices are those of the contract (an option bought or sold at 2.40 is 2.40). Those of a combination are net
debits: what buying its legs once costs a share, negative where that is a credit.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from typing import Any

from optionsib.brokers.price_grid import NO_LIMIT
from optionsib.bus.control import ControlClient, Handler
from optionsib.common.config import Config
from optionsib.common.errors import BusError, ConfigError, ExecutionError
from optionsib.common.events import DecisionRecord, Refusal
from optionsib.common.types import PRICE_SCALE, Contract, Json, Order
from optionsib.execution.orders import OrderRecord
from optionsib.launchers.booking import exact
from optionsib.launchers.state_folder import control_endpoint, is_silent
from optionsib.trader import QuantumTrader
from optionsib.trader.view import describe_legs


def order_handlers(trader: QuantumTrader, contracts: Mapping[int, Contract]) -> dict[str, Handler]:
    """Return the daemon's side."""

    def orders() -> Json:
        return [_line(record, contracts) for record in trader.desk.manager.working()]

    async def change_order(
        order_ref: str, terms: dict[str, int], reason: str, operator: str, patience: float
    ) -> Json:
        record = trader.desk.manager.records.get(order_ref)
        ours = terms if record is None else _our_terms(record.order, terms)
        decision = await trader.by_hand.change(
            order_ref, ours, reason=reason, operator=operator, patience=patience
        )
        return _outcome(decision)

    async def cancel_order(order_ref: str, reason: str, operator: str) -> Json:
        await trader.by_hand.cancel(order_ref, reason=reason, operator=operator)
        return {"order_ref": order_ref}

    return {"orders": orders, "change-order": change_order, "cancel-order": cancel_order}


def show_orders(config: Config, *, timeout: float, as_json: bool) -> int:
    """Print the working orders; return the exit status.

    Raises
    ------
    BusError
        If no daemon answers.
    """
    lines = _ask(config, "orders", timeout, {})
    if as_json:
        print(json.dumps(lines, indent=2))
        return 0
    if not lines:
        print("no working orders")
    for line in lines:
        print(_text(line))
    return 0


def ask_for(
    config: Config,
    verb: str,
    order_ref: str,
    terms: Mapping[str, str],
    *,
    reason: str,
    operator: str,
    timeout: float,
    as_json: bool,
) -> int:
    """Ask the daemon to ``change`` or ``cancel`` an order; return 1 where the gate refuses it.

    Parameters
    ----------
    config : Config
        Its state folder names the daemon.
    verb, order_ref : str
        What to do with which order.
    terms : mapping
        ``price``, ``stop`` and ``quantity`` as typed; empty ones stay.
    reason, operator : str
        Written in the journal.
    timeout : float
        Seconds to wait for the daemon; a change waits for its next step.
    as_json : bool
        For machines.

    Raises
    ------
    ConfigError
        If the words are no terms; nothing was sent.
    BusError
        If no daemon answers, or it refuses; the message has its reason.
    """
    arguments: dict[str, Json] = {
        "order_ref": order_ref,
        "reason": reason,
        "operator": operator or getpass.getuser(),
    }
    if verb == "change":
        scales = {"price": PRICE_SCALE, "stop": PRICE_SCALE, "quantity": 1}
        wanted: dict[str, Json] = {name: exact(word, scales[name]) for name, word in terms.items() if word}
        if not wanted:
            raise ConfigError("order change needs --price, --stop or --quantity")
        arguments |= {"terms": wanted, "patience": timeout}
    answer = _ask(config, f"{verb}-order", timeout, arguments)
    if as_json:
        print(json.dumps(answer, indent=2))
    elif verb == "cancel":
        print(f"cancel of {order_ref} sent; `optionsib order list` shows it until the broker confirms")
    else:
        print(_told(order_ref, answer))
    return 0 if verb == "cancel" or answer["approved"] else 1


def _told(order_ref: str, answer: Mapping[str, Any]) -> str:
    if answer["approved"]:
        rounded = f" ({answer['remark']})" if answer["remark"] else ""
        return f"change of {order_ref} sent{rounded}; `optionsib order list` shows what the broker works"
    check = answer["check"]
    figures = f" [{check}: {answer['value']:g}, limit {answer['limit']:g}]" if check else ""
    return f"refused by {answer['layer']}: {answer['reason']}{figures}; the order works on as it was"


def _outcome(decision: DecisionRecord) -> dict[str, Json]:
    outcome, risk = decision.outcome, decision.risk
    if not isinstance(outcome, Refusal):
        _, _, remark = (decision.strategy.reason if decision.strategy else "").rpartition("; ")
        return {"approved": True, "remark": remark if " rounded to " in remark else ""}
    by_limits = outcome.layer == "risk" and risk is not None
    return {
        "approved": False,
        "layer": outcome.layer,
        "reason": outcome.reason,
        "check": risk.check if by_limits and risk else "",
        "value": risk.value if by_limits and risk else 0.0,
        "limit": risk.limit if by_limits and risk else 0.0,
    }


def _sign(order: Order) -> int:
    """-1 where our net debit is the contract's price with the other sign: one contract that is sold."""
    return -1 if len(order.legs) == 1 and order.legs[0].ratio < 0 else 1


def _our_terms(order: Order, terms: Mapping[str, int]) -> dict[str, int]:
    """Return terms as a person says them in our words.

    Raises
    ------
    ExecutionError
        If the order has no such price, or it is none that a contract can have.
    """
    ref, named = order.order_ref, {"price": "limit_price", "stop": "stop_price", "quantity": "quantity"}
    if unknown := sorted(set(terms) - set(named)):
        raise ExecutionError(f"order {ref}: terms {unknown}, expected price, stop or quantity")
    if "price" in terms and order.order_type in NO_LIMIT:
        raise ExecutionError(f"order {ref} is a {order.order_type}: it has no limit; nothing was sent")
    if "stop" in terms and order.stop_price is None:
        raise ExecutionError(f"order {ref} is a {order.order_type}: it has no stop; nothing was sent")
    for name in ("price", "stop"):
        if len(order.legs) == 1 and terms.get(name, 1) <= 0:
            raise ExecutionError(
                f"order {ref}: {name} {terms[name] / PRICE_SCALE:g} of one contract, expected above 0; "
                "nothing was sent"
            )
    return {
        named[name]: value if name == "quantity" else value * _sign(order) for name, value in terms.items()
    }


def _line(record: OrderRecord, contracts: Mapping[int, Contract]) -> dict[str, Json]:
    order, sign = record.order, _sign(record.order)
    return {
        "order_ref": order.order_ref,
        "trade_id": order.trade_id,
        "purpose": order.purpose,
        "description": describe_legs(order.legs, contracts),
        "type": order.order_type,
        "time_in_force": order.time_in_force,
        "quantity": order.quantity,
        "filled": record.filled,
        "price": None if order.order_type in NO_LIMIT else sign * order.limit_price / PRICE_SCALE,
        "stop": None if order.stop_price is None else sign * order.stop_price / PRICE_SCALE,
        "status": record.status,
        "parent": order.parent_ref,
        "by_hand": record.by_hand,
        "change_waits": record.modify_pending,
        "cancel_waits": record.cancel_requested,
    }


def _text(line: Mapping[str, Any]) -> str:
    prices = [
        f"{name} {line[name]:.10g}" if name != "price" else f"at {line['price']:.10g}"
        for name in ("price", "stop")
        if line[name] is not None
    ]
    remarks = [
        words
        for words, holds in (
            (f"exit of {line['parent']}", line["parent"]),
            ("set by hand", line["by_hand"]),
            ("a change waits for its answer", line["change_waits"]),
            ("its end was asked for", line["cancel_waits"]),
        )
        if holds
    ]
    return (
        f"{line['order_ref']}  {line['purpose']:<6}{line['quantity']} x {line['description']:<26} "
        f"{line['type']} {' '.join(prices)}  filled {line['filled']}/{line['quantity']}  {line['status']}"
        + (f"  ({'; '.join(remarks)})" if remarks else "")
    )


def _ask(config: Config, command: str, timeout: float, arguments: dict[str, Json]) -> Any:
    endpoint = control_endpoint(config)
    if is_silent(endpoint):
        raise BusError(
            f"none runs with the state folder {config.paths.state}; `optionsib cancel-all` reaches the broker"
        )
    return ControlClient(endpoint).request(command, timeout=timeout, **arguments)
