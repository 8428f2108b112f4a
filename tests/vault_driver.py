"""Random calls into the Vault program and into its reference, with every invariant checked after each.

1. All balances add up to what was there at the start.
2. Escrow holds at least the open amounts; what is above them, and nothing else, can be swept.
3. A withdrawal of the whole free balance would succeed, paused or not, unless a token account is frozen.
4. The engine alone moves tokens between vault and escrow only.
5. What the settlement account gets was attested: at most the day's cap in 24 hours, and the lifetime cap.
6. When all trades have expired, anyone brings everything back.
7. A trade id is accepted once; a closed trade stays closed.
8. Fees are at most the rate on profits above the high-water mark.
9. The audit chain of the account is the one that the logs replay to.
10. A neighbour's vault never changes.
11. The vault's token accounts have no delegate, no close authority and no other owner.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from optionsib.vault.program_client import NO_KEY, audit_events, next_audit
from tests.vault_reference import Reference, ReferenceTrade
from tests.vault_world import CLUSTER, DAY, HOUR, PROGRAM, TOKEN, World

Choose = Callable[[int], int]
KINDS = (
    *("open",) * 12,
    *("close",) * 12,
    *("reduce", "expire", "extend", "release", "pay_profit", "waive_profit") * 2,
    *(
        "deposit",
        "withdraw",
        "sweep",
        "heartbeat",
        "pause",
        "unpause",
        "unpause",
        "propose",
        "apply",
        "apply",
    ),
    *("cancel", "start_recovery", "cancel_recovery", "recover"),
)
RIGHT = {
    **dict.fromkeys(("open", "close", "reduce", "extend", "heartbeat"), "engine"),
    **dict.fromkeys(("start_recovery", "recover"), "recovery"),
    "pay_profit": "settler",
}
UNSIGNED = ("expire", "sweep")
ROLES = ("trader", "engine", "attestor", "recovery", "settler", "stranger", "neighbour")
JUMPS = (1, 60, HOUR - 1, HOUR, DAY // 3, DAY - 1, DAY, 31 * DAY)


class Driver:
    """The program and its reference side by side."""

    def __init__(self, elf: bytes | None = None) -> None:
        self.world = world = World(elf, lifetime_loss_cap=4_000)
        world.must(world.create())
        self.events = list(audit_events(self.logs(), PROGRAM.pubkey()))
        world.must(
            world.create("neighbour", msgspec.structs.replace(world.mandate, payout=world.address["thief"]))
        )
        near = world.client.addresses(world.pub("neighbour"))
        self.neighbour = {address: world.data(address) for address in (near.vault, near.funds, near.escrow)}
        start = world.vault
        terms = {name: getattr(world.mandate, name) for name in TERMS} | {"engine": 1}
        self.places = {**world.address, "funds": world.at.funds, "escrow": world.at.escrow}
        money = {name: world.balance(address) for name, address in self.places.items()}
        self.book = Reference(world.now, terms, start.audit, money, heartbeat=world.now, sequence=1)
        self.supply = sum(money.values())
        self.calls = self.accepted = self.day_cap = self.lifetime_cap = 0
        self.seen: dict[str, int] = {}
        world.must(world.deposit(5_000))
        self.book.apply({"kind": "deposit", "by": "trader", "amount": 5_000})
        self.replay()
        self.check()

    def logs(self) -> list[str]:
        assert self.world.last is not None
        return self.world.last.logs()

    # --- one step ----------------------------------------------------------------------------------------

    def step(self, choose: Choose) -> None:
        """Let time pass, dust fall, an account freeze or thaw; or make a call."""
        odd = choose(30)
        if odd == 0:
            return self.pass_time(JUMPS[choose(len(JUMPS))])
        if odd == 1:
            return self.dust("escrow" if choose(2) else "funds", choose(3) + 1)
        if odd == 2 and choose(3) == 0:
            return self.freeze(("funds", "escrow", "payout", "settlement", "fee")[choose(5)])
        if odd < 10 and self.book.frozen:
            return self.thaw(sorted(self.book.frozen)[0])
        return self.call(KINDS[choose(len(KINDS))], choose)

    def pass_time(self, seconds: int) -> None:
        self.world.set_time(self.world.now + seconds)
        self.book.now = self.world.now

    def dust(self, name: str, amount: int) -> None:
        """A stranger's plain transfer."""
        if self.book.frozen & {name, "settlement"} or self.book.money["settlement"] < amount:
            return
        source, target = self.places["settlement"], self.places[name]
        self.world.must(
            self.world.send(plain_transfer(source, target, self.world.pub("settler"), amount), "settler")
        )
        self.book._move("settlement", name, amount)
        self.check()

    def freeze(self, name: str) -> None:
        self.world.set_state(self.places[name], 2)
        self.book.frozen.add(name)

    def thaw(self, name: str) -> None:
        self.world.set_state(self.places[name], 1)
        self.book.frozen.discard(name)

    def call(self, kind: str, choose: Choose) -> None:
        right = RIGHT.get(kind, "trader")
        by = ROLES[choose(len(ROLES))] if choose(16) == 0 and kind not in UNSIGNED else right
        if kind == "pause" and choose(2):
            by = "engine"
        call: dict[str, Any] = {"kind": kind, "by": by}
        instructions = getattr(self, f"_{kind}", self._plain)(call, choose)
        if instructions is None:
            return
        before = {address: self.world.data(address) for address in self.watched()}
        broken = self.book.violations(call)
        signers = [] if kind in UNSIGNED else [by]
        if kind == "close" and call["pays"]:
            signers.append("settler")
        answer = self.world.send(instructions, *signers)
        self.calls += 1
        self.seen[answer or f"+{kind}"] = self.seen.get(answer or f"+{kind}", 0) + 1
        if broken:
            assert answer in broken or "token owner" in broken, (call, answer, broken)
            assert answer is not None, call
            assert before == {address: self.world.data(address) for address in before}, call
            return
        assert answer is None, (call, answer, self.book)
        self.accepted += 1
        self.book.apply(call)
        self.replay()
        self.check()

    def watched(self) -> list[Pubkey]:
        return [self.world.at.vault, *self.places.values()]

    def replay(self) -> None:
        """Hold the logged record against the account's audit chain."""
        (event,) = audit_events(self.logs(), PROGRAM.pubkey())
        before = self.events[-1].audit if self.events else bytes(32)
        assert event.audit == next_audit(before, event.record)
        self.events.append(event)

    # --- the calls ---------------------------------------------------------------------------------------

    def _plain(self, call: dict[str, Any], choose: Choose) -> list[Instruction]:
        world, kind, by = self.world, call["kind"], self.world.pub(call["by"])
        if kind == "sweep":
            return [world.client.sweep(world.trader)]
        if kind in ("deposit", "withdraw"):
            limit = self.book.money["source" if kind == "deposit" else "funds"]
            call["amount"] = (0, 1, 777, limit, limit + 1)[choose(5)]
        build = {
            "deposit": lambda: world.client.deposit(
                world.trader, by, world.address["source"], call["amount"]
            ),
            "withdraw": lambda: world.client.withdraw(world.trader, world.address["payout"], call["amount"]),
            "heartbeat": lambda: world.client.heartbeat(world.trader, by),
            "pause": lambda: world.client.pause(world.trader, by),
            "start_recovery": lambda: world.client.start_recovery(world.trader, by),
            "recover": lambda: world.client.recover(world.trader, by, world.address["payout"]),
        }
        if kind in build:
            return [signed_by(build[kind](), world.trader, by)]
        return [signed_by(getattr(world.client, kind)(world.trader), world.trader, by)]

    def _propose(self, call: dict[str, Any], choose: Choose) -> list[Instruction]:
        terms = dict(self.book.terms)
        for _ in range(choose(3)):
            name = TERMS[choose(len(TERMS))]
            terms[name] = (terms[name] * (1, 2, 4, 3)[choose(4)] // 2) or 1
        if choose(2 if self.book.engine_revoked else 6) == 0:
            terms = {name: getattr(self.world.mandate, name) for name in TERMS} | {"engine": 1}
        if choose(40) == 0:
            terms["engine"] = 1 - terms["engine"]
        changes: dict[str, Any] = {name: terms[name] for name in TERMS}
        changes["engine"] = self.world.pub("engine") if terms["engine"] else NO_KEY
        if any(value > 366 * DAY for value in terms.values()):
            return None  # type: ignore[return-value]
        mandate = msgspec.structs.replace(self.world.mandate, **changes)
        instruction = self.world.client.propose(self.world.trader, mandate)
        call |= {"terms": terms, "hash": hashlib.sha256(bytes(instruction.data)).digest()}
        return [signed_by(instruction, self.world.trader, self.world.pub(call["by"]))]

    def _open(self, call: dict[str, Any], choose: Choose) -> list[Instruction]:
        book, world = self.book, self.world
        number = book.highest + (1, 1, 1, 2, 3, 0, -1, -255, -256, 65_536, 65_537)[choose(11)]
        room = book.terms["day_loss_cap"] - book.lost_lately() - book.open_amount
        amount = (
            1,
            7,
            100,
            100,
            250,
            book.terms["trade_cap"],
            book.terms["trade_cap"] + 1,
            room,
            room + 1,
            0,
        )[choose(10)]
        lasts = (60, HOUR, DAY, book.terms["max_duration"], book.terms["max_duration"] + 1, 0)[choose(6)]
        call |= {
            "trade": max(number, 0),
            "amount": max(amount, 0),
            "expiry": world.now + lasts,
            "version": book.version - (choose(20) == 0),
            "hash": hashlib.sha256(str(max(number, 0)).encode()).digest(),
        }
        instruction = world.open_instruction(
            call["trade"], call["amount"], lasts=lasts, version=call["version"]
        )
        return [signed_by(instruction, world.pub("engine"), world.pub(call["by"]))]

    def _pick(self, call: dict[str, Any], choose: Choose) -> ReferenceTrade | None:
        if not self.book.trades:
            return None
        call["trade"] = sorted(self.book.trades)[choose(len(self.book.trades))]
        return self.book.trades[call["trade"]]

    def _close(self, call: dict[str, Any], choose: Choose) -> list[Instruction] | None:
        trade, world = self._pick(call, choose), self.world
        if trade is None:
            return None
        share = (trade.remaining, trade.remaining, 1, trade.remaining // 2, trade.remaining + 1, 0)[choose(6)]
        pnl = (0, -share, -share // 2, -1, 1, 50, 1_000, -share - 1, self.book.money["settlement"] + 1)[
            choose(9)
        ]
        signer = "engine" if choose(16) == 0 else "attestor"
        number = trade.closes + (choose(16) == 0)
        until = world.now - 1 if choose(16) == 0 else world.now
        call |= {"share": share, "pnl": pnl, "signer": signer, "number": number, "valid_until": until}
        call |= {"pays": choose(3) > 0, "hash": hashlib.sha256(b"executions").digest()}
        found = world.trade(call["trade"])
        message = world.attest(found, share, pnl, close_number=number, valid_until=until)
        instruction = world.close_instruction(found, message, pays=call["pays"])
        instruction = signed_by(instruction, world.pub("engine"), world.pub(call["by"]))
        return [world.signature(message, signer), instruction]

    def _on_trade(self, call: dict[str, Any], choose: Choose) -> list[Instruction] | None:
        trade, world, kind = self._pick(call, choose), self.world, call["kind"]
        if trade is None:
            return None
        found, extra = world.trade(call["trade"]), {}
        if kind == "reduce":
            call["amount"] = extra["amount"] = (
                1,
                trade.remaining // 2,
                trade.remaining,
                trade.remaining + 1,
            )[choose(4)]
        if kind == "extend":
            choices = (trade.expiry + HOUR, trade.latest_expiry, trade.latest_expiry + 1, trade.expiry)
            call["expiry"] = extra["expiry"] = choices[choose(4)]
        instruction = getattr(world.client, kind)(world.trader, found, **extra)
        return [signed_by(instruction, world.pub(RIGHT.get(kind, "trader")), world.pub(call["by"]))]

    _reduce = _expire = _extend = _release = _waive_profit = _on_trade

    def _pay_profit(self, call: dict[str, Any], choose: Choose) -> list[Instruction] | None:
        trade, world = self._pick(call, choose), self.world
        if trade is None:
            return None
        call["amount"] = (1, trade.receivable, trade.receivable // 2, trade.receivable + 1)[choose(4)]
        found = world.trade(call["trade"])
        return [world.client.pay_profit(world.trader, found, world.pub(call["by"]), call["amount"])]

    # --- the invariants ----------------------------------------------------------------------------------

    def check(self) -> None:
        """Hold chain and reference against each other and the invariants."""
        world, book = self.world, self.book
        found, trades = world.vault, book.trades
        money = {name: world.balance(address) for name, address in self.places.items()}
        assert money == book.money
        assert sum(money.values()) == self.supply  # 1
        assert found.open_amount == book.open_amount <= money["escrow"]  # 2
        assert money["thief"] == 0  # 4, 5
        assert found.audit == book.audit == self.events[-1].audit  # 9
        assert (found.sequence, found.paused, found.mandate_version) == (
            book.sequence,
            book.paused,
            book.version,
        )
        assert (found.receivable, found.open_trades) == (book.owed, len(trades))
        assert (found.lifetime_loss, found.received_profit, found.high_water) == (
            book.lost,
            book.received,
            book.mark,
        )
        assert (found.recovery_ready, found.last_heartbeat) == (book.recovery_ready, book.heartbeat)
        assert found.pending_ready == (book.pending_ready if book.pending else 0)
        assert found.highest_id == book.highest
        for number, trade in list(trades.items())[:3]:
            state = world.trade(number)
            assert (state.remaining, state.receivable) == (trade.remaining, trade.receivable)
            assert (state.expiry, state.closes) == (trade.expiry, trade.closes)
        for address, data in self.neighbour.items():
            assert world.data(address) == data  # 10
        for address in (world.at.funds, world.at.escrow):  # 11
            data = world.data(address)
            assert data[32:64] == bytes(world.at.vault)
            assert data[72:76] == data[129:133] == bytes(4)
        self.day_cap = max(self.day_cap, book.terms["day_loss_cap"])
        self.lifetime_cap = max(self.lifetime_cap, book.terms["lifetime_loss_cap"])
        day = sum(loss for at, loss in book.losses if at > world.now - DAY)
        assert day <= self.day_cap  # 5
        assert book.lost <= self.lifetime_cap
        assert book.fees * 10_000 <= 5_000 * book.mark  # 8

    def finish(self) -> None:
        """Expire everything without the engine, and withdraw it all: invariants 3 and 6."""
        for name in sorted(self.book.frozen):
            self.thaw(name)
        if self.book.trades:
            self.pass_time(max(0, max(t.expiry for t in self.book.trades.values()) - self.world.now))
        for number, trade in list(self.book.trades.items()):
            if trade.remaining:
                call = {"kind": "expire", "by": "stranger", "trade": number}
                assert (
                    self.world.send(self.world.client.expire(self.world.trader, self.world.trade(number)))
                    is None
                )
                self.book.apply(call)
                self.replay()
        self.check()
        assert self.book.open_amount == 0
        free = self.book.money["funds"]
        if free:
            payout = self.world.address["payout"]
            assert (
                self.world.send(self.world.client.withdraw(self.world.trader, payout, free), "trader") is None
            )
            self.book.apply({"kind": "withdraw", "by": "trader", "amount": free})
            self.replay()
            self.check()


TERMS = (
    "trade_cap",
    "total_cap",
    "day_loss_cap",
    "lifetime_loss_cap",
    "fee_bps",
    "max_duration",
    "heartbeat_limit",
    "timelock",
)


def plain_transfer(source: Pubkey, target: Pubkey, owner: Pubkey, amount: int) -> Instruction:
    metas = [
        AccountMeta(source, False, True),
        AccountMeta(target, False, True),
        AccountMeta(owner, True, False),
    ]
    return Instruction(TOKEN, bytes([3]) + amount.to_bytes(8, "little"), metas)


def signed_by(instruction: Instruction, right: Pubkey, actual: Pubkey) -> Instruction:
    """Put another signer in the right one's place."""
    if right == actual:
        return instruction
    metas = [
        AccountMeta(actual, True, m.is_writable) if m.is_signer and m.pubkey == right else m
        for m in instruction.accounts
    ]
    return Instruction(instruction.program_id, bytes(instruction.data), metas)


__all__ = ["CLUSTER", "Choose", "Driver"]
