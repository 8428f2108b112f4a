"""The configuration: one typed section an area. Unknown keys are errors.

``config/main_config.yaml`` is read first, then ``config/environment/{dev,paper,prod}.yaml``, then
environment variables ``OPTIONSIB_<SECTION>__<KEY>``, then overrides of the caller; the later one wins
key by key (a list is replaced as a whole).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from optionsib.common import codec
from optionsib.common.config_sources import load

_NOT_IN_DIGEST: Mapping[str, frozenset[str] | None] = {
    # Where a session listens and writes does not change what it decides (None = the whole section).
    "gateway": frozenset({"host", "port"}),
    "model": frozenset({"path", "shadow"}),
    "paths": None,
    "control": None,
    "vault": frozenset(
        {
            "rpc_url",
            "engine_signer",
            "settlement_signer",
            "attestor_signer",
            "attestor_endpoint",
            "attestor_client_id",
            "attestor_curve_public_key",
            "attestor_curve_secret_key",
            "attestor_curve_peer_key",
        }
    ),
}


class Section(BaseModel):
    """Base of all sections: frozen; an unknown key, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class SessionConfig(Section):
    """What is traded and how decisions are paced."""

    mode: Literal["paper", "live"] = "paper"
    symbol: str = "TWX"
    seed: int = 7
    step_seconds: int = Field(default=60, ge=1, description="decision interval when the broker sets no pace")
    account: str = ""


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class QuietWindow(Section):
    """A planned outage of the broker, every week on the clocks of New York; no order leaves meanwhile."""

    name: str = Field(min_length=1)
    start: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="HH:MM, New York")
    minutes: int = Field(ge=1, le=24 * 60)
    days: tuple[Day, ...] = Field(default=("mon", "tue", "wed", "thu", "fri", "sat", "sun"), min_length=1)

    @property
    def start_time(self) -> dt.time:
        """``start`` as a time of day."""
        return dt.time.fromisoformat(self.start)


class GatewayConfig(Section):
    """The connection to TWS, IB Gateway or the paper exchange."""

    host: str = "127.0.0.1"
    port: int = Field(default=7497, ge=0, le=65535)
    client_id: int = Field(default=1, ge=0)
    rescue_client_id: int = Field(
        default=9, ge=0, description="used by cancel-all and flatten as own process"
    )
    request_timeout_seconds: float = Field(default=30.0, gt=0)
    messages_per_second: int = Field(default=45, ge=1, le=50)
    market_data_lines: int = Field(default=100, ge=1)
    heartbeat_seconds: float = Field(
        default=5.0, gt=0, description="how often the broker is asked for its time; no answer = no connection"
    )
    stale_seconds: float = Field(
        default=10.0, gt=0, description="after this long without a tick a symbol's quotes are stale"
    )
    client_id_patience_seconds: float = Field(
        default=300.0, ge=0, description="how long an old session may hold the client id (326)"
    )
    greeks_tolerance: float = Field(
        default=0.05,
        gt=0,
        description="largest median distance of our volatilities and deltas from the broker's",
    )
    quiet_windows: tuple[QuietWindow, ...] = (
        QuietWindow(name="daily restart", start="23:45", minutes=15),
        QuietWindow(name="weekly login", start="01:00", minutes=60, days=("sun",)),
    )


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

    Delta in shares, gamma in shares per 1.00 of spot, vega in currency per 1.00 of volatility, notional
    gross, money in the account's currency, quantities in contracts. ``docs/limits.md`` tells what each is
    compared with.
    """

    max_order_quantity: int | None = Field(default=None, ge=0, description="units of one order")
    max_order_delta: float | None = Field(default=None, ge=0)
    max_order_gamma: float | None = Field(default=None, ge=0)
    max_order_vega: float | None = Field(default=None, ge=0)
    max_order_notional: Decimal | None = Field(default=None, ge=0)
    max_order_loss: Decimal | None = Field(default=None, ge=0)
    max_order_price: Decimal | None = Field(default=None, ge=0, description="static band of any limit price")
    max_position: int | None = Field(
        default=None, ge=0, description="of one contract, working orders included"
    )
    max_open_quantity: int | None = Field(default=None, ge=0, description="contracts in working orders")
    max_open_orders: int | None = Field(default=None, ge=0)
    max_credit: Decimal | None = Field(default=None, ge=0, description="cash paid out and to be paid")
    max_daily_loss: Decimal | None = Field(default=None, ge=0, description="cash flow and positions at mid")
    max_portfolio_delta: float | None = Field(default=None, ge=0)
    max_portfolio_gamma: float | None = Field(default=None, ge=0)
    max_portfolio_vega: float | None = Field(default=None, ge=0)
    max_portfolio_notional: Decimal | None = Field(default=None, ge=0)
    max_portfolio_loss: Decimal | None = Field(default=None, ge=0)
    max_strategy_delta: float | None = Field(default=None, ge=0)
    max_strategy_gamma: float | None = Field(default=None, ge=0)
    max_strategy_vega: float | None = Field(default=None, ge=0)
    max_strategy_notional: Decimal | None = Field(default=None, ge=0)
    max_underlying_delta: float | None = Field(default=None, ge=0)
    max_underlying_gamma: float | None = Field(default=None, ge=0)
    max_underlying_vega: float | None = Field(default=None, ge=0)
    max_underlying_notional: Decimal | None = Field(default=None, ge=0)
    max_expiry_delta: float | None = Field(default=None, ge=0)
    max_expiry_gamma: float | None = Field(default=None, ge=0)
    max_expiry_vega: float | None = Field(default=None, ge=0)
    max_expiry_notional: Decimal | None = Field(default=None, ge=0)
    max_scenario_loss: Decimal | None = Field(default=None, ge=0, description="worst cell of the grid below")
    scenario_spot_moves: tuple[float, ...] = Field(
        default=(), description="relative moves of the underlying; no moves = no grid and no such check"
    )
    scenario_volatility_moves: tuple[float, ...] = Field(
        default=(), description="relative moves of volatility"
    )
    price_collar: Decimal | None = Field(
        default=None, ge=0, description="how far a limit may lie beyond the far touch"
    )
    max_orders_per_minute: int | None = Field(default=None, ge=0)
    duplicate_window_seconds: float | None = Field(
        default=None, ge=0, description="an equal order within it is refused; 0 = never"
    )
    max_order_to_trade: float | None = Field(
        default=None, ge=0, description="orders, reprices and cancels over executions"
    )
    max_repeated_executions: int | None = Field(
        default=None, ge=0, description="executions of one strategy within the window; more stop it"
    )
    repeated_executions_window_seconds: float | None = Field(default=None, ge=0)
    max_protection_quantity: int | None = Field(
        default=None, ge=0, description="contracts filled in one underlying within the window; more stop it"
    )
    protection_window_seconds: float | None = Field(default=None, ge=0)
    max_feed_age_seconds: float | None = Field(
        default=None, ge=0, description="feed silent or underlying older"
    )
    max_change_age_seconds: float | None = Field(
        default=None, ge=0, description="age of a leg's last price change"
    )
    restricted: tuple[str, ...] = Field(
        default=(), description="symbols in which nothing may be opened; closing stays allowed"
    )


class FeaturesConfig(Section):
    """How the chain is turned into features."""

    realized_volatility_minutes: int = Field(default=30, ge=2)
    residual_history_minutes: int = Field(default=15, ge=1)
    minimum_quotes_per_smile: int = Field(default=5, ge=3)
    maximum_feed_age_seconds: float = Field(default=60.0, gt=0, description="older quotes give no features")
    exercise: Literal["american", "european"] = Field(
        default="american", description="european for options on an index that are exercised at expiry only"
    )
    parity_pairs: int = Field(default=6, ge=1, description="strikes nearest to spot that give the forward")


class ModelConfig(Section):
    """Which model may vote, and for how long a vote counts."""

    path: str = Field(
        default="", description="empty = the model in the package; none = no model, nothing is opened"
    )
    shadow: str = Field(default="", description="asked the same and scored, never acted on; empty = none")
    stage: Literal["paper", "live"] = Field(
        default="live", description="what a model must have shown: paper = integrity, live = skill too"
    )
    budget_seconds: float = Field(default=1.0, gt=0, description="a later forecast is no forecast")
    vote_valid_seconds: float = Field(default=120.0, gt=0, description="from when its features were known")
    accept_probability: float = Field(default=0.6, ge=0, le=1)


class TrainingConfig(Section):
    """How the residual classifier is trained."""

    horizon_minutes: int = Field(default=15, ge=1, description="how far ahead the label looks")
    dead_band: Decimal = Field(default=Decimal("0.005"), ge=0, description="smaller changes are no label")
    training_fraction: float = Field(
        default=0.7, gt=0, lt=1, description="earlier part of each day that is fitted"
    )
    maximum_spread: Decimal = Field(
        default=Decimal("0.50"), gt=0, description="contracts with wider quotes are left out"
    )
    trees: int = Field(default=60, ge=1)
    depth: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=0.08, gt=0, le=1)
    minimum_child_weight: float = Field(default=300.0, ge=0)
    subsample: float = Field(default=0.8, gt=0, le=1)
    column_sample: float = Field(default=0.8, gt=0, le=1)


class StrategyConfig(Section):
    """Vertical spreads on smile residuals. Prices in currency per share."""

    minimum_edge: Decimal = Field(default=Decimal("0.005"), ge=0, description="fair value less limit")
    minimum_mispricing: Decimal = Field(
        default=Decimal("0.005"), ge=0, description="fair value less mid: how cheap a spread must be quoted"
    )
    maximum_limit_distance: Decimal = Field(
        default=Decimal("0.10"), gt=0, description="how far below the mid a limit may rest"
    )
    minimum_leg_bid: Decimal = Field(
        default=Decimal("0.10"), gt=0, description="below it a leg may not be sold again"
    )
    minimum_leg_delta: float = Field(default=0.10, ge=0, lt=0.5, description="wings are left alone")
    reprice_tolerance: Decimal = Field(
        default=Decimal("0.04"), ge=0, description="a limit nearer than this to where it should be stays"
    )
    cancel_after_minutes: int = Field(default=30, ge=1)
    hold_minutes: int = Field(default=60, ge=1)
    flat_at: dt.time = Field(default=dt.time(15, 45), description="New York time")
    no_new_before: dt.time = Field(default=dt.time(9, 45), description="New York time")
    no_new_after: dt.time = Field(default=dt.time(15, 0), description="New York time")
    cross_at: dt.time = Field(
        default=dt.time(15, 30), description="New York time; from then on closing orders cross"
    )
    maximum_width: Decimal = Field(default=Decimal("5.00"), gt=0)
    maximum_leg_spread: Decimal = Field(default=Decimal("0.20"), gt=0)
    maximum_open_trades: int = Field(default=8, ge=0)
    candidates_per_step: int = Field(default=6, ge=1)
    quantity: int = Field(default=1, ge=1)

    @field_validator("flat_at", "no_new_before", "no_new_after", "cross_at", mode="before")
    @classmethod
    def _refuse_numbers(cls, value: object) -> object:
        # YAML 1.1 reads a bare 15:45 as the number 945 (base 60), which would become 00:15:45.
        if isinstance(value, int | float):
            raise ValueError("expected a quoted time of day such as '15:45'")
        return value


class VaultConfig(Section):
    """The vault that trades settle through. Amounts in USDT; 1 USD = 1 USDT.

    ``rpc_url`` comes by environment variable only. Without it the vault stands on a chain inside the
    process: simulated, with keys that follow from the seed. A signer is ``file:PATH``,
    ``environment:VARIABLE`` or ``remote:URL#KEY`` (``docs/vault.md``).
    """

    rpc_url: SecretStr = Field(
        default=SecretStr(""), description="of a node; may hold an API key; empty = the chain in the process"
    )
    program: str = Field(default="", description="address of the program, base58")
    mint: str = Field(
        default="Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", description="address of the token (USDT)"
    )
    trader: str = Field(default="", description="whose vault, base58")
    engine_signer: str = ""
    settlement_signer: str = Field(default="", description="empty = profits are owed, `vault pay` pays them")
    attestor_signer: str = Field(default="", description="of `optionsib vault attestor`, never the daemon's")
    attestor_endpoint: str = Field(
        default="", description="ZeroMQ endpoint; empty = ipc socket in the state folder"
    )
    attestor_client_id: int = Field(default=7, ge=0, description="of the attestor's own broker connection")
    attestor_curve_public_key: str = Field(default="", description="Z85; needed off the loopback only")
    attestor_curve_secret_key: SecretStr = Field(
        default=SecretStr(""), description="only by environment variable"
    )
    attestor_curve_peer_key: str = Field(default="", description="the other side's public key")
    commitment: Literal["confirmed", "finalized"] = Field(
        default="confirmed", description="when a transaction counts as settled"
    )
    priority_fee_floor: int = Field(default=0, ge=0, description="micro-lamports a compute unit, at least")
    priority_fee_ceiling: int = Field(
        default=50_000, ge=0, description="at most; between them the recent fees decide"
    )
    deposit: Decimal = Field(default=Decimal(10_000), ge=0, description="of the chain in the process")
    clearing_deposit: Decimal = Field(
        default=Decimal(10_000), ge=0, description="held by its settlement account, which pays the profits"
    )
    trade_cap: Decimal = Field(default=Decimal(10_000), gt=0, description="mandate: one trade")
    total_cap: Decimal = Field(default=Decimal(10_000), gt=0, description="mandate: all open trades")
    day_loss_cap: Decimal = Field(default=Decimal(10_000), gt=0, description="mandate: losses of 24 hours")
    lifetime_loss_cap: Decimal = Field(default=Decimal(100_000), gt=0, description="mandate: losses ever")
    symbols: str = Field(
        default="", description="mandate: what may be traded, separated by commas; empty = session.symbol"
    )
    fee_bps: int = Field(default=1_000, ge=0, le=5_000, description="mandate: of new profit, 1/10000")
    max_duration_hours: int = Field(default=720, ge=1, le=8_784, description="mandate: of a trade")
    heartbeat_limit_hours: int = Field(default=24, ge=24, le=8_760, description="mandate")
    timelock_hours: int = Field(default=24, ge=24, le=720, description="mandate: before a change is in force")
    trade_hours: float = Field(
        default=24.0, gt=0, description="how long a trade is opened for; extended before its end"
    )
    extend_before_minutes: float = Field(default=15.0, gt=0, description="of chain time before the expiry")
    heartbeat_hours: float = Field(default=6.0, gt=0, description="how often the engine shows that it lives")
    reading_age_seconds: float = Field(
        default=120.0, gt=0, description="an older reading of the chain opens nothing"
    )
    clock_skew_seconds: float = Field(default=30.0, gt=0, description="chain time against ours")
    slow_confirmation_seconds: float = Field(default=30.0, gt=0)
    commission_wait_seconds: float = Field(
        default=300.0, gt=0, description="then a close that waits for its commissions is an alarm"
    )
    low_sol: Decimal = Field(default=Decimal("0.05"), ge=0, description="below it the engine opens nothing")


class PathsConfig(Section):
    """Where the daemon writes."""

    state: str = "var"


class ControlConfig(Section):
    """The daemon's control socket (status, halt, resume, cancel-all, flatten) and event stream.

    The keys are Z85 text of 40 characters and needed off the loopback only.
    """

    endpoint: str = Field(default="", description="ZeroMQ endpoint; empty = ipc socket in the state folder")
    stream_endpoint: str = Field(
        default="", description="where events are published; empty = ipc socket in the state folder"
    )
    curve_public_key: str = ""
    curve_secret_key: SecretStr = Field(default=SecretStr(""), description="only by environment variable")


class Config(BaseSettings):
    """The whole configuration. Make it with ``load_config``; calling the class reads no file or variable."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        env_prefix="OPTIONSIB_",
        env_nested_delimiter="__",
        env_nested_max_split=1,
    )

    session: SessionConfig = SessionConfig()
    gateway: GatewayConfig = GatewayConfig()
    fees: FeesConfig = FeesConfig()
    rates: RatesConfig
    limits: LimitsConfig = LimitsConfig()
    features: FeaturesConfig = FeaturesConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    strategy: StrategyConfig = StrategyConfig()
    vault: VaultConfig = VaultConfig()
    paths: PathsConfig = PathsConfig()
    control: ControlConfig = ControlConfig()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Keep the class itself pure: ``load_config`` reads the sources and can name each one."""
        return (init_settings,)

    @model_validator(mode="after")
    def _check_vault(self) -> Self:
        if self.vault.priority_fee_floor > self.vault.priority_fee_ceiling:
            raise ValueError(
                f"vault.priority_fee_floor {self.vault.priority_fee_floor} is above priority_fee_ceiling "
                f"{self.vault.priority_fee_ceiling}"
            )
        return self

    @model_validator(mode="after")
    def _check_live(self) -> Self:
        if self.session.mode == "live" and self.model.stage != "live":
            raise ValueError("session.mode live refuses model.stage paper: expected live")
        return self

    def digest(self) -> str:
        """Return the SHA-256 (hex) of all that decides: everything but ports, hosts, paths and secrets."""
        return hashlib.sha256(codec.encode(_canonical(self))).hexdigest()

    def dump(self) -> dict[str, Any]:
        """Return all sections as plain JSON types; secrets are masked."""
        return self.model_dump(mode="json")


def load_config(
    environment: str = "paper",
    directory: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Config:
    """Read and check the configuration.

    Parameters
    ----------
    environment
        Name of a file in ``environment/``: ``dev``, ``paper`` or ``prod``.
    directory
        Folder with ``main_config.yaml``; None = ``./config`` if it is one, else the copy in the package.
    overrides
        Sections with the keys to set last, e.g. ``{"session": {"seed": 3}}`` or ``{"session.seed": 3}``.

    Raises
    ------
    ConfigError
        If a file is missing or not YAML, a key is unknown, or a value is not what is expected; the
        message has one line a fault: where it was set, key, value and expectation.

    Examples
    --------
    >>> load_config("paper", overrides={"session.seed": 3}).session.seed
    3
    """
    return load(Config, environment, directory, overrides)


def _canonical(config: Config) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, section in config.model_dump().items():
        left_out = _NOT_IN_DIGEST.get(name, frozenset())
        if left_out is not None:
            plain[name] = {key: _plain(value) for key, value in section.items() if key not in left_out}
    return plain


def _plain(value: Any) -> Any:
    """Return ``value`` in types that have one encoding: equal amounts of money give equal text."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return value
