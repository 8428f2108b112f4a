"""Thieves: whoever holds some of the keys, and sends whatever these keys can sign.

They build every instruction of the program with right and wrong accounts and data, plain token and system
instructions on the vault's accounts, several in one transaction, and let time pass. Only balances are looked
at, so nothing here shares a line with the program or its reference:

1. Without the attestor's key the trader never has a unit less.
2. With it the trader loses at most the day's cap in any 24 hours, and at most the lifetime cap ever.
3. What is lost lies in the mandate's settlement account; no other account of anybody has gained a unit.
4. Afterwards the trader takes out everything that is left, and no neighbour has a unit less.
"""

from __future__ import annotations

import random
from collections import Counter, deque

import msgspec
from solders.instruction import AccountMeta, Instruction
from solders.system_program import AssignParams, TransferParams, assign, transfer

from optionsib.vault.program_client import CloseMessage, Mandate, TradeAccount
from tests.vault_driver import plain_transfer
from tests.vault_world import CLUSTER, DAY, HOUR, PROGRAM, TOKEN, World, key

KEYS = (("engine",), ("engine", "settler"), ("engine", "attestor"), ("engine", "attestor", "settler"))
DEPOSIT, NEAR_DEPOSIT, DAY_CAP, LIFETIME_CAP = 20_000, 5_000, 600, 4_000
JUMPS = (1, 60, HOUR, DAY // 4, DAY - 1, DAY)
TRANSFER, APPROVE, SET_AUTHORITY, MINT_TO, BURN, CLOSE_ACCOUNT, FREEZE = 3, 4, 6, 7, 8, 9, 10
TOKEN_CALLS = (TRANSFER, APPROVE, SET_AUTHORITY, MINT_TO, BURN, CLOSE_ACCOUNT, FREEZE)
GUARDED = ("funds", "escrow", "payout", "source", "near funds", "near escrow")


class Thief:
    """A funded vault with honest trades, and somebody with the keys of ``holds``."""

    def __init__(self, seed: int, holds: tuple[str, ...], program: bytes | None = None) -> None:
        self.rng = random.Random(f"{seed} {holds}")
        self.holds = holds
        self.world = world = World(program, lifetime_loss_cap=LIFETIME_CAP)
        world.ready(DEPOSIT)
        other = {name: key(f"near {name}").pubkey() for name in ("engine", "attestor", "recovery")}
        world.must(world.create("neighbour", msgspec.structs.replace(world.mandate, **other)))
        near = world.client.addresses(world.pub("neighbour"))
        world.must(
            world.send(
                world.client.deposit(
                    world.pub("neighbour"), world.trader, world.address["source"], NEAR_DEPOSIT
                ),
                "trader",
            )
        )
        self.places = {
            **world.address,
            "funds": world.at.funds,
            "escrow": world.at.escrow,
            "near funds": near.funds,
            "near escrow": near.escrow,
        }
        self.numbers: list[int] = []
        self.old: list[list[Instruction]] = []
        self._honest_trades()
        self.start = self.money()
        self.held = self.trader_has(self.start)
        self.losses: deque[tuple[int, int]] = deque()
        self.lost = self.worst_day = self.calls = 0
        self.seen: Counter[str] = Counter()

    def _honest_trades(self) -> None:
        """Leave open trades, and attestations that were used: what a thief can find."""
        for number in range(1, 5):
            self.world.must(self.world.open(number, 50))
            self.numbers.append(number)
        for number, pnl in ((1, -10), (2, 0)):
            found = self.world.trade(number)
            message = self.world.attest(found, 20, pnl)
            pair = [self.world.signature(message), self.world.close_instruction(found, message)]
            self.world.must(self.world.send(pair, "engine", "settler"))
            self.old.append([pair[0], self.world.close_instruction(found, message, pays=False)])
        self.world.set_time(self.world.now + DAY - HOUR)  # the trades live on; the small loss nearly aged

    # --- what is looked at -------------------------------------------------------------------------------

    def money(self) -> dict[str, int]:
        """Balance of every token account."""
        return {name: self.world.balance(address) for name, address in self.places.items()}

    @staticmethod
    def trader_has(money: dict[str, int]) -> int:
        """What is the trader's: in the vault, in escrow, and paid out."""
        return sum(money[name] for name in ("funds", "escrow", "payout", "source"))

    def check(self) -> None:
        """Hold the balances against the sentences at the head of this file."""
        money, world = self.money(), self.world
        lost = self.held - self.trader_has(money)
        assert money["thief"] == self.start["thief"]
        assert money["near funds"] + money["near escrow"] >= NEAR_DEPOSIT
        assert sum(money.values()) == sum(self.start.values())
        if "settler" not in self.holds:
            assert money["settlement"] >= self.start["settlement"]
            assert money["fee"] == self.start["fee"]
        if lost > 0:
            assert "attestor" in self.holds, f"{self.holds} took {lost}"
            self.lost += lost
            self.losses.append((world.now, lost))
        while self.losses and self.losses[0][0] <= world.now - DAY:
            self.losses.popleft()
        day = sum(amount for _, amount in self.losses)
        self.worst_day = max(self.worst_day, day)
        assert day <= DAY_CAP
        assert self.lost <= LIFETIME_CAP
        self.held = self.trader_has(money)

    # --- what is tried -----------------------------------------------------------------------------------

    def step(self) -> None:
        """Let time pass, let the honest trader clear the way, or try something."""
        odd = self.rng.randrange(40)
        if odd == 0:
            self.world.set_time(self.world.now + self.rng.choice(JUMPS))
        if odd == 1:
            self._clear()
        instructions = [one for _ in range(self.rng.choice((1, 1, 1, 1, 2, 3))) for one in self._attempt()]
        if self.rng.randrange(20) == 0:
            instructions = self.rng.choice(self.old)
        instructions, signers = self._signed(instructions)
        answer = self.world.send(instructions, *signers)
        self.calls += 1
        self.seen["accepted" if answer is None else answer.partition("(")[0]] += 1
        if answer is None and (highest := self.world.vault.highest_id) > self.numbers[-1]:
            self.numbers.append(highest)
        self.check()

    def _clear(self) -> None:
        """Lift pauses, waive what is owed, end what has expired: an honest trader keeps the vault in use."""
        world = self.world
        if world.vault.paused:
            world.must(world.send(world.client.unpause(world.trader), "trader"))
        for found in self.live():
            if found.receivable:
                world.must(world.send(world.client.waive_profit(world.trader, found), "trader"))
            elif found.expiry <= world.now:
                world.must(world.send(world.client.expire(world.trader, found)))

    def live(self) -> list[TradeAccount]:
        """Return the trades that still exist."""
        self.numbers = [*(n for n in self.numbers[:-1] if self.world.is_open(n)), self.numbers[-1]]
        return [self.world.trade(number) for number in self.numbers if self.world.is_open(number)]

    def _attempt(self) -> list[Instruction]:
        kind = self.rng.randrange(12)
        if kind < 4:
            return [self._open()]
        if kind < 8:
            return self._close()
        if kind == 8:
            return [self._token_call()]
        if kind == 9:
            return [self._system_call()]
        return [self._any_instruction()]

    def _open(self) -> Instruction:
        rng, found, cap = self.rng, self.world.vault, self.world.mandate.trade_cap
        room = max(1, DAY_CAP - sum(amount for _, amount in self.losses) - found.open_amount)
        number, amount, lasts = found.highest_id + 1, min(cap, room), DAY  # the most that can be put at risk
        if rng.random() < 0.5:
            number = rng.choice((number, number + 1, number - 1, 0))
            amount = rng.choice((cap, cap // 2, room, room + 1, 1, cap + 1, 2**50, 0))
            lasts = rng.choice((HOUR, DAY, 2 * DAY, 2 * DAY + 1))
        return self._bent(self.world.open_instruction(number, amount, lasts=lasts))

    def _close(self) -> list[Instruction]:
        trades = self.live()
        if not trades:
            return [self._open()]
        found, rng = self.rng.choice(trades), self.rng
        left, now = found.remaining, self.world.now
        terms = {"close_number": found.closes, "valid_until": now + 60, "cluster": CLUSTER}
        share, pnl = left, -left  # the most that can be taken
        if rng.random() < 0.5:
            share = rng.choice((left, 1, left // 2, left + 1, 0))
            pnl = rng.choice((-share, -share - 1, -(2**50), -1, 0, 1, 10_000))
            terms["close_number"] = rng.choice((found.closes, found.closes, found.closes + 1, 0))
            terms["valid_until"] = now + rng.choice((0, 60, 60, -1))
            terms["cluster"] = rng.choice((CLUSTER, CLUSTER, CLUSTER, bytes(32)))
        message = self.world.attest(found, share, pnl, **terms)
        close = self.world.close_instruction(
            found, message, pays="settler" in self.holds and rng.random() < 0.5
        )
        return [self._attestation(message), self._bent(close)]

    def _attestation(self, message: CloseMessage) -> Instruction:
        """A signature by a key that the thief has; of what it says, or of something else."""
        signer = "attestor" if "attestor" in self.holds else self.rng.choice(self.holds)
        if self.rng.randrange(8):
            signed = self.world.signature(message, signer)
        else:
            signed = self.world.signature(
                msgspec.structs.replace(message, trade_id=message.trade_id + 1), signer
            )
        if self.rng.randrange(8) == 0:  # the attestor's name over somebody else's signature
            data = bytearray(signed.data)
            data[16:48] = bytes(self.world.pub("attestor"))
            return Instruction(signed.program_id, bytes(data), list(signed.accounts))
        return signed

    def _any_instruction(self) -> Instruction:
        world, client, rng = self.world, self.world.client, self.rng
        own = world.pub(rng.choice(self.holds))
        trader = rng.choice((world.trader, world.trader, world.pub("neighbour"), own))
        trades = self.live()
        amount = rng.choice((1, 50, 400, DEPOSIT, 2**63))
        tries = [
            client.withdraw(trader, rng.choice((world.address["thief"], world.address["payout"])), amount),
            client.deposit(trader, own, world.address["thief"], amount),
            client.heartbeat(trader, own),
            client.pause(trader, own),
            client.unpause(trader),
            client.propose(trader, self._better_mandate()),
            client.apply(trader),
            client.cancel(trader),
            client.start_recovery(trader, own),
            client.cancel_recovery(trader),
            client.recover(trader, own, world.address["thief"]),
            client.sweep(trader),
        ]
        if trades:
            found = rng.choice(trades)
            tries += [
                client.reduce(trader, found, rng.choice((1, found.remaining, found.remaining + 1))),
                client.expire(trader, found),
                client.extend(trader, found, world.now + rng.choice((HOUR, DAY, 30 * DAY))),
                client.release(trader, found),
                client.pay_profit(trader, found, own, rng.choice((1, found.receivable))),
                client.waive_profit(trader, found),
            ]
        return self._bent(rng.choice(tries))

    def _better_mandate(self) -> Mandate:
        """A mandate that only a thief would want."""
        return msgspec.structs.replace(
            self.world.mandate,
            settlement=self.world.address["thief"],
            payout=self.world.address["thief"],
            trade_cap=10**6,
            day_loss_cap=10**6,
            lifetime_loss_cap=10**7,
        )

    def _token_call(self) -> Instruction:
        rng = self.rng
        source, target = (self.places[rng.choice((*GUARDED, "thief"))] for _ in range(2))
        owner = rng.choice((self.world.at.vault, self.world.trader, *(self.world.pub(k) for k in self.holds)))
        code, amount = rng.choice(TOKEN_CALLS), rng.choice((1, 50, DEPOSIT))
        if code == TRANSFER:
            return plain_transfer(source, target, owner, amount)
        data = bytes([code])
        if code == SET_AUTHORITY:
            data += bytes([rng.choice((0, 1, 2, 3)), 1]) + bytes(self.world.pub("engine"))
        elif code in (APPROVE, MINT_TO, BURN):
            data += amount.to_bytes(8, "little")
        second = self.world.mint if code in (BURN, FREEZE) else target
        metas = [AccountMeta(source, False, True), AccountMeta(second, False, True)]
        if code == SET_AUTHORITY:
            metas.pop()
        return Instruction(TOKEN, data, [*metas, AccountMeta(owner, True, False)])

    def _system_call(self) -> Instruction:
        """Take lamports or ownership of the vault's accounts."""
        source = self.rng.choice((self.world.at.vault, self.world.at.funds, self.world.at.escrow))
        if self.rng.random() < 0.5:
            return transfer(
                TransferParams(from_pubkey=source, to_pubkey=self.world.pub("engine"), lamports=10**6)
            )
        return assign(AssignParams(pubkey=source, owner=TOKEN))

    def _bent(self, instruction: Instruction) -> Instruction:
        """Leave it as it is, or exchange accounts, or spoil the data."""
        rng = self.rng
        metas, data = list(instruction.accounts), bytearray(instruction.data)
        if rng.randrange(4) == 0 and metas:
            slot = rng.randrange(len(metas))
            other = rng.choice(
                (
                    *self.places.values(),
                    self.world.at.vault,
                    self.world.mint,
                    PROGRAM.pubkey(),
                    *(self.world.pub(name) for name in self.holds),
                    *(meta.pubkey for meta in metas),
                )
            )
            metas[slot] = AccountMeta(other, metas[slot].is_signer, metas[slot].is_writable)
        if rng.randrange(8) == 0 and data:
            at = rng.randrange(len(data))
            data[at] ^= 1 << rng.randrange(8)
        if rng.randrange(30) == 0:
            data = data[: rng.randrange(len(data) + 1)]
        return Instruction(instruction.program_id, bytes(data), metas)

    def _signed(self, instructions: list[Instruction]) -> tuple[list[Instruction], list[str]]:
        """Put a key of the thief's where one signs whose key it has not, or leave that place unsigned."""
        own = {self.world.pub(name): name for name in (*self.holds, "payer")}
        done: list[Instruction] = []
        names: list[str] = []
        for each in instructions:
            metas = []
            for found in each.accounts:
                whose, signs = found.pubkey, found.is_signer
                if signs and whose not in own:
                    signs = self.rng.random() < 0.5
                    whose = self.world.pub(self.rng.choice(self.holds)) if signs else whose
                if signs:
                    names.append(own[whose])
                metas.append(AccountMeta(whose, signs, found.is_writable))
            done.append(Instruction(each.program_id, bytes(each.data), metas))
        return done, names

    # --- the end -----------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Let the trader leave with everything: no key is needed for that but the trader's."""
        world = self.world
        for found in self.live():
            if found.remaining:
                world.set_time(max(world.now, found.expiry))
                world.must(world.send(world.client.expire(world.trader, found)))
            if found.receivable:
                world.must(world.send(world.client.waive_profit(world.trader, found), "trader"))
        if world.balance(world.at.escrow):  # what thieves sent there
            world.must(world.send(world.client.sweep(world.trader)))
        free = world.balance(world.at.funds)
        if free:
            payout = world.address["payout"]
            world.must(world.send(world.client.withdraw(world.trader, payout, free), "trader"))
        self.check()
        money = self.money()
        assert money["funds"] == money["escrow"] == 0
