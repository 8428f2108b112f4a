"""The settlement service: carries the ledger's intents to the chain, and the chain's records to the ledger.

1. A transaction is journaled before it leaves, and the same bytes are sent until they land or can never land.
2. After they have expired, other bytes go out only if the chain shows that the purpose is not fulfilled.
3. Intents of one trade go in order; trades do not wait for each other.
4. What fails for a reason that may pass is tried again, and stands there as a condition meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Callable, Iterable, Sequence

from solders.instruction import Instruction
from solders.pubkey import Pubkey
from solders.signature import Signature

from optionsib.common.errors import SettlementError
from optionsib.common.events import AnyEvent, VaultIntent, VaultOutcome, VaultSent, VaultState
from optionsib.common.faults import fault_point
from optionsib.common.ports import Clock, CloseTerms
from optionsib.common.types import SECOND_NS, Order
from optionsib.vault.attestor import (
    AttestationPendingError,
    AttestationRefusedError,
    AttestationRequest,
    AttestorDownError,
    AttestorPort,
    ExecutionUse,
    close_message,
)
from optionsib.vault.client import SolanaVault
from optionsib.vault.conditions import PATIENT, Limits, VaultCondition, of_ledger, of_reading
from optionsib.vault.ledger import IntentState, VaultLedger
from optionsib.vault.program_client import ProgramError, TradeAccount, ed25519_instruction
from optionsib.vault.readings import Prepared, VaultReading
from optionsib.vault.rpc import RpcRefusedError, RpcUnavailableError, TransactionRefusedError
from optionsib.vault.signers import Signer, SignerError

_CLOSE_VALID_SECONDS = 600


class _TradeGoneError(SettlementError):
    """The trade is not on the chain any more: somebody has returned what it held."""


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
        self.ledger, self._vault = ledger, vault
        self._engine, self._settlement, self.attestor = engine, settlement, attestor
        self._commit, self._clock, self._limits = commit, clock, limits
        self._in_background = in_background
        self._work: asyncio.Task[None] | None = None
        self._submitted: set[str] = set()
        self._awaiting: dict[str, int] = {}  # trades that wait for commissions, since when
        self._last_record: str | None = None
        self.reading: VaultReading | None = None
        self.troubles: dict[int, tuple[VaultCondition, str]] = {}  # of an intent; 0: of the service
        self.confirmation_ns = 0  # of the newest transaction that tells

    def conditions(self) -> dict[VaultCondition, str]:
        """Return every named state that holds now, with its details."""
        found = of_reading(self.reading, self._clock.now_ns(), self._limits)
        found |= of_ledger(self.ledger, self.reading, self._clock.now_ns(), self._limits)
        for condition, words in self.troubles.values():
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
            confirmation_ns=self.confirmation_ns,
            conditions=tuple(f"{name}: {words}" for name, words in self.conditions().items()),
            trades=self.ledger.words(),
        )

    def reserve(self, order: Order, amount: int) -> str | None:
        """Reserve an opening order's maximum loss; return None, or why the vault refuses."""
        for condition, words in self.conditions().items():
            if condition not in PATIENT:
                return f"{condition}: {words}"
        vault = self.reading.vault if self.reading else None
        if vault is None:
            return "the vault was not read yet"
        mandate, known = vault.mandate, self.ledger.orders.get(order.order_ref)
        whole = self.ledger.books.balances["reserved"] + amount - (known.reserved if known else 0)
        lost_lately, at_risk = sum(vault.losses), vault.open_amount + whole
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
            await self._advance()
        elif self._work is None or self._work.done():
            if self._work is not None:
                self._work.result()  # an error that nobody expected is not lost
            self._work = asyncio.create_task(self._advance(), name="vault")

    async def aclose(self) -> None:
        """End what goes on beside; what was sent is followed up by the next start."""
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work

    async def _advance(self) -> None:
        """Do what ``advance`` says.

        The order matters: outcomes first, then the records they left, then what goes out.
        """
        self.troubles.pop(0, None)
        try:
            await self._take_records()
            await self._follow()
            await self._take_records()
            self._keep_alive()
            for state in self.ledger.waiting():
                await self._carry(state)
        except (RpcUnavailableError, RpcRefusedError) as error:
            self.troubles[0] = (VaultCondition.RPC_DOWN, str(error))
        except SettlementError as error:  # what the chain has done does not fit the books
            self.troubles[0] = (VaultCondition.LEDGER_MISMATCH, str(error))
        self._commit()

    # --- what was sent -----------------------------------------------------------------------------

    async def _follow(self) -> None:
        for state in self.ledger.waiting():
            wire = state.sent
            if wire is None or state.outcome is not None:
                continue
            expired = await self._vault.is_expired(wire.last_valid_block_height)
            (status,) = await self._vault.status([wire.signature])
            if status is not None and status.reached(self._vault.commitment):
                confirmed = status.confirmed_ns or 0
                if confirmed:
                    self.confirmation_ns = confirmed - wire.at_ns
                result = self._of(state.intent, wire.signature, status.error, confirmed)
                self._settle(result)
            elif status is None and expired:
                await self._expired(state.intent, wire.signature)
            elif wire.signature not in self._submitted or status is None:
                await self._submit(wire)

    def _of(self, intent: VaultIntent, signature: str, error: str, confirmed_ns: int) -> VaultOutcome:
        """Return the outcome of a transaction that landed: one that failed is made anew, but for opens."""
        result = "confirmed" if not error else "failed" if intent.kind == "open" else "expired"
        return VaultOutcome(
            intent=intent.number,
            at_ns=self._clock.now_ns(),
            result=result,  # type: ignore[arg-type]
            signature=signature,
            error=error,
            confirmed_ns=confirmed_ns,
        )

    async def _expired(self, intent: VaultIntent, signature: str) -> None:
        """Note that bytes can never land; the purpose may be fulfilled all the same."""
        done = await self._is_fulfilled(intent)
        self._settle(
            VaultOutcome(
                intent=intent.number,
                at_ns=self._clock.now_ns(),
                result="confirmed" if done else "expired",
                signature=signature,
                error="" if done else "not taken into a block in time",
            )
        )

    async def _is_fulfilled(self, intent: VaultIntent) -> bool:
        """Ask the chain's records, and for an extension the trade."""
        if intent.kind == "extend":
            found = await self._vault.trade(intent.trade)
            return found is not None and found.expiry >= min(intent.expiry, found.latest_expiry)
        await self._take_records()
        return self.ledger.is_fulfilled(intent)

    def _settle(self, outcome: VaultOutcome) -> None:
        self.troubles.pop(outcome.intent, None)
        self.ledger.settled(outcome)

    async def _submit(self, sent: VaultSent) -> None:
        await self._vault.submit(base64.b64decode(sent.wire))
        self._submitted.add(sent.signature)
        fault_point("after-chain-before-next")

    # --- what the chain has done -------------------------------------------------------------------

    async def _take_records(self) -> None:
        """Read the vault, and book what its audit trail has that the books have not."""
        reading = await self._vault.read(self._engine.public_key)
        if reading.vault is not None and reading.vault.sequence > self.ledger.records:
            for entry in await self._vault.history(self._last_record):
                for event in entry.events:
                    self.ledger.book(
                        event.record, paid=self._settlement is not None, signature=entry.signature
                    )
                self._last_record = entry.signature
        self.reading, self.ledger.chain_time = reading, reading.chain_time
        if reading.vault is not None and reading.vault.sequence > self.ledger.records:
            self.troubles[0] = (
                VaultCondition.LEDGER_MISMATCH,
                f"the chain has {reading.vault.sequence} records, its log shows {self.ledger.records}",
            )

    def _keep_alive(self) -> None:
        """Extend trades that would expire, and let the chain hear of the engine."""
        reading = self.reading
        if reading is None or reading.vault is None:
            return
        for trade in self.ledger.trades.values():
            lives = trade.is_open and trade.left and not trade.is_over
            if (
                lives
                and not trade.is_final
                and trade.expiry - reading.chain_time <= self._limits.extend_before
            ):
                self.ledger.extend(
                    trade.number,
                    reading.chain_time + self._limits.trade_seconds,
                    reading.vault.mandate.max_duration,
                )
        if reading.chain_time - reading.vault.last_heartbeat >= self._limits.heartbeat_every:
            self.ledger.heartbeat(reading.vault.last_heartbeat)

    # --- what goes out -----------------------------------------------------------------------------

    async def _carry(self, state: IntentState) -> None:
        """Prepare, journal and send an intent that has no transaction under way."""
        intent = state.intent
        if state.sent is not None and state.outcome is None:
            return
        try:
            if state.sent is not None and await self._is_fulfilled(intent):
                self._settle(self._of(intent, state.sent.signature, "", 0))
                return
            prepared = await self._prepare(intent)
        except AttestationPendingError as error:
            self.troubles[intent.number] = (VaultCondition.AWAITING_COMMISSION, str(error))
        except AttestationRefusedError as error:
            self.troubles[intent.number] = (VaultCondition.ATTESTATION_REFUSED, str(error))
        except AttestorDownError as error:
            self.troubles[intent.number] = (VaultCondition.ATTESTOR_DOWN, str(error))
        except ProgramError as error:
            self._refused(intent, error.name)
        except _TradeGoneError as error:
            self._settle(
                VaultOutcome(
                    intent=intent.number, at_ns=self._clock.now_ns(), result="failed", error=str(error)
                )
            )
        except SignerError as error:
            self.troubles[intent.number] = (VaultCondition.SIGNER_DOWN, str(error))
        except TransactionRefusedError as error:
            condition = VaultCondition.LOW_SOL if error.low_sol else VaultCondition.LEDGER_MISMATCH
            self.troubles[intent.number] = (condition, str(error))
        else:
            self.troubles.pop(intent.number, None)
            await self._send(intent, prepared)

    def _refused(self, intent: VaultIntent, name: str) -> None:
        """Name a refusal: of an open or an extension it is final, the rest is tried again."""
        if intent.kind in ("open", "extend") and not name.endswith("FROZEN"):
            self._settle(self._of(intent, "", name, 0))
            return
        frozen = "FROZEN" in name
        self.troubles[intent.number] = (
            VaultCondition.FROZEN if frozen else VaultCondition.LEDGER_MISMATCH,
            f"{intent.kind} of trade {intent.trade}: the program refuses with {name}",
        )

    async def _send(self, intent: VaultIntent, prepared: Prepared) -> None:
        sent = VaultSent(
            intent=intent.number,
            at_ns=self._clock.now_ns(),
            signature=prepared.signature,
            wire=base64.b64encode(prepared.wire).decode(),
            last_valid_block_height=prepared.last_valid_block_height,
        )
        self.ledger.sent(sent)
        self._commit()
        fault_point("after-vault-journal-before-chain")
        await self._submit(sent)

    async def _prepare(self, intent: VaultIntent) -> Prepared:
        program, trader, engine = self._vault.program, self._vault.trader, self._engine.public_key
        signers: list[Signer] = [self._engine]
        listed: Sequence[Instruction]
        if intent.kind == "heartbeat":
            listed = [program.heartbeat(trader, engine)]
        elif intent.kind == "open":
            vault = self.reading.vault if self.reading else None
            if vault is None:
                raise RpcUnavailableError("the vault was not read yet")
            listed = [
                program.open(
                    trader,
                    engine,
                    intent.trade,
                    amount=intent.amount,
                    expiry=intent.expiry,
                    mandate_version=vault.mandate_version,
                    order_hash=bytes.fromhex(intent.order_hash),
                )
            ]
        else:
            found = await self._vault.trade(intent.trade)
            if found is None:
                raise _TradeGoneError(f"trade {intent.trade} has ended on the chain")
            if intent.kind == "reduce":
                listed = [program.reduce(trader, found, intent.amount)]
            elif intent.kind == "extend":
                listed = [program.extend(trader, found, min(intent.expiry, found.latest_expiry))]
            else:
                if self._settlement is not None:
                    signers.append(self._settlement)
                listed = await self._close(intent, found)
        return await self._vault.prepare(listed, signers=signers, tag=intent.number)

    async def _close(self, intent: VaultIntent, found: TradeAccount) -> list[Instruction]:
        """Have the result attested; return the attestation and the close."""
        cluster, program, vault = self.ledger.place
        request = AttestationRequest(
            cluster=cluster,
            program=program,
            vault=vault,
            trade_id=intent.trade,
            close_number=intent.close_number,
            share=intent.amount,
            pnl=max(intent.pnl, -intent.amount),  # more than its share nobody can take from a trade
            valid_until=self._clock.now_ns() // SECOND_NS + _CLOSE_VALID_SECONDS,
            opened=intent.opened,
            units_before=intent.units_before,
            units=intent.units,
            opening=tuple(ExecutionUse(*use) for use in intent.opening),
            closing=tuple(ExecutionUse(*use) for use in intent.closing),
        )
        answer = await self.attestor.attest(request)
        key, signature = Pubkey.from_string(answer.public_key), Signature.from_string(answer.signature)
        message = close_message(request)
        paying = self._settlement.public_key if self._settlement else self._engine.public_key
        close = self._vault.program.close(
            self._vault.trader,
            found,
            share=intent.amount,
            pnl=request.pnl,
            close_number=intent.close_number,
            valid_until=request.valid_until,
            executions_hash=message.executions_hash,
            settlement_authority=paying,
            settlement_signs=self._settlement is not None,
        )
        return [ed25519_instruction(key, signature, message.digest()), close]
