"""What a person watching the daemon sees: one frozen picture a step."""

from __future__ import annotations

import msgspec

from optionsib.common.events import PortfolioSnapshot, VaultState


class TradeLine(msgspec.Struct, frozen=True):
    """One open trade. Prices 1/10000 per share, money 1/1000000; ``mark`` None = no two-sided quote."""

    trade_id: str
    description: str
    quantity: int
    entry_price: int
    mark: int | None
    opened_ns: int


class OrderLine(msgspec.Struct, frozen=True):
    """One working order."""

    order_ref: str
    purpose: str
    description: str
    limit_price: int
    filled: int
    quantity: int
    submitted_ns: int


class DecisionLine(msgspec.Struct, frozen=True):
    """One decision, newest last."""

    at_ns: int
    candidate_id: str
    description: str
    outcome: str  # "approved", or the layer that refused
    reason: str


class BrokerGap(msgspec.Struct, frozen=True):
    """Distance of our values from the broker's own, medians over ``contracts``; per 1.00."""

    contracts: int
    volatility: float
    delta: float
    largest_volatility: float


class SessionView(msgspec.Struct, frozen=True):
    """The whole picture."""

    title: str
    simulated: bool
    notices: tuple[str, ...]
    at_ns: int
    session_open_ns: int
    session_close_ns: int
    state: str  # "running", "halted: <reason>", "stopping", ...
    underlying_bid: float
    underlying_ask: float
    portfolio: PortfolioSnapshot
    vault: VaultState
    trades: tuple[TradeLine, ...]
    orders: tuple[OrderLine, ...]
    decisions: tuple[DecisionLine, ...]
    broker_gap: BrokerGap | None  # None = too little is known
    counts: dict[str, int]  # "approved", "model", "strategy", "risk", "vault", "gate", "fills"
