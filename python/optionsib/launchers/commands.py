"""What an operator may tell a running daemon: the handlers of its control socket."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from optionsib.brokers.api import BrokerAPI
from optionsib.bus.control import Handler
from optionsib.common.ports import Clock
from optionsib.common.types import Contract, Json
from optionsib.launchers.booking import booking_handlers
from optionsib.launchers.model_commands import model_handlers
from optionsib.launchers.order_commands import order_handlers
from optionsib.trader import QuantumTrader


def command_handlers(
    trader: QuantumTrader, broker: BrokerAPI, clock: Clock, contracts: Mapping[int, Contract]
) -> dict[str, Handler]:
    """Return the operator's commands. Each takes effect at once or at the end of the running step."""

    def status() -> Json:
        picture = msgspec.to_builtins(trader.view) if trader.view else {}
        return {"state": trader.state, "view": picture, "notices": [n.message for n in trader.desk.notices]}

    def halt(reason: str = "operator", operator: str = "") -> Json:
        trader.desk.halt(reason, operator)
        return {"state": trader.state}

    def resume(reason: str = "operator", operator: str = "") -> Json:
        trader.request_resume(reason, operator)
        return {"state": trader.state}

    async def cancel_all(operator: str = "") -> Json:
        trader.desk.halt("cancel-all requested", operator)
        return {"cancelled": await trader.desk.cancel_working("cancel-all"), "state": trader.state}

    def flatten(operator: str = "") -> Json:
        trader.request_flatten(operator)
        return {"state": trader.state}

    def stop() -> Json:
        trader.request_stop("stop requested")
        return {"state": trader.state}

    def ib_status() -> Json:
        picture: Json = msgspec.to_builtins(broker.health())
        return picture

    def limits() -> Json:
        history = trader.desk.limit_history
        return {
            "version": history.version,
            "limits": history.limits.model_dump(mode="json"),
            "pending": msgspec.to_builtins(history.pending),
        }

    def propose_limits(changes: dict[str, str], reason: str, operator: str) -> Json:
        return {"version": trader.desk.propose_limits(changes, reason, operator).version}

    def approve_limits(version: int, operator: str) -> Json:
        return {"version": trader.desk.approve_limits(version, operator).version}

    def set_switch(switch: str, value: str, reason: str, operator: str) -> Json:
        trader.desk.set_switch(switch, value, reason, operator)
        return {"switch": switch, "value": value}

    return {
        "status": status,
        **booking_handlers(trader.desk, clock, contracts),
        **order_handlers(trader, contracts),
        **model_handlers(trader.models),
        "halt": halt,
        "resume": resume,
        "cancel-all": cancel_all,
        "flatten": flatten,
        "stop": stop,
        "ib-status": ib_status,
        "limits": limits,
        "propose-limits": propose_limits,
        "approve-limits": approve_limits,
        "set-switch": set_switch,
    }
