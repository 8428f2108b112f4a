"""The settlement service: what a session asks of the vault, and the states that people see.

The ledger decides, the outbox carries out; here one is asked and the other set to work, in the background for
a node that may be slow.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping

from optionsib.common.events import AnyEvent, VaultState
from optionsib.common.ports import Clock, CloseTerms
from optionsib.common.types import SECOND_NS, Order
from optionsib.vault.acknowledgements import acknowledge, described
from optionsib.vault.attestor import AttestorPort
from optionsib.vault.client import SolanaVault
from optionsib.vault.conditions import PATIENT, Limits, VaultCondition, of_ledger, of_reading
from optionsib.vault.ledger import VaultLedger
from optionsib.vault.outbox import Outbox
from optionsib.vault.readings import VaultReading, losses_of_a_day
from optionsib.vault.signers import Signer

_POLL_SECONDS = 0.5  # real ones; how soon a confirmation is seen
_POLLS = 60
_FINISH_SECONDS = 20.0


class SettlementService:
    """Drives one vault's ledger.

    Parameters
    ----------
    ledger, vault
        The decisions, and the way to the chain.
    engine
        Signs and pays; ``settlement`` too pays profits at once (None: they are owed).
    attestor
        Signs results.
    commit
        Makes everything journaled so far durable.
    clock, limits
        When something is late, old or about to expire.
    in_background
        ``advance`` returns at once and the work goes on beside it: for a node that may be slow, so that no
        exit ever waits for it.
    """

    def __init__(
        self,
        ledger: VaultLedger,
        vault: SolanaVault,
        *,
        engine: Signer,
        settlement: Signer | None,
        attestor: AttestorPort,
        commit: Callable[[], None],
        clock: Clock,
        limits: Limits,
        in_background: bool = False,
    ) -> None:
        self.ledger, self.attestor = ledger, attestor
        self.outbox = Outbox(
            ledger, vault, engine=engine, settlement=settlement, commit=commit, clock=clock, limits=limits
        )
        self._commit, self._clock, self._limits = commit, clock, limits
        self._in_background = in_background
        self._work: asyncio.Task[None] | None = None
        self._awaiting: dict[str, int] = {}  # trades that wait for commissions, since when

    @property
    def reading(self) -> VaultReading | None:
        """The chain as last read."""
        return self.outbox.reading

    def conditions(self) -> dict[VaultCondition, str]:
        """Return every named state that holds now, with its details."""
        found = of_reading(self.reading, self._clock.now_ns(), self._limits)
        found |= of_ledger(self.ledger, self.reading, self._clock.now_ns(), self._limits)
        for condition, words in self.outbox.troubles.values():
            found.setdefault(condition, words)
        now = self._clock.now_ns()
        for trade, since in self._awaiting.items():
            late = now - since > self._limits.commission_wait * SECOND_NS
            name = VaultCondition.COMMISSION_MISSING if late else VaultCondition.AWAITING_COMMISSION
            found.setdefault(name, f"trade {trade}")
        return found

    def state(self, at_ns: int) -> VaultState:
        """Return balances and conditions as last seen."""
        books = self.ledger.books.balances
        return VaultState(
            at_ns=at_ns,
            free=books["free"],
            reserved=books["reserved"],
            escrow=books["escrow"],
            receivable=books["receivable"],
            fees=books["fees"],
            settled=-books["settlement"],
            under_way=len(self.ledger.waiting()),
            submit_ns=self.outbox.submit_ns,
            confirmation_ns=self.outbox.confirmation_ns,
            conditions=tuple(f"{name}: {words}" for name, words in self.conditions().items()),
            trades=self.ledger.words(),
            acknowledged=tuple(described(event) for event in self.ledger.acknowledged.values()),
        )

    def acknowledge(self, trade_id: str, *, reason: str, operator: str) -> list[str]:
        """Take in, durably, that a person answers for a trade's standing alarms; return them as sentences.

        Raises
        ------
        SettlementError
            If there is nothing to acknowledge, or it is too early; the message says so.
        """
        now = self._clock.now_ns()
        events = acknowledge(self.ledger, trade_id, reason=reason, operator=operator, at_ns=now)
        self._commit()
        return [described(event) for event in events]

    def reserve(self, order: Order, amount: int) -> str | None:
        """Reserve an opening order's maximum loss; return None, or why the vault refuses."""
        for condition, words in self.conditions().items():
            if condition not in PATIENT:
                return f"{condition}: {words}"
        vault = self.reading.vault if self.reading else None
        if vault is None:
            return "the vault was not read yet"
        mandate, more = vault.mandate, amount - self.ledger.covered(order.order_ref)
        at_risk = vault.open_amount + self.ledger.books.balances["reserved"] + more
        lost_lately = losses_of_a_day(vault, self.reading.chain_time if self.reading else 0)
        for name, value, cap in (
            ("trade_cap", amount, mandate.trade_cap),
            ("total_cap", at_risk, mandate.total_cap),
            ("day_loss_cap", lost_lately + at_risk, mandate.day_loss_cap),
            ("lifetime_loss_cap", vault.lifetime_loss + at_risk, mandate.lifetime_loss_cap),
        ):
            if value > cap:
                return f"order {order.order_ref} would use {value / 1e6:,.2f} USDT of {name} {cap / 1e6:,.2f}"
        return self.ledger.reserve(order, amount)

    def restore(self, order: Order, max_loss: int) -> None:
        """Take an order's terms over from the journal of an earlier run; nothing is booked."""
        del max_loss  # the ledger's entries have it
        self.ledger.restore(order)

    def filled(self, reference: str, order_ref: str, units: int) -> None:
        """Note a fill of an opening order; the first one opens the trade on the chain."""
        self.ledger.filled(reference, order_ref, units)

    def free(self, order_ref: str) -> int:
        """Return what an order that was never sent has reserved; give the amount."""
        return self.ledger.free(order_ref)

    def ended(self, order_ref: str) -> None:
        """Note that an order can fill no more: its unfilled part comes back."""
        self.ledger.ended(order_ref)

    def close(self, terms: CloseTerms) -> None:
        """Settle the result of a close."""
        self.ledger.close(terms)

    def awaiting_commission(self, trades: frozenset[str]) -> None:
        """Note which trades have closes that wait for the broker's commissions."""
        now = self._clock.now_ns()
        self._awaiting = {trade: self._awaiting.get(trade, now) for trade in trades}

    def apart(self, trades: Mapping[str, Mapping[int, int]]) -> None:
        """Note what is left of trades whose options ended without an order."""
        self.ledger.apart = {trade: dict(held) for trade, held in trades.items()}

    def reserved(self) -> list[str]:
        """Return the orders that have something set aside and are not open on the chain."""
        return self.ledger.reserved()

    def ending(self) -> frozenset[str]:
        """Return the trades that expire on the chain soon and cannot be extended."""
        return self.ledger.ending()

    def replay(self, events: Iterable[AnyEvent]) -> None:
        """Rebuild books and outbox from a journal."""
        self.ledger.replay(events)

    async def advance(self) -> None:
        """Do all that can be done now; what cannot waits for the next call."""
        if not self._in_background:
            await self.outbox.advance(self.attestor)
        elif self._work is None or self._work.done():
            if self._work is not None:
                self._work.result()  # an error that nobody expected is not lost
            self._work = asyncio.create_task(self._advance_and_follow(), name="vault")

    async def finish(self) -> None:
        """Do what can still be done, in the background for a while at most: the session ends."""
        if not self._in_background:
            await self.outbox.advance(self.attestor)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FINISH_SECONDS):
                if self._work is not None:
                    await self._work
                await self._advance_and_follow()

    async def aclose(self) -> None:
        """End what goes on beside; what was sent is followed up by the next start."""
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work

    async def _advance_and_follow(self) -> None:
        """Advance, and go on for a while as long as something is about to be known."""
        await self.outbox.advance(self.attestor)
        for _ in range(_POLLS):
            if 0 in self.outbox.troubles or not self.outbox.is_under_way():
                return
            await asyncio.sleep(_POLL_SECONDS)
            await self.outbox.advance(self.attestor)
