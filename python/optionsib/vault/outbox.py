"""The outbox: carries the ledger's intents to the chain, and the chain's records to the ledger.

1. A transaction is journaled before it leaves, and the same bytes are sent until they land or can never land.
2. After they have expired, other bytes go out only if the chain shows that the purpose is not fulfilled.
3. Intents of one trade go in order; trades do not wait for each other.
4. What fails for a reason that may pass is tried again, and stands there as a trouble meanwhile.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from optionsib.common.errors import SettlementError
from optionsib.common.events import VaultIntent, VaultOutcome, VaultSent
from optionsib.common.faults import fault_point
from optionsib.common.ports import Clock
from optionsib.vault.attestor import (
    AttestationPendingError,
    AttestationRefusedError,
    AttestorDownError,
    AttestorPort,
)
from optionsib.vault.client import SolanaVault
from optionsib.vault.conditions import Limits, VaultCondition
from optionsib.vault.ledger import VaultLedger
from optionsib.vault.ledger_state import IntentState
from optionsib.vault.preparation import Preparation, TradeGoneError
from optionsib.vault.program_client import ProgramError, VaultAccount
from optionsib.vault.readings import Prepared, VaultReading
from optionsib.vault.rpc import RpcRefusedError, RpcUnavailableError, TransactionRefusedError
from optionsib.vault.signers import Signer, SignerError


class Outbox:
    """Drives one vault's ledger; its parameters are those of ``SettlementService``."""

    def __init__(
        self,
        ledger: VaultLedger,
        vault: SolanaVault,
        *,
        engine: Signer,
        settlement: Signer | None,
        commit: Callable[[], None],
        clock: Clock,
        limits: Limits,
    ) -> None:
        self.ledger, self._vault = ledger, vault
        self._engine, self._pays = engine, settlement is not None
        self._preparation = Preparation(
            vault, place=ledger.place, engine=engine, settlement=settlement, clock=clock
        )
        self._commit, self._clock, self._limits = commit, clock, limits
        self._submitted: set[str] = set()
        self._last_record: str | None = None
        self._head = (
            -1,
            b"",
            0,
        )  # of the newest record that was read: number and audit hash after it, its slot
        self._attestor_silence = ""  # why it does not answer, found in this round
        self.reading: VaultReading | None = None
        self.troubles: dict[int, tuple[VaultCondition, str]] = {}  # of an intent; 0: of the whole
        self.submit_ns = 0  # of the newest transaction, from the decision to the node
        self.confirmation_ns = 0  # of the newest transaction: the network's part

    def is_under_way(self) -> bool:
        """Tell whether something will be known soon: a confirmation, or what the attestor has yet to see."""
        return any(
            (state.sent is not None and state.outcome is None)
            or self.troubles.get(state.intent.number, ("",))[0] == VaultCondition.AWAITING_COMMISSION
            for state in self.ledger.waiting()
        )

    async def advance(self, attestor: AttestorPort) -> None:
        """Do all that can be done now; what cannot stays as a trouble.

        The order matters: outcomes first, then the records they left, then what goes out.
        """
        self.troubles.pop(0, None)
        try:
            await self._take_records()
            await self._follow()
            await self._take_records()
            self._keep_alive()
            self._attestor_silence = ""
            # Closes come last: an attestor that is slow holds nothing else up.
            for state in sorted(self.ledger.waiting(), key=lambda state: state.intent.kind == "close"):
                await self._carry(state, attestor)
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
                if not confirmed and wire.signature in self._submitted:
                    confirmed = self._clock.now_ns()  # a node does not tell when; this is when we saw it
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
        if intent.kind == "reduce" and not self.ledger.is_fulfilled(intent):
            # The one thing that the program would do twice: a log that is late must not decide.
            found = await self._vault.trade(intent.trade)
            return found is not None and found.remaining <= self.ledger.escrow_after(intent)
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
            whole = True
            for entry in await self._vault.history(self._last_record):
                before = [event.record.sequence - 1 for event in entry.events[:1]]
                whole = (
                    whole
                    and entry.is_whole
                    and all(n < 0 or f"chain {n}" in self.ledger.books for n in before)
                )
                for event in entry.events:
                    self.ledger.book(event.record, paid=self._pays, signature=entry.signature)
                    self._head = (event.record.sequence + 1, event.audit, entry.slot)
                if whole:  # what a node's log left out before this one may still come
                    self._last_record = entry.signature
        self.reading, self.ledger.chain_time = reading, reading.chain_time
        if reading.vault is not None:
            self.ledger.highest = reading.vault.highest_id
        difference = "" if reading.vault is None else self._difference(reading.vault, reading.slot)
        if difference:
            self.troubles[0] = (VaultCondition.LEDGER_MISMATCH, difference)

    def _difference(self, account: VaultAccount, slot: int) -> str:
        """Compare the vault's account with the records that are booked."""
        chain, booked = account.sequence, self.ledger.records
        if chain > booked:
            return f"the chain has {chain} records, its log shows {booked}"
        sequence, audit, booked_slot = self._head
        if slot < booked_slot:
            return ""  # the account is older than what its log has shown since
        if chain < booked or (chain == sequence and account.audit != audit):
            return (
                f"{booked} records are booked, at slot {slot} the chain has {chain} of them: a transaction "
                "that was confirmed has been rolled back"
            )
        return ""

    def _keep_alive(self) -> None:
        """Extend trades that would expire, and let the chain hear of the engine."""
        reading = self.reading
        if reading is None or reading.vault is None:
            return
        for trade in self.ledger.trades.values():
            if (
                self.ledger.lives(trade)
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

    async def _carry(self, state: IntentState, attestor: AttestorPort) -> None:
        """Prepare, journal and send an intent that has no transaction under way."""
        intent = state.intent
        if state.sent is not None and state.outcome is None:
            return
        if self._attestor_silence and intent.kind == "close":
            self.troubles[intent.number] = (VaultCondition.ATTESTOR_DOWN, self._attestor_silence)
            return
        try:
            if state.sent is not None and await self._is_fulfilled(intent):
                self._settle(self._of(intent, state.sent.signature, "", 0))
                return
            prepared = await self._preparation.prepare(intent, self.reading, attestor)
        except AttestationPendingError as error:
            self.troubles[intent.number] = (VaultCondition.AWAITING_COMMISSION, str(error))
        except AttestationRefusedError as error:
            self.troubles[intent.number] = (VaultCondition.ATTESTATION_REFUSED, str(error))
        except AttestorDownError as error:
            self._attestor_silence = str(error)  # asked once a round: each time-out takes seconds
            self.troubles[intent.number] = (VaultCondition.ATTESTOR_DOWN, str(error))
        except ProgramError as error:
            self._refused(intent, error.name)
        except TradeGoneError as error:
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
        if name == "TRADE_ID_USED" and self.ledger.intents[intent.number].sent is not None:
            # Ours, most likely, and late to show: the chain's records will tell.
            words = f"trade {intent.trade} is on the chain, the node's log does not show it yet"
            self.troubles[intent.number] = (VaultCondition.RPC_DOWN, words)
            return
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
        self.submit_ns = self._clock.now_ns() - intent.at_ns
