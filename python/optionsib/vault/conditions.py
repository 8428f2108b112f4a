"""The vault's named states: what each means, what the user does, and when it holds."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optionsib.common.types import SECOND_NS
from optionsib.vault.readings import VaultReading

if TYPE_CHECKING:
    from optionsib.vault.ledger import VaultLedger


class VaultCondition(enum.StrEnum):
    """Named states; the alarms among them stop opens, never exits."""

    UNFUNDED = "UNFUNDED"
    RPC_DOWN = "RPC_DOWN"
    SLOW_CONFIRMATION = "SLOW_CONFIRMATION"
    FROZEN = "FROZEN"
    PAUSED = "PAUSED"
    LOW_SOL = "LOW_SOL"
    CLOCK_SKEW = "CLOCK_SKEW"
    MINT_CHANGED = "MINT_CHANGED"
    PROFIT_UNPAID = "PROFIT_UNPAID"
    SHORTFALL = "SHORTFALL"
    AWAITING_COMMISSION = "AWAITING_COMMISSION"
    COMMISSION_MISSING = "COMMISSION_MISSING"
    ATTESTOR_DOWN = "ATTESTOR_DOWN"
    ATTESTATION_REFUSED = "ATTESTATION_REFUSED"
    LEDGER_MISMATCH = "LEDGER_MISMATCH"
    HEARTBEAT_LATE = "HEARTBEAT_LATE"
    DELIVERED = "DELIVERED"
    TRADE_ENDING = "TRADE_ENDING"
    TRADE_EXPIRED = "TRADE_EXPIRED"
    SIGNER_DOWN = "SIGNER_DOWN"
    NO_VAULT = "NO_VAULT"


# Waiting is no alarm: a close that waits for its commissions, or a transaction that takes its time.
PATIENT = frozenset({VaultCondition.AWAITING_COMMISSION, VaultCondition.SLOW_CONFIRMATION})

MEANING = {
    VaultCondition.UNFUNDED: (
        "a trade was filled and the chain refused to fund it: exits only; close it, then find out why"
    ),
    VaultCondition.RPC_DOWN: "the node does not answer: nothing settles until it does; check vault.rpc_url",
    VaultCondition.SLOW_CONFIRMATION: "a transaction takes long: it lands or is sent anew; wait",
    VaultCondition.FROZEN: "the issuer froze a token account: money there cannot move; ask the issuer",
    VaultCondition.PAUSED: "the vault is paused: the trader lifts it with `optionsib vault mandate unpause`",
    VaultCondition.LOW_SOL: "the engine has little SOL for fees and rent: send some to its address",
    VaultCondition.CLOCK_SKEW: "chain time and ours differ: expiries are the chain's; check this clock",
    VaultCondition.MINT_CHANGED: (
        "the mint's authorities are not those of the mandate: nothing opens; propose them if they are right"
    ),
    VaultCondition.PROFIT_UNPAID: "a profit is owed: the settlement authority runs `optionsib vault pay`",
    VaultCondition.SHORTFALL: "a loss is above its escrow: the rest is between you and the broker",
    VaultCondition.AWAITING_COMMISSION: "a close waits for its executions or commissions",
    VaultCondition.COMMISSION_MISSING: "the broker's commission of a close is overdue: ask the broker",
    VaultCondition.ATTESTOR_DOWN: "the attestor does not answer: start `optionsib vault attestor`",
    VaultCondition.ATTESTATION_REFUSED: "the attestor comes to another result: compare both figures",
    VaultCondition.LEDGER_MISMATCH: (
        "chain and ledger differ, or a confirmed transaction was rolled back: run `optionsib vault verify`"
    ),
    VaultCondition.HEARTBEAT_LATE: "the chain has not heard of the engine: trades may be released",
    VaultCondition.DELIVERED: (
        "options of a trade were exercised, assigned or have expired: what is left is closed, then it settles"
    ),
    VaultCondition.TRADE_ENDING: "a trade has reached its longest duration: it is being closed",
    VaultCondition.TRADE_EXPIRED: "a trade has expired on the chain: anyone may return its escrow",
    VaultCondition.SIGNER_DOWN: "a signer does not sign: nothing settles; see its message",
    VaultCondition.NO_VAULT: "there is no vault on this chain: `optionsib vault create`",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """When something is late, old or low. Seconds, but for ``low_lamports``."""

    trade_seconds: int = 86_400
    extend_before: int = 900
    heartbeat_every: int = 21_600
    reading_age: float = 120.0
    clock_skew: float = 30.0
    slow_confirmation: float = 30.0
    commission_wait: float = 300.0
    low_lamports: int = 50_000_000


def of_reading(reading: VaultReading | None, now_ns: int, limits: Limits) -> dict[VaultCondition, str]:
    """Return what a reading of the chain shows."""
    if reading is None:
        return {VaultCondition.RPC_DOWN: "the vault was not read yet"}
    found: dict[VaultCondition, str] = {}
    vault = reading.vault
    if vault is None:
        return {VaultCondition.NO_VAULT: "no vault at its address"}
    age = (now_ns - reading.at_ns) / SECOND_NS
    if age > limits.reading_age:
        found[VaultCondition.RPC_DOWN] = f"the vault was last read {age:.0f} s ago"
    skew = reading.chain_time - reading.at_ns / SECOND_NS
    if abs(skew) > limits.clock_skew:
        found[VaultCondition.CLOCK_SKEW] = f"the chain is {skew:+.0f} s from our clock"
    frozen = [
        name
        for name, token in (("funds", reading.funds), ("escrow", reading.escrow))
        if token is not None and token.frozen
    ]
    if frozen:
        found[VaultCondition.FROZEN] = f"frozen: {', '.join(frozen)}"
    if vault.paused:
        found[VaultCondition.PAUSED] = "paused"
    if reading.lamports and reading.lamports[0] < limits.low_lamports:
        found[VaultCondition.LOW_SOL] = f"the engine has {reading.lamports[0] / 1e9:.4f} SOL"
    authorities = (reading.mint_authority, reading.freeze_authority)
    if authorities != (vault.mandate.mint_authority, vault.mandate.freeze_authority):
        found[VaultCondition.MINT_CHANGED] = (
            f"mint authority {authorities[0]}, freeze authority {authorities[1]}"
        )
    if vault.receivable:
        found[VaultCondition.PROFIT_UNPAID] = f"{vault.receivable / 1e6:,.2f} USDT owed"
    silent = reading.chain_time - vault.last_heartbeat
    if silent > 2 * limits.heartbeat_every:
        found[VaultCondition.HEARTBEAT_LATE] = f"silent for {silent} s"
    return found


def standing(ledger: VaultLedger) -> dict[tuple[VaultCondition, str], str]:
    """Return what stays until a person answers for it, by state and trade."""
    found: dict[tuple[VaultCondition, str], str] = {}
    for trade in ledger.trades.values():
        name, known = trade.trade_id, ledger.orders.get(trade.order_ref)
        if trade.unfunded:
            filled = known.filled if known else 0
            found[VaultCondition.UNFUNDED, name] = f"trade {name}: {trade.unfunded}, {filled} units filled"
        if trade.lost:
            found[VaultCondition.TRADE_EXPIRED, name] = f"trade {name}: {trade.lost}"
    for known in ledger.orders.values():
        if known.late:
            name = known.order.trade_id
            words = found.get((VaultCondition.UNFUNDED, name), f"trade {name}")
            found[VaultCondition.UNFUNDED, name] = f"{words}: {known.late} units filled after the order's end"
    short: dict[str, int] = {}
    for state in ledger.intents.values():
        intent = state.intent
        if intent.kind == "close" and intent.pnl < -intent.amount:
            short[intent.trade_id] = short.get(intent.trade_id, 0) - intent.pnl - intent.amount
    for name, amount in short.items():
        found[VaultCondition.SHORTFALL, name] = f"trade {name}: {amount / 1e6:,.2f} USDT above its escrow"
    return found


def unacknowledged(ledger: VaultLedger) -> dict[tuple[VaultCondition, str], str]:
    """Return what stays and nobody has answered for as it is now."""
    seen = {key: event.details for key, event in ledger.acknowledged.items()}
    return {key: words for key, words in standing(ledger).items() if seen.get(key) != words}


def of_ledger(
    ledger: VaultLedger, reading: VaultReading | None, now_ns: int, limits: Limits
) -> dict[VaultCondition, str]:
    """Return what the ledger shows, alone and against the chain."""
    found: dict[VaultCondition, str] = {}
    for (name, _), words in unacknowledged(ledger).items():
        found[name] = f"{found[name]}; {words}" if name in found else words
    if ledger.apart:
        found[VaultCondition.DELIVERED] = "; ".join(
            f"trade {name} holds " + ", ".join(f"{n:+d} of contract {c}" for c, n in sorted(held.items()))
            for name, held in ledger.apart.items()
        )
    if ledger.ending():
        found[VaultCondition.TRADE_ENDING] = ", ".join(sorted(ledger.ending()))
    waiting = ledger.waiting()
    for state in waiting:
        if state.sent is not None and now_ns - state.sent.at_ns > limits.slow_confirmation * SECOND_NS:
            found[VaultCondition.SLOW_CONFIRMATION] = f"{state.intent.kind} of trade {state.intent.trade}"
    if reading is None or reading.vault is None or reading.funds is None:
        return found
    expired = [
        f"trade {t.trade_id}"
        for t in ledger.trades.values()
        if not t.lost and ledger.lives(t) and t.expiry <= reading.chain_time
    ]
    if expired:
        told = [found[VaultCondition.TRADE_EXPIRED]] if VaultCondition.TRADE_EXPIRED in found else []
        found[VaultCondition.TRADE_EXPIRED] = "; ".join((*told, *expired))
    if any(state.sent is not None and state.outcome is None for state in waiting):
        return found  # the chain may be ahead of what was read
    books = ledger.books.balances
    if reading.vault.sequence == ledger.records:
        ours = (books["free"] + books["reserved"], books["escrow"], books["receivable"])
        theirs = (reading.funds.amount, reading.vault.open_amount, reading.vault.receivable)
        if ours[0] > theirs[0] or ours[1:] != theirs[1:]:  # more in funds: a stranger's gift
            found[VaultCondition.LEDGER_MISMATCH] = (
                f"ledger (free, escrow, owed) {ours}, chain {theirs}, base units"
            )
    return found
