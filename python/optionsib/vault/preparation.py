"""What is signed for an intent: its instructions, and for a close the attestation before it."""

from __future__ import annotations

from collections.abc import Sequence

from solders.instruction import Instruction
from solders.pubkey import Pubkey
from solders.signature import Signature

from optionsib.common.errors import SettlementError
from optionsib.common.events import VaultIntent
from optionsib.common.ports import Clock
from optionsib.common.types import SECOND_NS
from optionsib.vault.attestor import AttestationRequest, AttestorPort, ExecutionUse, close_message
from optionsib.vault.client import SolanaVault
from optionsib.vault.program_client import TradeAccount, ed25519_instruction
from optionsib.vault.readings import Prepared, VaultReading
from optionsib.vault.rpc import RpcUnavailableError
from optionsib.vault.signers import Signer

_CLOSE_VALID_SECONDS = 600


class TradeGoneError(SettlementError):
    """The trade is not on the chain any more: somebody has returned what it held."""


class Preparation:
    """Makes transactions of one vault; nothing is sent here.

    Parameters
    ----------
    vault
        Simulates and signs.
    place
        Cluster, program and vault (base58), as attested.
    engine, settlement
        Who signs; without ``settlement`` profits are owed.
    clock
        How long an attestation is valid.
    """

    def __init__(
        self,
        vault: SolanaVault,
        *,
        place: tuple[str, str, str],
        engine: Signer,
        settlement: Signer | None,
        clock: Clock,
    ) -> None:
        self._vault, self._place = vault, place
        self._engine, self._settlement = engine, settlement
        self._clock = clock

    async def prepare(
        self, intent: VaultIntent, reading: VaultReading | None, attestor: AttestorPort
    ) -> Prepared:
        """Return an intent's transaction, simulated and signed.

        Raises
        ------
        AttestationPendingError, AttestationRefusedError, AttestorDownError
            If nobody attests the result of a close.
        TradeGoneError
            If the trade has ended on the chain.
        SettlementError
            If node, program or a signer refuse.
        """
        program, trader, engine = self._vault.program, self._vault.trader, self._engine.public_key
        signers: list[Signer] = [self._engine]
        listed: Sequence[Instruction]
        if intent.kind == "heartbeat":
            listed = [program.heartbeat(trader, engine)]
        elif intent.kind == "open":
            vault = reading.vault if reading else None
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
                raise TradeGoneError(f"trade {intent.trade} has ended on the chain")
            if intent.kind == "reduce":
                listed = [program.reduce(trader, found, intent.amount)]
            elif intent.kind == "extend":
                listed = [program.extend(trader, found, min(intent.expiry, found.latest_expiry))]
            else:
                if self._settlement is not None:
                    signers.append(self._settlement)
                listed = await self._close(intent, found, attestor)
        return await self._vault.prepare(listed, signers=signers, tag=intent.number)

    async def _close(
        self, intent: VaultIntent, found: TradeAccount, attestor: AttestorPort
    ) -> list[Instruction]:
        """Have the result attested; return the attestation and the close."""
        cluster, program, vault = self._place
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
        answer = await attestor.attest(request)
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
