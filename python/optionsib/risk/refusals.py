"""The words of a refusal: its check, value and limit as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optionsib.common.config import LimitsConfig
from optionsib.common.types import MONEY_SCALE, Contract, Order

_EXCEEDED, _MISSING_LIMIT, _UNKNOWN = 1, 2, 3
_MOST_LEGS = 8


@dataclass(frozen=True, slots=True)
class Refusal:
    """``check`` is its name, or ``missing_limit:<key>``; money ``value`` and ``limit`` are in currency."""

    check: str
    reason: str
    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class _Check:
    """The limit of a check in the configuration, and the words of a refusal."""

    limit: str
    subject: str
    money: bool = False


def _exposures(scope: str) -> dict[str, _Check]:
    return {
        f"{scope}_{what}": _Check(f"max_{scope}_{what}", f"{scope} {what}")
        for what in ("delta", "gamma", "vega", "notional")
    }


_CHECKS: dict[str, _Check] = {
    "order_quantity": _Check("max_order_quantity", "order quantity"),
    "price_band": _Check("max_order_price", "limit price"),
    "stale_feed": _Check("max_feed_age_seconds", "feed age"),
    "stale_change": _Check("max_change_age_seconds", "age of the last price change"),
    "price_collar": _Check("price_collar", "limit price"),
    **_exposures("order"),
    "order_loss": _Check("max_order_loss", "worst loss of the order", money=True),
    "position": _Check("max_position", "position with working orders"),
    "open_quantity": _Check("max_open_quantity", "contracts in working orders"),
    "credit": _Check("max_credit", "cash paid out and to be paid", money=True),
    "daily_loss": _Check("max_daily_loss", "loss of the day", money=True),
    **_exposures("portfolio"),
    **_exposures("strategy"),
    **_exposures("underlying"),
    **_exposures("expiry"),
    "portfolio_loss": _Check("max_portfolio_loss", "worst loss of the portfolio", money=True),
    "scenario_loss": _Check("max_scenario_loss", "loss in the worst scenario", money=True),
    "open_orders": _Check("max_open_orders", "number of working orders"),
    "order_rate": _Check("max_orders_per_minute", "orders in the last minute"),
    "duplicate": _Check("duplicate_window_seconds", ""),
    "order_to_trade": _Check("max_order_to_trade", "messages over executions"),
    "repeated_executions": _Check("max_repeated_executions", "executions of the strategy in the window"),
    "market_maker_protection": _Check("max_protection_quantity", "contracts filled in the window"),
}
# Refusals that are no comparison with a number.
_PLAIN = {
    "kill_switch": "trading is halted",
    "account_kill": "trading of the account is halted",
    "account_enabled": "the account is not enabled",
    "tradable": "not tradable",
    "restricted": "on the restricted list",
    "duplicate": "the same order was sent a moment ago",
    "self_match": "would meet an own working order",
    "malformed": "malformed",
}
MONEY_LIMITS = frozenset(check.limit for check in _CHECKS.values() if check.money)


def describe(
    name: str, finding: int, value: float, limit: float, contract: str | None, limits: LimitsConfig
) -> Refusal:
    """Return the words for check ``name`` that found ``finding`` (1 exceeded, 2 limit not set, 3 not known).

    ``contract`` names the leg that it is about; ``limits`` are those in force.
    """
    check = _CHECKS.get(name, _Check("", name))
    where = "" if contract is None else f" of {contract}"
    if finding == _MISSING_LIMIT:
        missing = _missing_key(name, check.limit, limits)
        return Refusal(f"missing_limit:{missing}", f"the limit {missing} is not set", value, limit)
    if finding == _UNKNOWN:
        what = "the quote" if name == "price_collar" else check.subject
        source = where or (" of the underlying" if name == "stale_feed" else "")
        return Refusal(name, f"{what}{source} is not known", 0.0, limit)
    if check.money:
        value, limit = value / MONEY_SCALE, limit / MONEY_SCALE
    if name in _PLAIN:
        reason = _PLAIN[name] if contract is None else f"{contract} is {_PLAIN[name]}"
    elif name == "price_positive":
        reason = f"limit price {value:.4f} is not positive"
    elif name == "price_grid":
        reason = f"limit price {value:.4f} is not on the tick grid"
    elif name == "lot":
        reason = f"quantity {value:g}{where} is no multiple of the lot of {limit:g}"
    else:
        reason = f"{check.subject}{where} {value:g} is above the limit of {limit:g}"
    return Refusal(name, reason, value, limit)


def _missing_key(name: str, key: str, limits: LimitsConfig) -> str:
    """Of a limit and its window, the one that is missing."""
    windows = {
        "repeated_executions": "repeated_executions_window_seconds",
        "market_maker_protection": "protection_window_seconds",
    }
    window = windows.get(name)
    return window if window is not None and getattr(limits, window) is None else key


def malformation(order: Order, contracts: Mapping[int, Contract]) -> str:
    """Say what is wrong with an order that the core would not read; ``contracts`` are those it knows."""
    con_ids = [leg.con_id for leg in order.legs]
    unknown = [con_id for con_id in con_ids if con_id not in contracts]
    problem = f"limit price {order.limit_price}, quantity {order.quantity} or ratios are out of range"
    if not con_ids:
        problem = "it has no legs"
    elif unknown:
        problem = f"con_id {unknown[0]} is unknown"
    elif len(con_ids) > _MOST_LEGS:
        problem = f"it has {len(con_ids)} legs, at most {_MOST_LEGS} are judged"
    elif len(set(con_ids)) != len(con_ids):
        problem = f"a con_id repeats in its legs {con_ids}"
    elif any(leg.ratio == 0 for leg in order.legs):
        problem = "a leg has ratio 0"
    elif len(con_ids) == 1 and abs(order.legs[0].ratio) != 1:
        problem = f"a single leg needs ratio +1 or -1, got {order.legs[0].ratio}"
    elif order.quantity <= 0:
        problem = f"quantity must be positive, got {order.quantity}"
    return f"order {order.order_ref!r} is malformed: {problem}"
