"""One trader's vault on a chain, through an RPC node: read, prepare, send, follow.

A transaction goes out in steps, so that its caller can make each one durable: ``prepare`` (simulated, then
signed; nothing has left), ``submit``, and ``status`` until it is confirmed or failed, or ``is_expired`` says
that it can never land. Sending the same bytes twice is harmless; other bytes for the same purpose may go
out only once the first ones have expired.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence

from solana.rpc.async_api import AsyncClient
from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from optionsib.common.errors import SettlementError
from optionsib.common.ports import Clock
from optionsib.vault.fees import MAXIMUM_UNITS, FeePolicy, budget, priority_price, unit_limit
from optionsib.vault.program_client import error_of
from optionsib.vault.reader import VaultReader
from optionsib.vault.readings import (
    BlockhashShape,
    ChainFacts,
    Commitment,
    HistoryEntry,
    LatestBlockhashShape,
    Prepared,
    SignatureStatus,
    SimulationShape,
    StatusesShape,
    StatusShape,
    TokenReading,
    VaultReading,
    refuse_late,
)
from optionsib.vault.rpc import (
    RpcUnavailableError,
    TransactionRefusedError,
    call,
    decoding,
    error_name,
    transaction_error,
)
from optionsib.vault.signers import Signer, SignerError

__all__ = [
    "ChainFacts", "Commitment", "HistoryEntry", "Instructions", "Prepared", "SignatureStatus", "SolanaVault",
    "TokenReading", "TransactionExpiredError", "VaultReading",
]  # fmt: skip

Instructions = Sequence[Instruction]
MAXIMUM_WIRE_BYTES = 1_232
_MAXIMUM_STATUSES = 256
_POLL_SECONDS = 0.5
_RESEND_SECONDS = 2.0
_UNITS_UNSIMULATED = 200_000
_PRICE_SECONDS = 5.0


class TransactionExpiredError(SettlementError):
    """A transaction was not taken into a block in time and can never be; nothing moved."""


class SolanaVault(VaultReader):
    """A trader's vault.

    Parameters
    ----------
    rpc
        Connection to a node (``rpc.connect``); for the chain in this process ``EmbeddedChain.rpc``.
    program, mint, trader
        Address of the program, the token, and whose vault it is.
    clock
        Stamps readings; its ``monotonic`` serves timeouts.
    commitment
        What counts as settled, and the state that is read.
    fees
        Priority fee and compute units.
    confirmed_at
        Tells when a signature was confirmed, ns, where somebody knows.
    """

    def __init__(
        self,
        rpc: AsyncClient,
        *,
        program: Pubkey,
        mint: Pubkey,
        trader: Pubkey,
        clock: Clock,
        commitment: Commitment = "confirmed",
        fees: FeePolicy | None = None,
        confirmed_at: Callable[[str], int | None] | None = None,
    ) -> None:
        super().__init__(rpc, program=program, mint=mint, trader=trader, clock=clock, commitment=commitment)
        self._fees = fees or FeePolicy()
        self._confirmed_at = confirmed_at
        self._prepared = 0
        self._price = (0, float("-inf"))  # micro-lamports a unit, and when that was asked

    async def prepare(
        self,
        instructions: Instructions,
        *,
        signers: Sequence[Signer],
        simulate: bool = True,
        tag: int | None = None,
    ) -> Prepared:
        """Simulate and sign; the first signer pays. Compute budget instructions are put at the end.

        Parameters
        ----------
        instructions
            What shall happen, all or nothing.
        signers
            Whoever must sign, in any order after the payer.
        simulate
            False spares a call to the node, and asks for the default compute units.
        tag
            Two transactions of equal content in one block are one to the chain. Different tags (of the last
            4,096) keep them apart; None counts by itself, within this process.

        Raises
        ------
        ProgramError
            If the program would refuse.
        TransactionRefusedError
            If the chain would, for another reason (``low_sol`` tells about SOL).
        SignerError
            If a signer is missing or fails.
        RpcUnavailableError, RpcRefusedError
            If the node does not answer or serve. In all cases nothing has left.
        """
        payer = signers[0].public_key
        self._prepared += 1
        price = await self._unit_price(instructions)
        if simulate:
            used, blockhash, last_valid = await self._simulate(instructions, payer)
            limit = unit_limit(used, self._fees, self._prepared if tag is None else tag)
        else:
            blockhash, last_valid = await self._blockhash()
            limit = unit_limit(_UNITS_UNSIMULATED, self._fees, self._prepared if tag is None else tag)
        message = Message.new_with_blockhash([*instructions, *budget(limit, price)], payer, blockhash)
        transaction = VersionedTransaction.populate(message, await _signatures(message, signers))
        wire = bytes(transaction)
        if len(wire) > MAXIMUM_WIRE_BYTES:
            raise SettlementError(
                f"the transaction has {len(wire)} bytes, at most {MAXIMUM_WIRE_BYTES} fit; nothing was sent"
            )
        return Prepared(
            wire=wire,
            signature=str(transaction.signatures[0]),
            blockhash=str(blockhash),
            last_valid_block_height=last_valid,
            compute_units=limit,
            priority_fee=-(-price * limit // 1_000_000),
        )

    async def submit(self, transaction: Prepared | bytes) -> str:
        """Send signed bytes, without another simulation; returns the signature. Safe to repeat.

        Raises
        ------
        RpcUnavailableError
            If nobody answers: it may have been sent or not.
        RpcRefusedError
            If the node refuses it; it was not sent.
        """
        wire = transaction.wire if isinstance(transaction, Prepared) else transaction
        options = {"encoding": "base64", "skipPreflight": True, "preflightCommitment": self.commitment}
        return await call(self._rpc, str, "sendTransaction", base64.b64encode(wire).decode(), options)

    async def status(self, signatures: Sequence[str]) -> list[SignatureStatus | None]:
        """Return how far each transaction has come; None where not even the chain's history has it."""
        found: list[SignatureStatus | None] = []
        for at in range(0, len(signatures), _MAXIMUM_STATUSES):
            part = list(signatures[at : at + _MAXIMUM_STATUSES])
            method, options = "getSignatureStatuses", {"searchTransactionHistory": True}
            answer = await call(self._rpc, StatusesShape, method, part, options)
            if len(answer.value) != len(part):
                raise RpcUnavailableError(
                    f"{method} answers with {len(answer.value)} of {len(part)} statuses"
                )
            if None in answer.value:
                refuse_late(answer.context.slot, self._slot)  # what it does not know, it may not know yet
            found += [self._status(*pair) for pair in zip(part, answer.value, strict=True)]
        return found

    async def is_expired(self, last_valid_block_height: int) -> bool:
        """Tell whether a transaction with this last height can no longer land.

        Ask for this first and for ``status`` after it: a signature that is unknown then has never landed. A
        node that has not come as far by then is no witness: ``status`` and readings refuse it.
        """
        tip = await self.tip()
        if tip.blockHeight <= last_valid_block_height:
            return False
        self._slot = max(self._slot, tip.absoluteSlot)
        return True

    async def run(
        self, instructions: Instructions, *, signers: Sequence[Signer], timeout: float = 90.0
    ) -> tuple[str, SignatureStatus]:
        """Prepare, submit and wait until settled, sending the same bytes again meanwhile.

        Returns
        -------
        (str, SignatureStatus)
            Signature and status of a transaction that succeeded.

        Raises
        ------
        ProgramError, TransactionRefusedError
            If it was refused; one that failed on the chain has paid its fee, and moved nothing.
        TransactionExpiredError
            If it never landed and never will.
        RpcUnavailableError
            If its fate is not known after ``timeout`` seconds; the message names the signature.
        """
        prepared = await self.prepare(instructions, signers=signers)
        return prepared.signature, await self.follow(prepared, timeout=timeout)

    async def follow(self, prepared: Prepared, *, timeout: float = 90.0) -> SignatureStatus:
        """Submit a prepared transaction and wait; raises as ``run``."""
        start, sent, trouble = self._clock.monotonic(), float("-inf"), ""
        while (now := self._clock.monotonic()) < start + timeout:
            try:
                if now >= sent + _RESEND_SECONDS:
                    sent = now
                    await self.submit(prepared)
                expired = await self.is_expired(prepared.last_valid_block_height)
                (status,) = await self.status([prepared.signature])
            except RpcUnavailableError as error:
                trouble = f" ({error})"
                await asyncio.sleep(_POLL_SECONDS)
                continue
            if status is not None and status.reached(self.commitment):
                if status.error:
                    raise error_of(status.error_code) or TransactionRefusedError(status.error)
                return status
            if status is None and expired:
                raise TransactionExpiredError(
                    f"transaction {prepared.signature} was not taken into a block up to height "
                    f"{prepared.last_valid_block_height}; nothing moved"
                )
            await asyncio.sleep(_POLL_SECONDS)
        raise RpcUnavailableError(
            f"the fate of transaction {prepared.signature} is not known after {timeout:g} s{trouble}: it may "
            f"land up to block height {prepared.last_valid_block_height}"
        )

    async def _unit_price(self, instructions: Instructions) -> int:
        price, asked = self._price
        now = self._clock.monotonic()
        if now >= asked + _PRICE_SECONDS:
            written = {meta.pubkey for each in instructions for meta in each.accounts if meta.is_writable}
            price = await priority_price(self._rpc, self._fees, sorted(written, key=bytes))
            self._price = (price, now)
        return price

    async def _simulate(self, instructions: Instructions, payer: Pubkey) -> tuple[int, Hash, int]:
        """Execute without effect; returns compute units, a blockhash and its last valid height."""
        message = Message([*instructions, *budget(MAXIMUM_UNITS, 0)], payer)
        unsigned = [Signature.default()] * message.header.num_required_signatures
        wire = bytes(VersionedTransaction.populate(message, unsigned))
        options = {"encoding": "base64", "commitment": self.commitment, "replaceRecentBlockhash": True}
        method = "simulateTransaction"
        answer = await call(self._rpc, SimulationShape, method, base64.b64encode(wire).decode(), options)
        value = answer.value
        if value.err is not None:
            raise transaction_error(value.err, tuple(value.logs or ()))
        if value.replacementBlockhash is None:  # nodes before 1.18
            return value.unitsConsumed, *(await self._blockhash())
        return value.unitsConsumed, *_decoded(value.replacementBlockhash, method)

    async def _blockhash(self) -> tuple[Hash, int]:
        method = "getLatestBlockhash"
        answer = await call(self._rpc, LatestBlockhashShape, method, {"commitment": self.commitment})
        return _decoded(answer.value, method)

    def _status(self, signature: str, shown: StatusShape | None) -> SignatureStatus | None:
        if shown is None:
            return None
        error = shown.err
        name, code = error_name(error) if error is not None else ("", 0)
        return SignatureStatus(
            slot=shown.slot,
            commitment=shown.confirmationStatus or "finalized",
            error=name,
            error_code=code,
            confirmed_ns=None if self._confirmed_at is None else self._confirmed_at(signature),
        )


def _decoded(shown: BlockhashShape, method: str) -> tuple[Hash, int]:
    with decoding(method):
        return Hash.from_string(shown.blockhash), shown.lastValidBlockHeight


async def _signatures(message: Message, signers: Sequence[Signer]) -> list[Signature]:
    by_key = {signer.public_key: signer for signer in signers}
    body = bytes(message)
    found = []
    for key in message.account_keys[: message.header.num_required_signatures]:
        signer = by_key.get(key)
        if signer is None:
            raise SignerError(f"{key} must sign and has no signer here; nothing was sent")
        signature = await signer.sign(body)
        if not signature.verify(key, body):
            raise SignerError(f"the signer of {key} answered with a signature that is none; nothing was sent")
        found.append(signature)
    return found
