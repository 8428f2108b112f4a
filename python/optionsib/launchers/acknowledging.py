"""``optionsib vault acknowledge``: a person answers for an alarm of the vault that would stand for ever."""

from __future__ import annotations

import getpass
from typing import Any

from optionsib.bus.control import ControlClient, Handler
from optionsib.common.config import Config
from optionsib.common.errors import BusError, SettlementError
from optionsib.common.types import Json
from optionsib.execution.orders import OrderManager
from optionsib.execution.portfolio import Portfolio
from optionsib.launchers.state_folder import control_endpoint, is_silent
from optionsib.vault.service import SettlementService


def acknowledging_handlers(
    portfolio: Portfolio, manager: OrderManager, service: SettlementService
) -> dict[str, Handler]:
    """Return the daemon's side: refused as long as something of the trade is open at the broker."""

    def acknowledge_vault(trade_id: str, reason: str, operator: str) -> Json:
        trade = portfolio.trades.get(trade_id)
        if trade is not None and trade.is_open:
            raise SettlementError(
                f"trade {trade_id} still has open positions: close it first (`optionsib flatten`)"
            )
        working = [r.order.order_ref for r in manager.working() if r.order.trade_id == trade_id]
        if working:
            raise SettlementError(f"order {working[0]} of trade {trade_id} still works: cancel it first")
        told: list[Json] = [*service.acknowledge(trade_id, reason=reason, operator=operator)]
        return {"acknowledged": told}

    return {"acknowledge-vault": acknowledge_vault}


def acknowledge(config: Config, trade_id: str, *, reason: str, operator: str, timeout: float) -> int:
    """Acknowledge the standing alarms of a trade at the running daemon; return the exit status.

    Raises
    ------
    BusError
        If no daemon answers, or it refuses; the message has its reason.
    """
    endpoint = control_endpoint(config)
    if is_silent(endpoint):
        raise BusError(f"none runs with the state folder {config.paths.state}; start it first")
    answer: Any = ControlClient(endpoint).request(
        "acknowledge-vault",
        timeout=timeout,
        trade_id=trade_id,
        reason=reason,
        operator=operator or getpass.getuser(),
    )
    for words in answer["acknowledged"]:
        print(words)
    return 0
