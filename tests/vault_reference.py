"""What the Vault program must do, written from its rules and independent of its code.

``Reference.violations`` returns every rule that a call breaks. The program must refuse the call with one of
these if there are any, and accept it otherwise; then ``apply`` says what has changed.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from typing import Any

DAY, HOUR, MONTH = 86_400, 3_600, 30 * 86_400
KINDS = [
    "create",
    "deposit",
    "withdraw",
    "open",
    "close",
    "pay_profit",
    "reduce",
    "expire",
    "extend",
    "release",
    "heartbeat",
    "pause",
    "unpause",
    "propose",
    "apply",
    "cancel",
    "start_recovery",
    "cancel_recovery",
    "recover",
    "sweep",
    "waive_profit",
]
CUTTABLE = (
    "trade_cap",
    "total_cap",
    "day_loss_cap",
    "lifetime_loss_cap",
    "fee_bps",
    "max_duration",
    "heartbeat_limit",
)


@dataclass
class ReferenceTrade:
    amount: int
    remaining: int
    expiry: int
    latest_expiry: int
    heartbeat_limit: int
    fee_bps: int
    receivable: int = 0
    closes: int = 0


@dataclass
class Reference:
    """One vault in plain integers; money by account name."""

    now: int
    terms: dict[str, int]
    audit: bytes
    money: dict[str, int]
    version: int = 1
    pending: dict[str, int] | None = None
    pending_ready: int = 0
    paused: bool = False
    recovery_ready: int = 0
    heartbeat: int = 0
    highest: int = 0
    used: set[int] = field(default_factory=lambda: {0})
    trades: dict[int, ReferenceTrade] = field(default_factory=dict)
    losses: list[tuple[int, int]] = field(default_factory=list)
    received: int = 0
    mark: int = 0
    fees: int = 0
    sequence: int = 0
    frozen: set[str] = field(default_factory=set)
    engine_revoked: bool = False

    @property
    def open_amount(self) -> int:
        return sum(trade.remaining for trade in self.trades.values())

    @property
    def owed(self) -> int:
        return sum(trade.receivable for trade in self.trades.values())

    @property
    def lost(self) -> int:
        return sum(loss for _, loss in self.losses)

    def lost_lately(self) -> int:
        return sum(loss for at, loss in self.losses if self.now // HOUR - at // HOUR < 25)

    # --- which rules a call breaks ---------------------------------------------------------------

    def violations(self, call: dict[str, Any]) -> set[str]:
        """Return the names of the errors that the program may answer; empty: it must accept."""
        found: set[str] = set()

        def rule(broken: object, name: str) -> None:
            if broken:
                found.add(name)

        kind, by = call["kind"], call["by"]
        owner = {
            "engine": "open close reduce extend heartbeat",
            "trader": "withdraw release unpause propose apply cancel cancel_recovery waive_profit",
            "recovery": "start_recovery recover",
        }
        for role, kinds in owner.items():
            revoked = role == "engine" and self.engine_revoked and kind not in ("close", "reduce")
            rule(kind in kinds.split() and (by != role or revoked), f"WRONG_{role.upper()}")
        if kind == "pause":
            rule(by != "trader" and (by != "engine" or self.engine_revoked), "WRONG_ENGINE")
        trade = self.trades.get(call.get("trade", 0))
        if "trade" in call and kind != "open" and trade is None:
            return found | {"WRONG_ACCOUNT_OWNER"}
        for name, used_by in (
            ("funds", "deposit withdraw open close pay_profit reduce expire release recover sweep"),
            ("escrow", "open close reduce expire release sweep"),
            ("payout", "withdraw recover"),
        ):
            rule(name in self.frozen and kind in used_by.split(), f"{name.upper()}_FROZEN")
        amount = call.get("amount", 1)
        rule(amount == 0 and kind != "close", "AMOUNT_ZERO")
        getattr(self, f"_{kind}", lambda *_: None)(call, trade, rule)
        return found

    def _deposit(self, call: Any, trade: Any, rule: Any) -> None:
        rule(call["amount"] > self.money["source"], "INSUFFICIENT_FUNDS")
        rule(call["by"] != "trader", "token owner")

    def _withdraw(self, call: Any, trade: Any, rule: Any) -> None:
        rule(call["amount"] > self.money["funds"], "INSUFFICIENT_FUNDS")

    def _open(self, call: Any, trade: Any, rule: Any) -> None:
        terms, amount, number = self.terms, call["amount"], call["trade"]
        rule(self.paused, "PAUSED")
        rule(self.owed, "PROFIT_UNPAID")
        rule(call["version"] != self.version, "STALE_MANDATE")
        rule(not self.now < call["expiry"] <= self.now + terms["max_duration"], "BAD_EXPIRY")
        rule(number > self.highest + 65_536, "TRADE_ID_TOO_FAR")
        rule(number <= self.highest - 256, "TRADE_ID_TOO_OLD")
        rule(number in self.used, "TRADE_ID_USED")
        rule(amount > terms["trade_cap"], "OVER_TRADE_CAP")
        rule(self.open_amount + amount > terms["total_cap"], "OVER_TOTAL_CAP")
        rule(self.lost_lately() + self.open_amount + amount > terms["day_loss_cap"], "OVER_DAY_LOSS_CAP")
        rule(self.lost + self.open_amount + amount > terms["lifetime_loss_cap"], "OVER_LIFETIME_LOSS_CAP")
        rule(amount > self.money["funds"], "INSUFFICIENT_FUNDS")

    def _close(self, call: Any, trade: Any, rule: Any) -> None:
        loss = -min(call["pnl"], 0)
        rule(self.now >= trade.expiry, "EXPIRED")
        rule(call["share"] == 0, "AMOUNT_ZERO")
        rule(call["share"] > trade.remaining, "SHARE_TOO_LARGE")
        rule(loss > call["share"], "LOSS_TOO_LARGE")
        rule(call["number"] != trade.closes, "WRONG_CLOSE_NUMBER")
        rule(call["valid_until"] < self.now, "ATTESTATION_LATE")
        rule(call["signer"] != "attestor", "ATTESTATION_WRONG_KEY")
        rule(loss and "settlement" in self.frozen, "SETTLEMENT_UNUSABLE")

    def _pay_profit(self, call: Any, trade: Any, rule: Any) -> None:
        rule(trade.receivable == 0, "NOTHING_OWED")
        rule(call["amount"] > trade.receivable, "OVERPAID")
        rule(call["amount"] > self.money["settlement"], "INSUFFICIENT_SETTLEMENT")
        rule("settlement" in self.frozen or call["by"] != "settler", "SETTLEMENT_UNUSABLE")

    def _reduce(self, call: Any, trade: Any, rule: Any) -> None:
        rule(call["amount"] > trade.remaining, "SHARE_TOO_LARGE")

    def _expire(self, call: Any, trade: Any, rule: Any) -> None:
        rule(self.now < trade.expiry, "NOT_EXPIRED")
        rule(trade.remaining == 0, "NOTHING_TO_RETURN")

    def _release(self, call: Any, trade: Any, rule: Any) -> None:
        rule(self.now < self.heartbeat + trade.heartbeat_limit, "ENGINE_ALIVE")
        rule(trade.remaining == 0, "NOTHING_TO_RETURN")

    def _extend(self, call: Any, trade: Any, rule: Any) -> None:
        rule(self.paused, "PAUSED")
        rule(self.now >= trade.expiry, "EXPIRED")
        rule(not trade.expiry < call["expiry"] <= trade.latest_expiry, "BAD_EXPIRY")

    def _pause(self, call: Any, trade: Any, rule: Any) -> None:
        rule(self.paused, "PAUSED")

    def _unpause(self, call: Any, trade: Any, rule: Any) -> None:
        rule(not self.paused, "NOT_PAUSED")

    def _propose(self, call: Any, trade: Any, rule: Any) -> None:
        terms = call["terms"]
        rule(terms["heartbeat_limit"] < DAY or not DAY <= terms["timelock"] <= MONTH, "BAD_MANDATE")
        rule(terms["fee_bps"] > 5_000, "BAD_MANDATE")
        rule(not self.cuts(terms) and "payout" in self.frozen, "PAYOUT_FROZEN")

    def _apply(self, call: Any, trade: Any, rule: Any) -> None:
        rule(self.pending is None, "NO_PROPOSAL")
        rule(self.pending is not None and self.now < self.pending_ready, "TIMELOCKED")

    def _cancel(self, call: Any, trade: Any, rule: Any) -> None:
        rule(self.pending is None, "NO_PROPOSAL")

    def _start_recovery(self, call: Any, trade: Any, rule: Any) -> None:
        rule(self.recovery_ready, "RECOVERY_STARTED")

    def _cancel_recovery(self, call: Any, trade: Any, rule: Any) -> None:
        rule(not self.recovery_ready, "NO_RECOVERY")

    def _recover(self, call: Any, trade: Any, rule: Any) -> None:
        rule(not self.recovery_ready, "NO_RECOVERY")
        rule(self.recovery_ready and self.now < self.recovery_ready, "RECOVERY_TOO_EARLY")
        rule(self.money["funds"] == 0, "AMOUNT_ZERO")

    def _sweep(self, call: Any, trade: Any, rule: Any) -> None:
        rule(self.money["escrow"] == self.open_amount, "NOTHING_TO_SWEEP")

    def _waive_profit(self, call: Any, trade: Any, rule: Any) -> None:
        rule(trade.receivable == 0, "NOTHING_OWED")

    def cuts(self, terms: dict[str, int]) -> bool:
        """Whether a mandate only cuts risk."""
        engine_comes_back = self.engine_revoked and terms["engine"]
        return (
            not engine_comes_back
            and all(terms[name] <= self.terms[name] for name in CUTTABLE)
            and terms["timelock"] >= self.terms["timelock"]
        )

    # --- what an accepted call changes -----------------------------------------------------------

    def apply(self, call: dict[str, Any]) -> None:
        """Change the books as an accepted call does."""
        kind, number = call["kind"], call.get("trade", 0)
        trade, amount = self.trades.get(number), call.get("amount", 0)
        pnl = fee = 0
        detail = bytes(32)
        if kind == "deposit":
            self._move("source", "funds", amount)
        elif kind in ("withdraw", "recover"):
            amount = self.money["funds"] if kind == "recover" else amount
            self._move("funds", "payout", amount)
            self.paused |= kind == "recover"
        elif kind == "open":
            latest = self.now + self.terms["max_duration"]
            terms = self.terms
            self.trades[number] = ReferenceTrade(
                amount, amount, call["expiry"], latest, terms["heartbeat_limit"], terms["fee_bps"]
            )
            self.used.add(number)
            self.highest = max(self.highest, number)
            self._move("funds", "escrow", amount)
            self.heartbeat = self.now
            detail = call["hash"]
        elif kind in ("reduce", "expire", "release") and trade:
            amount = amount if kind == "reduce" else trade.remaining
            trade.remaining -= amount
            self._move("escrow", "funds", amount)
        elif kind == "close" and trade:
            amount, pnl, detail = call["share"], call["pnl"], call["hash"]
            fee = self._settle(trade, amount, pnl, pays=call["pays"])
        elif kind == "pay_profit" and trade:
            trade.receivable -= amount
            fee = self._profit(trade, amount)
        elif kind == "waive_profit" and trade:
            amount, trade.receivable = trade.receivable, 0
        elif kind == "extend" and trade:
            amount = trade.expiry = call["expiry"]
        elif kind == "sweep":
            amount = self.money["escrow"] - self.open_amount
            self._move("escrow", "funds", amount)
        else:
            detail = self._govern(call)
        if trade and trade.remaining == trade.receivable == 0:
            del self.trades[number]
        record = (
            struct.pack("<QQQQQqQ", KINDS.index(kind), self.sequence, self.now, number, amount, pnl, fee)
            + detail
        )
        self.audit = hashlib.sha256(self.audit + record).digest()
        self.sequence += 1

    def _govern(self, call: dict[str, Any]) -> bytes:
        kind = call["kind"]
        if kind == "heartbeat":
            self.heartbeat = self.now
        elif kind in ("pause", "unpause"):
            self.paused = kind == "pause"
        elif kind == "propose":
            if self.cuts(call["terms"]):
                self._install(call["terms"])
            else:
                self.pending, self.pending_ready = call["terms"], self.now + self.terms["timelock"]
            return bytes(call["hash"])
        elif kind == "apply" and self.pending:
            self._install(self.pending)
        elif kind == "cancel":
            self.pending = None
        elif kind in ("start_recovery", "cancel_recovery"):
            self.recovery_ready = self.now + MONTH if kind == "start_recovery" else 0
        return bytes(32)

    def _install(self, terms: dict[str, int]) -> None:
        revoked = not terms["engine"]
        if self.engine_revoked and not revoked:
            self.heartbeat = self.now
        self.engine_revoked, self.terms, self.pending = revoked, terms, None
        self.version += 1

    def _move(self, source: str, target: str, amount: int) -> None:
        self.money[source] -= amount
        self.money[target] += amount

    def _settle(self, trade: ReferenceTrade, share: int, pnl: int, *, pays: bool) -> int:
        trade.closes += 1
        trade.remaining -= share
        loss, profit = max(-pnl, 0), max(pnl, 0)
        self._move("escrow", "funds", share - loss)
        self._move("escrow", "settlement", loss)
        if loss:
            self.losses.append((self.now, loss))
        if profit and pays and profit <= self.money["settlement"] and "settlement" not in self.frozen:
            return self._profit(trade, profit)
        trade.receivable += profit
        return 0

    def _profit(self, trade: ReferenceTrade, profit: int) -> int:
        self._move("settlement", "funds", profit)
        self.received += profit
        result = self.received - self.lost
        fee = max(result - self.mark, 0) * trade.fee_bps // 10_000
        self.mark = max(self.mark, result)
        if "fee" in self.frozen:
            return 0
        self._move("funds", "fee", fee)
        self.fees += fee
        return fee
