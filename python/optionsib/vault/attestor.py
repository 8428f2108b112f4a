"""The attestor: signs the result of a close only if the executions it saw itself give that result.

1. A close is signed once: asked again with the same terms the answer is the same, with others it is refused.
2. No contract of an execution counts in two closes, nor as opening fill of two trades.
3. What opened the closed units and what closed them leave no position behind.
4. An execution of no order counts only in a close of all that is left, as the end of an option or as what
   such an option delivers (``attested_deliveries``).
5. The figure signed is the attestor's own; the one that was asked for must equal it.

All of it holds across restarts: what is used up is durable before a signature leaves. ``AttestorPort`` is
what the settlement service asks; it is played by ``Attestor`` in this process (the demo) or by the client
of a process of its own (``optionsib vault attestor``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Protocol

import msgspec
from solders.hash import Hash
from solders.pubkey import Pubkey

from optionsib.common import codec
from optionsib.common.errors import SettlementError
from optionsib.common.events import CommissionReport, Execution
from optionsib.common.ports import Clock
from optionsib.common.types import SECOND_NS, Contract, Json
from optionsib.execution.realised import Fill, Realised, net_cash, part_of_commission, realise
from optionsib.vault.attested_deliveries import UnorderedUse, delivery_objection
from optionsib.vault.attestor_store import AttestorStore, SignedClose
from optionsib.vault.program_client import CloseMessage
from optionsib.vault.signers import Signer

LONGEST_VALIDITY_SECONDS = 3_600


class ExecutionUse(msgspec.Struct, frozen=True, order=True):
    """``quantity`` contracts of one leg execution belong to a trade."""

    execution_id: str
    quantity: int


class AttestationRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A close that somebody wants signed.

    Of the ``opened`` units that the ``opening`` executions have filled so far, ``units_before`` are open
    still, and this close ends ``units`` by the ``closing`` executions. ``pnl`` is net of the commissions of
    those opening units and these closing executions, base units. ``cluster`` (the genesis hash), ``program``
    and ``vault`` are in base58, ``valid_until`` in Unix seconds.
    """

    cluster: str
    program: str
    vault: str
    trade_id: int
    close_number: int
    share: int
    pnl: int
    valid_until: int
    opened: int
    units_before: int
    units: int
    opening: tuple[ExecutionUse, ...]
    closing: tuple[ExecutionUse, ...]


class Attestation(msgspec.Struct, frozen=True, kw_only=True):
    """The attestor's word: key and signature in base58, the hash of the executions in hex."""

    public_key: str
    signature: str
    executions_hash: str


class AttestationRefusedError(SettlementError):
    """The attestor will not sign; the message says why, and names both figures where two differ."""


class AttestationPendingError(SettlementError):
    """The attestor has not seen an execution, its commission or its contract yet: ask again later."""


class AttestorDownError(SettlementError):
    """The attestor does not answer; nobody has a signature."""


class AttestorPort(Protocol):
    """Whoever signs results."""

    async def attest(self, request: AttestationRequest) -> Attestation:
        """Sign the result of a close. A request may be repeated; it gets the same answer.

        Raises
        ------
        AttestationRefusedError, AttestationPendingError, AttestorDownError
            As they say; nothing was signed.
        """
        ...


def executions_hash(opening: Iterable[ExecutionUse], closing: Iterable[ExecutionUse]) -> bytes:
    """Return the 32 bytes that stand for the executions of a close in the signed message."""
    return hashlib.sha256(codec.encode((sorted(opening), sorted(closing)))).digest()


def close_message(request: AttestationRequest) -> CloseMessage:
    """Return what is signed for a request.

    Raises
    ------
    ValueError
        If an address is none.
    """
    return CloseMessage(
        cluster=bytes(Hash.from_string(request.cluster)),
        program=Pubkey.from_string(request.program),
        vault=Pubkey.from_string(request.vault),
        trade_id=request.trade_id,
        close_number=request.close_number,
        share=request.share,
        pnl=request.pnl,
        executions_hash=executions_hash(request.opening, request.closing),
        valid_until=request.valid_until,
    )


class Attestor:
    """The attestor of one vault.

    Parameters
    ----------
    signer
        Its key.
    store
        What it has seen and signed.
    clock
        Bounds how long a signature may be valid.
    cluster, program, vault
        What it signs for, base58; everything else is refused.
    """

    def __init__(
        self, signer: Signer, store: AttestorStore, clock: Clock, *, cluster: str, program: str, vault: str
    ) -> None:
        self._signer, self._store, self._clock = signer, store, clock
        self._place = (cluster, program, vault)

    @property
    def public_key(self) -> Pubkey:
        """Whose signatures these are."""
        return self._signer.public_key

    def learn(self, contracts: Iterable[Contract]) -> None:
        """Take over what contracts stand for."""
        self._store.put_contracts(contracts)

    def observe(self, event: object) -> None:
        """Take over an execution or a commission as the broker told it; other events are no concern.

        A corrected execution (the same id with another number after its last dot) replaces what it corrects.
        """
        if isinstance(event, Execution):
            self._store.put_order(event)
            if not event.is_combo:
                self._store.put_execution(event)
        elif isinstance(event, CommissionReport):
            self._store.put_commission(event)

    def status(self) -> dict[str, Json]:
        """Return what it signs for, how much it has seen and signed, and what was corrected after use."""
        seen, signed = self._store.counts()
        cluster, program, vault = self._place
        return {
            "public_key": str(self.public_key),
            "cluster": cluster,
            "program": program,
            "vault": vault,
            "executions": seen,
            "closes": signed,
            "corrected_after_use": list(self._store.corrected_after_use()),
        }

    async def attest(self, request: AttestationRequest) -> Attestation:
        """Check everything, note it durably, sign.

        Raises
        ------
        AttestationRefusedError, AttestationPendingError
            As they say; nothing was signed.
        """
        try:
            digest = close_message(request).digest()
        except ValueError as error:
            raise AttestationRefusedError(f"the request cannot be: {error}") from None
        self._check_place(request)
        before = self._store.closes(request.trade_id)
        signed = next((close for close in before if close.number == request.close_number), None)
        if signed is not None:
            self._check_same(request, signed)
        else:
            self._sign_first(request, before)
        return Attestation(
            public_key=str(self.public_key),
            signature=str(await self._signer.sign(digest)),
            executions_hash=executions_hash(request.opening, request.closing).hex(),
        )

    def _check_place(self, request: AttestationRequest) -> None:
        place = (request.cluster, request.program, request.vault)
        for name, asked, own in zip(("cluster", "program", "vault"), place, self._place, strict=True):
            if asked != own:
                raise AttestationRefusedError(f"{name} {asked}: this attestor signs for {own}")
        now = self._clock.now_ns() // SECOND_NS
        if not now < request.valid_until <= now + LONGEST_VALIDITY_SECONDS:
            raise AttestationRefusedError(
                f"valid until {request.valid_until}: expected within {LONGEST_VALIDITY_SECONDS} s from {now}"
            )

    @staticmethod
    def _check_same(request: AttestationRequest, signed: SignedClose) -> None:
        for name in ("share", "pnl", "opened", "units_before", "units"):
            asked, known = getattr(request, name), getattr(signed, name)
            if asked != known:
                raise AttestationRefusedError(
                    f"close {signed.number} of trade {request.trade_id} was signed with {name} {known}, "
                    f"asked for {asked}"
                )
        if executions_hash(request.opening, request.closing) != signed.executions_hash:
            raise AttestationRefusedError(
                f"close {signed.number} of trade {request.trade_id} was signed with other executions"
            )

    def _sign_first(self, request: AttestationRequest, before: list[SignedClose]) -> None:
        self._check_units(request, before)
        opening = [self._fill(use, request.trade_id, opens=True) for use in request.opening]
        closing = [self._fill(use, request.trade_id, opens=False) for use in request.closing]
        self._check_openings_kept(request)
        self._check_deliveries(request)
        _check_flat(request, opening, closing)
        charged = sum(close.entry for close in before)
        result: Realised = realise(
            net_cash(opening) - charged, closing, units=request.units, units_before=request.units_before
        )
        taken = max(result.pnl, -request.share)  # what is lost beyond the share is settled elsewhere
        if taken != request.pnl:
            raise AttestationRefusedError(
                f"close {request.close_number} of trade {request.trade_id}: its executions give "
                f"{result.pnl}, with a share of {request.share} that is {taken}, asked for {request.pnl} "
                "(base units)"
            )
        self._store.put_close(
            SignedClose(
                trade_id=request.trade_id,
                number=request.close_number,
                share=request.share,
                pnl=request.pnl,
                opened=request.opened,
                units_before=request.units_before,
                units=request.units,
                entry=result.entry,
                executions_hash=executions_hash(request.opening, request.closing),
            ),
            opening={use.execution_id: use.quantity for use in request.opening},
            closing={use.execution_id: use.quantity for use in request.closing},
        )

    @staticmethod
    def _check_units(request: AttestationRequest, before: list[SignedClose]) -> None:
        closed = sum(close.units for close in before)
        if request.close_number != len(before):
            raise AttestationRefusedError(
                f"close {request.close_number} of trade {request.trade_id}: {len(before)} were signed so far"
            )
        if not 1 <= request.units <= request.units_before or request.units_before != request.opened - closed:
            raise AttestationRefusedError(
                f"trade {request.trade_id}: {request.units} units of {request.units_before}, with "
                f"{request.opened} opened and {closed} closed"
            )
        for uses in (request.opening, request.closing):
            if len({use.execution_id for use in uses}) != len(uses) or any(use.quantity < 1 for use in uses):
                raise AttestationRefusedError("an execution stands twice, or without a quantity")

    def _fill(self, use: ExecutionUse, trade_id: int, *, opens: bool) -> Fill:
        name = use.execution_id
        seen = self._store.execution(name)
        if seen is None:
            raise AttestationPendingError(f"execution {name} was not seen")
        if seen.corrected_by:
            raise AttestationRefusedError(f"execution {name} was corrected by {seen.corrected_by}")
        if seen.commission is None:
            raise AttestationPendingError(f"the commission of execution {name} is not known")
        contract = self._store.contract(seen.con_id)
        if contract is None:
            raise AttestationPendingError(f"contract {seen.con_id} of execution {name} is not known")
        free = seen.quantity - self._store.used(name, except_opening_of=trade_id if opens else None)
        if use.quantity > free:
            raise AttestationRefusedError(
                f"execution {name}: {use.quantity} contracts asked for, {free} of {seen.quantity} are free"
            )
        return Fill(
            con_id=seen.con_id,
            side=seen.side,
            quantity=use.quantity,
            price=seen.price,
            multiplier=contract.multiplier,
            commission=part_of_commission(
                seen.commission,
                use.quantity,
                seen.quantity,
                0 if opens else self._store.closed(name, trade_id),
            ),
        )

    def _check_deliveries(self, request: AttestationRequest) -> None:
        found = [(use, self._store.execution(use.execution_id)) for use in request.closing]
        unordered = [
            UnorderedUse(use.execution_id, use.quantity, seen, contract)
            for use, seen in found
            if seen is not None and not seen.is_ordered
            if (contract := self._store.contract(seen.con_id)) is not None
        ]
        if unordered and request.units != request.units_before:
            raise AttestationRefusedError(
                f"execution {unordered[0].name} has no order: it closes all that is left or nothing, asked "
                f"for {request.units} units of {request.units_before}"
            )
        objection = delivery_objection(unordered)
        if objection:
            raise AttestationRefusedError(objection)

    def _check_openings_kept(self, request: AttestationRequest) -> None:
        asked = {use.execution_id: use.quantity for use in request.opening}
        for name, quantity in self._store.openings(request.trade_id).items():
            if asked.get(name) != quantity:
                raise AttestationRefusedError(
                    f"trade {request.trade_id} was opened with {quantity} of execution {name}, "
                    f"asked for {asked.get(name, 0)}"
                )


def _check_flat(request: AttestationRequest, opening: list[Fill], closing: list[Fill]) -> None:
    """Refuse a close that leaves a position: then its result is not known yet."""
    left: dict[int, int] = {}
    for fill in opening:
        left[fill.con_id] = left.get(fill.con_id, 0) + fill.side * fill.quantity
    for con_id, held in left.items():
        part, rest = divmod(held * request.units, request.opened)
        if rest:
            raise AttestationRefusedError(
                f"contract {con_id}: {held} in {request.opened} units do not divide into {request.units}"
            )
        left[con_id] = part
    for fill in closing:
        left[fill.con_id] = left.get(fill.con_id, 0) + fill.side * fill.quantity
    for con_id, held in left.items():
        if held:
            raise AttestationRefusedError(
                f"close {request.close_number} of trade {request.trade_id} leaves {held:+d} of contract "
                f"{con_id}"
            )
