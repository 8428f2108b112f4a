"""Every message that crosses a layer, is journaled, or leaves the process.

Frozen structs; ``SCHEMA_VERSION`` is written in the journal's genesis. Encode with
``common.codec``. Prices 1/10000, money 1/1000000, times UTC ns (see ``common.types``).

Version 2 adds attached orders, changes of quantity, stop and trail, and the terms in ``OrderUpdate``;
messages of version 1 are read as they were meant. ``Delivery`` and what stands under "the model" came within
version 2.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from optionsib.common.types import Contract, Order

SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, 2)


class Event(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    """Base of all messages; the tag is the class name."""


# --- market data ---------------------------------------------------------------------------------


QuoteSource = Literal["live", "frozen", "delayed", "delayed frozen", "snapshot"]


class Quote(Event, frozen=True):
    """Best bid and ask of one contract. ``None`` = that side was never seen or is empty.

    ``as_of_ns``: when the feed last confirmed the quote; 0 = nobody confirms it now (never quoted, or
    stale: feed broken, frozen or delayed), so it must not be traded on. ``changed_ns``: when a price last
    changed.
    """

    con_id: int
    bid: int | None
    ask: int | None
    bid_size: int = 0
    ask_size: int = 0
    as_of_ns: int = 0
    changed_ns: int = 0
    source: QuoteSource = "live"


# --- the three votes and the gate ----------------------------------------------------------------


class ModelSignal(Event, frozen=True):
    """The model's vote on a candidate. ``score`` is the modelled probability of the favoured move."""

    candidate_id: str
    model_id: str  # ModelCard.model_id
    made_at_ns: int
    valid_until_ns: int
    accepts: bool
    score: float
    reason: str
    epoch: int = 0


class StrategyDecision(Event, frozen=True):
    """The strategy's vote on a candidate, with the order it wants.

    ``attached``: the orders that its fill shall put to work, one decision with it.
    """

    candidate_id: str
    strategy: str
    accepts: bool
    reason: str
    order: Order | None = None
    attached: tuple[Order, ...] = ()


class RiskVerdict(Event, frozen=True):
    """The limit check's vote on one exact order, and on what is attached to it.

    ``check``, ``value`` and ``limit`` name the first failed check (empty and 0 when it passes).
    """

    candidate_id: str
    order: Order
    accepts: bool
    reduces_risk: bool
    reason: str
    check: str = ""
    value: float = 0.0
    limit: float = 0.0
    max_loss: int = 0  # money: worst loss of this order alone, fees included
    attached: tuple[Order, ...] = ()


class Refusal(Event, frozen=True):
    """A candidate that did not become an order. ``layer`` names who refused first."""

    candidate_id: str
    layer: Literal["model", "strategy", "risk", "gate", "vault"]
    reason: str


class ApprovedOrder(Event, frozen=True):
    """An order that passed the gate, with what is attached to it.

    Only ``execution.gate.decide`` constructs it.
    """

    candidate_id: str
    order: Order
    max_loss: int
    reduces_risk: bool
    attached: tuple[Order, ...] = ()


class DecisionRecord(Event, frozen=True):
    """Every decision, refusals included, with the votes that led to it."""

    candidate_id: str
    at_ns: int
    tape_offset: int
    outcome: ApprovedOrder | Refusal
    signal: ModelSignal | None = None
    strategy: StrategyDecision | None = None
    risk: RiskVerdict | None = None


# --- the model -----------------------------------------------------------------------------------


class Prediction(Event, frozen=True):
    """What a model was asked and when: ``rows`` forecasts from features of this hash, or why there are none.

    ``known_at_ns``: when the youngest feature was known; ``deadline_ns``: until when the forecasts may be
    acted on. ``abstain``: reason, "" if there are forecasts. A ``shadow`` is asked the same, never acted on.
    """

    model_id: str
    epoch: int
    features_sha256: str
    rows: int
    known_at_ns: int
    made_at_ns: int
    deadline_ns: int
    abstain: str = ""
    shadow: bool = False


class ModelEpoch(Event, frozen=True):
    """From here on another model votes, or (``shadow``) runs beside it; ``model_id`` "" = none.

    ``card_sha256``: of its card, "" = none: after a restart the same model on another card is another one.
    ``epoch`` counts the models that have voted in this journal; a vote of an earlier one is refused.
    ``path``: where an operator found it, "" for the configured one. ``notice``: what every view of its
    decisions has to say, such as that no skill was shown.
    """

    at_ns: int
    epoch: int
    model_id: str
    path: str
    reason: str
    card_sha256: str = ""
    notice: str = ""
    operator: str = ""
    shadow: bool = False


class ModelFrozen(Event, frozen=True):
    """The model of this epoch may not vote any more, or (``frozen`` False) may again."""

    at_ns: int
    epoch: int
    model_id: str
    frozen: bool
    reason: str
    operator: str = ""


class LabelArrived(Event, frozen=True):
    """Forecasts of a step are told by now: how many, how many were 1, and how good the forecasts were."""

    at_ns: int
    model_id: str
    epoch: int
    predicted_at_ns: int
    rows: int
    ones: int
    log_loss: float
    brier: float
    shadow: bool = False


# --- orders: what we send (journaled before it leaves) ------------------------------------------


class OrderSubmitted(Event, frozen=True):
    """An order about to leave, together with the orders that its fill puts to work."""

    order: Order
    at_ns: int
    attached: tuple[Order, ...] = ()


class OrderModifyRequested(Event, frozen=True):
    """Other terms about to leave for a working order; None = as they are.

    ``operator``: who asked for them, "" where the strategy did.
    """

    order_ref: str
    at_ns: int
    limit_price: int | None = None
    quantity: int | None = None
    stop_price: int | None = None
    trail_amount: int | None = None
    trail_percent: int | None = None
    operator: str = ""


class OrderCancelRequested(Event, frozen=True):
    """A cancel about to leave."""

    order_ref: str
    at_ns: int
    reason: str = ""


# --- orders: what the broker says ----------------------------------------------------------------


class OrderUpdate(Event, frozen=True):
    """The broker's word on an order; may repeat, and may arrive in any order relative to fills.

    ``unconfirmed``: no callback came in time. ``limit_price``, ``quantity``, ``stop_price`` and the
    trail are what the broker works now, None where it did not say (a rejected change repeats the old
    ones). ``pending``: a change of ours has no answer yet, so the terms may still become others.
    """

    order_ref: str
    status: Literal["unconfirmed", "working", "filled", "cancelled", "rejected"]
    at_ns: int
    perm_id: int = 0
    limit_price: int | None = None
    code: int = 0
    message: str = ""
    quantity: int | None = None
    stop_price: int | None = None
    trail_amount: int | None = None
    trail_percent: int | None = None
    pending: bool = False


class Execution(Event, frozen=True):
    """One execution, once per ``execution_id``.

    A combo fill sends one ``is_combo=True`` execution (price of the whole, no position) and one a
    leg. Positions come from legs alone. ``side`` +1 bought, -1 sold.
    """

    execution_id: str
    order_ref: str
    con_id: int
    side: int
    quantity: int
    price: int
    at_ns: int
    is_combo: bool = False
    perm_id: int = 0
    liquidation: bool = False


class CommissionReport(Event, frozen=True):
    """Commission (money; negative = rebate) of one execution; arrives after it."""

    execution_id: str
    amount: int
    currency: str = "USD"


class Delivery(Event, frozen=True):
    """Contracts of trades ended without an order: exercised, assigned, expired or settled in cash.

    Written once the broker's executions and its positions together leave no doubt. ``uses``: trade, execution
    id, contracts; what each trade has of the executions that ended ``con_id`` and delivered its underlying.
    """

    at_ns: int
    kind: Literal["exercise", "assignment", "expiry", "cash settlement"]
    con_id: int
    uses: tuple[tuple[str, str, int], ...]


class BrokerNotice(Event, frozen=True):
    """A broker message that belongs to no order (farm state, pacing, connection)."""

    code: int
    message: str
    at_ns: int


BrokerEvent = OrderUpdate | Execution | CommissionReport | BrokerNotice


# --- vault ---------------------------------------------------------------------------------------


class VaultState(Event, frozen=True):
    """The vault after a step, base units, by the ledger; ``settled``: profits less losses so far.

    ``under_way``: trades (and heartbeats) with something not confirmed yet. ``submit_ns``: how long the
    newest transaction took from its decision to the node; ``confirmation_ns``: how long one then took to be
    confirmed, which is the network's part; 0 where nobody knows. ``conditions`` are ``NAME: details``;
    ``trades`` tells what the chain has of each trade that is not settled; ``acknowledged`` what a person has
    answered for.
    """

    at_ns: int
    free: int
    reserved: int
    escrow: int
    receivable: int
    fees: int
    settled: int
    under_way: int = 0
    submit_ns: int = 0
    confirmation_ns: int = 0
    conditions: tuple[str, ...] = ()
    trades: tuple[tuple[str, str], ...] = ()
    acknowledged: tuple[str, ...] = ()


class Posting(msgspec.Struct, frozen=True):
    """``amount`` base units onto an account of the ledger; negative: off it."""

    account: str
    amount: int


class LedgerEntry(Event, frozen=True):
    """A double entry of the vault's ledger, base units; the postings add up to 0.

    ``reference`` is unique: an entry that is already in the books is not posted again. Accounts: free,
    reserved, escrow, receivable, settlement, fees, outside. ``signature``: of the transaction on the chain.
    """

    at_ns: int
    reference: str
    memo: str
    postings: tuple[Posting, ...]
    order_ref: str = ""
    trade_id: str = ""
    signature: str = ""


class VaultIntent(Event, frozen=True):
    """Something that must happen on the chain, once; journaled with all its terms before anything is signed.

    ``number`` counts the intents of a journal from 1; ``trade`` is the trade's number on the chain.
    ``amount`` in base units: put into escrow (open), returned (reduce), the share closed (close). ``expiry``
    in Unix seconds. A close names, as (execution id, contracts), what opened and what closed.
    """

    number: int
    kind: Literal["open", "reduce", "close", "extend", "heartbeat"]
    at_ns: int
    reference: str
    trade: int = 0
    trade_id: str = ""
    order_ref: str = ""
    amount: int = 0
    order_hash: str = ""  # hex
    expiry: int = 0
    close_number: int = 0
    pnl: int = 0
    opened: int = 0
    units_before: int = 0
    units: int = 0
    opening: tuple[tuple[str, int], ...] = ()
    closing: tuple[tuple[str, int], ...] = ()


class VaultSent(Event, frozen=True):
    """A signed transaction for an intent, journaled before it leaves. ``wire`` is base64."""

    intent: int
    at_ns: int
    signature: str
    wire: str
    last_valid_block_height: int


class VaultOutcome(Event, frozen=True):
    """What became of an intent. After ``expired`` it is sent anew; ``failed`` is its end, with the reason."""

    intent: int
    at_ns: int
    result: Literal["confirmed", "failed", "expired"]
    signature: str = ""
    error: str = ""
    confirmed_ns: int = 0  # 0: the chain does not tell


class VaultAcknowledged(Event, frozen=True):
    """A person has looked at an alarm that would stand for ever, and answers for it.

    ``details`` is what was seen: more of the same is an alarm again.
    """

    at_ns: int
    condition: str
    trade_id: str
    details: str
    reason: str
    operator: str


# --- control -------------------------------------------------------------------------------------


class SessionStarted(Event, frozen=True):
    """A daemon took over this journal. ``resumed`` is True after a crash or a restart."""

    at_ns: int
    resumed: bool
    account: str
    model_id: str


class SessionEnded(Event, frozen=True):
    """A daemon left in an orderly way."""

    at_ns: int
    reason: str


class Halted(Event, frozen=True):
    """No new risk from here on, across restarts, until ``Resumed``."""

    at_ns: int
    reason: str
    operator: str = ""


class Resumed(Event, frozen=True):
    """An operator lifted a halt."""

    at_ns: int
    reason: str
    operator: str = ""


class LimitsProposed(Event, frozen=True):
    """Somebody asks for other limits; nothing changes yet.

    ``version`` is what they would become. ``changes`` maps names in the configuration's ``limits`` to values
    as text ("" = not set).
    """

    at_ns: int
    version: int
    changes: dict[str, str]
    reason: str
    operator: str


class LimitsApproved(Event, frozen=True):
    """A second person agreed: the limits of ``version`` hold from here on, across restarts."""

    at_ns: int
    version: int
    operator: str


class SwitchSet(Event, frozen=True):
    """An operator moved a switch of the limits; it stays there across restarts.

    ``switch`` and what ``value`` is: ``state`` and ``account_state`` (active, reduce_only, cancel_only,
    halted), ``account_enabled`` (yes, no), ``suspend`` and ``trade`` (a con_id),
    ``reset_repeated_executions`` (a strategy), ``reset_protection`` (empty).
    """

    at_ns: int
    switch: Literal[
        "state", "account_state", "account_enabled", "suspend", "trade", "reset_repeated_executions",
        "reset_protection",
    ]  # fmt: skip
    value: str
    reason: str
    operator: str = ""


class PortfolioSnapshot(Event, frozen=True):
    """End-of-step state for view and report. Greeks are portfolio totals in raw units x multiplier.

    ``equity`` = cash + liquidation value at mid, money units.
    """

    at_ns: int
    underlying_price: int
    equity: int
    cash: int
    realized: int
    unrealized: int
    fees: int
    delta: float
    gamma: float
    vega: float
    theta: float
    open_trades: int
    working_orders: int


class ChainLoaded(Event, frozen=True):
    """The contracts of this journal, as the broker described them."""

    at_ns: int
    underlying: Contract
    options: tuple[Contract, ...]
    simulated: bool


class SmileSnapshot(Event, frozen=True):
    """One expiry's smile at one instant, for the report. NaN = no usable quote at that strike."""

    at_ns: int
    expiry_date: str  # YYYYMMDD
    strikes: tuple[float, ...]  # currency
    implied_volatility: tuple[float, ...]
    fitted: tuple[float, ...]


# --- trials of models and strategies ---------------------------------------------------------------


class TrialBegan(Event, frozen=True):
    """A configuration is about to be tried; it counts from here on, whatever becomes of it.

    ``config``: JSON with sorted keys; ``data``: SHA-256 (hex) of the data it is tried on, "" if only its end
    knows that.
    """

    at_ns: int
    trial: int
    family: str
    config: str
    data: str


class TrialEnded(Event, frozen=True):
    """What became of a trial: returns per period out of sample, or why there are none.

    ``data``: as in ``TrialBegan``, of what was read since then.
    """

    at_ns: int
    trial: int
    status: Literal["finished", "failed"]
    returns: tuple[float, ...] = ()
    scores: dict[str, float] = {}
    reason: str = ""
    data: str = ""


AnyEvent = (
    Quote
    | ModelSignal
    | StrategyDecision
    | RiskVerdict
    | Refusal
    | ApprovedOrder
    | DecisionRecord
    | OrderSubmitted
    | OrderModifyRequested
    | OrderCancelRequested
    | OrderUpdate
    | Execution
    | CommissionReport
    | Delivery
    | BrokerNotice
    | VaultState
    | LedgerEntry
    | VaultIntent
    | VaultSent
    | VaultOutcome
    | VaultAcknowledged
    | SessionStarted
    | SessionEnded
    | Halted
    | Resumed
    | LimitsProposed
    | LimitsApproved
    | SwitchSet
    | PortfolioSnapshot
    | SmileSnapshot
    | ChainLoaded
    | TrialBegan
    | TrialEnded
    | Prediction
    | ModelEpoch
    | ModelFrozen
    | LabelArrived
)
