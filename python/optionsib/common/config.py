"""The configuration: one typed section an area. Unknown keys are errors.

``config/main_config.yaml`` is read first, then ``config/environment/{dev,paper,prod}.yaml``, then
environment variables ``OPTIONSIB_<SECTION>__<KEY>``.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Base of all sections: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SessionConfig(Section):
    """What is traded and how decisions are paced."""

    mode: Literal["paper", "live"] = "paper"
    symbol: str = "TWX"
    seed: int = 7
    step_seconds: int = Field(60, ge=1, description="decision interval when the broker sets no pace")
    account: str = ""


class GatewayConfig(Section):
    """The connection to TWS, IB Gateway or the paper exchange."""

    host: str = "127.0.0.1"
    port: int = Field(7497, ge=0, le=65535)
    client_id: int = Field(1, ge=0)
    rescue_client_id: int = Field(9, ge=0, description="used by cancel-all and flatten as own process")
    request_timeout_seconds: float = Field(30.0, gt=0)
    messages_per_second: int = Field(45, ge=1, le=50)
    market_data_lines: int = Field(100, ge=1)


class FeeRow(Section):
    """One dated fee. Amounts in the account's currency."""

    name: str
    per_contract: Decimal
    minimum_per_order: Decimal = Decimal(0)
    valid_from: dt.date
    source: str
    verified: bool


class FeesConfig(Section):
    """All fees an order pays; rows add up."""

    rows: tuple[FeeRow, ...] = ()


class RatePoint(Section):
    """A continuously compounded zero rate at a tenor."""

    tenor_days: int = Field(gt=0)
    rate: float


class RatesConfig(Section):
    """A dated curve with its source; the latest one not after the trading day applies."""

    as_of: dt.date
    source: str
    points: tuple[RatePoint, ...]


class LimitsConfig(Section):
    """Risk limits. A limit that is not set refuses every order that would need it.

    Delta in shares, gamma in shares per 1.00 of spot, vega in currency per 1.00 of volatility,
    money in the account's currency.
    """

    max_order_quantity: int | None = None
    max_order_delta: float | None = None
    max_order_gamma: float | None = None
    max_order_vega: float | None = None
    max_order_notional: Decimal | None = None
    max_order_loss: Decimal | None = None
    max_portfolio_delta: float | None = None
    max_portfolio_gamma: float | None = None
    max_portfolio_vega: float | None = None
    max_portfolio_notional: Decimal | None = None
    max_portfolio_loss: Decimal | None = None
    price_collar: Decimal | None = Field(None, description="how far a limit may lie beyond the far touch")
    max_orders_per_minute: int | None = None
    max_feed_age_seconds: float | None = Field(None, description="feed silent or underlying older")
    max_change_age_seconds: float | None = Field(None, description="age of a leg's last price change")


class FeaturesConfig(Section):
    """How the chain is turned into features."""

    realized_volatility_minutes: int = 30
    residual_history_minutes: int = 15
    minimum_quotes_per_smile: int = 5


class ModelConfig(Section):
    """Which model may vote, and for how long a vote counts."""

    path: str = ""
    allow_unproven: bool = False
    vote_valid_seconds: float = 120.0
    accept_probability: float = 0.5


class StrategyConfig(Section):
    """Vertical spreads on smile residuals. Prices in currency per share."""

    minimum_edge: Decimal = Decimal("0.02")
    cancel_after_minutes: int = 30
    hold_minutes: int = 60
    flat_at: dt.time = dt.time(15, 45)
    no_new_after: dt.time = dt.time(15, 0)
    maximum_width: Decimal = Decimal("5.00")
    maximum_leg_spread: Decimal = Decimal("0.50")
    maximum_open_trades: int = 6
    candidates_per_step: int = 3
    quantity: int = 1


class VaultConfig(Section):
    """Deposits of the demo vault, in USDT (simulated; 1 USD = 1 USDT)."""

    deposit: Decimal = Decimal(10_000)
    clearing_deposit: Decimal = Decimal(10_000)


class PathsConfig(Section):
    """Where the daemon writes."""

    state: str = "var"


class ControlConfig(Section):
    """The daemon's control socket (status, halt, resume, cancel-all, flatten) and event stream."""

    endpoint: str = Field("", description="ZeroMQ endpoint; empty = ipc socket in the state folder")
