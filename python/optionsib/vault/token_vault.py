"""The settlement ledger: SPL token transfers, journaled before they are sent.

In this demo 1 USD = 1 USDT. The tokens are simulated, the chain runs in this process.

1. A movement is signed, tried without effect, handed to the journal, sent, and then all balances are
   compared. What fails before the journal leaves no trace; what fails after it stops the ledger.
2. A transaction that was journaled but never sent is sent by the replay: exactly once.
3. After an interrupted movement the ledger takes no other until it has been rebuilt by a replay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from optionsib.common.errors import SettlementError
from optionsib.common.events import VaultState, VaultTransaction
from optionsib.common.types import MONEY_SCALE
from optionsib.vault.chain import MAXIMUM_SUPPLY, TokenChain
from optionsib.vault.keys import DemoKeys
from optionsib.vault.subledger import SubLedger, usdt

if TYPE_CHECKING:
    from optionsib.common.config import VaultConfig
    from optionsib.common.ports import Clock

Action = Literal["fund", "reserve", "open", "free", "close", "fee"]


class TokenVault:
    """A ``SettlementLedger`` on a Solana VM in this process. Amounts are base units (1/1000000 USDT).

    A new session calls ``fund`` once; a restart calls ``replay`` with the journaled transactions and
    then ``fund`` as well, which finishes a set-up that was interrupted and else does nothing.

    Parameters
    ----------
    seed
        Source of the demo keys (see ``vault.keys``).
    config
        Deposits, in USDT.
    clock
        Its time stamps each transaction and is the VM's clock.
    record
        Makes a signed transaction durable; called before the transaction is sent. If it raises, the
        movement is interrupted: nothing is sent.

    Raises
    ------
    ValueError
        If a deposit is negative, finer than a base unit, or both are more than a token can hold.
    MissingExtraError
        If solders or solana is not installed.
    """

    def __init__(
        self,
        seed: int,
        config: VaultConfig,
        *,
        clock: Clock,
        record: Callable[[VaultTransaction], None],
    ) -> None:
        self._deposit = _base_units("deposit", config.deposit)
        self._clearing_deposit = _base_units("clearing_deposit", config.clearing_deposit)
        if self._deposit + self._clearing_deposit > MAXIMUM_SUPPLY:
            raise ValueError(f"deposits {config.deposit} + {config.clearing_deposit} exceed a token's supply")
        self._clock = clock
        self._record = record
        self._keys = DemoKeys(seed)
        self._chain = self._new_chain()
        self._books = SubLedger()
        self._movements: list[VaultTransaction] = []
        self._interrupted = ""

    def __repr__(self) -> str:
        return f"TokenVault(mint={self._keys.public('mint')}, movements={len(self._movements)})"

    @property
    def movements(self) -> list[VaultTransaction]:
        """All executed transactions, in order."""
        return list(self._movements)

    def reserved(self, order_ref: str) -> int:
        """Return what is set aside for an order."""
        return self._books.reserves.get(order_ref, 0)

    def escrowed(self, trade_id: str) -> int:
        """Return what a trade holds in escrow."""
        return self._books.escrows.get(trade_id, 0)

    def fund(self) -> None:
        """Create mint and accounts, mint the deposits and fix the supply; nothing if that is done."""
        self._refuse_if_interrupted()
        steps = self._chain.funding_steps
        while self._chain.sent < len(steps):
            self._move(self._draft("fund", "", steps[self._chain.sent].amount))

    def reserve(self, order_ref: str, amount: int) -> str | None:
        """Raise what is set aside for an order to ``amount``; nothing moves if it is that high already.

        Returns
        -------
        str or None
            None, or why the vault refuses: the free balance is short. Then nothing moved.

        Raises
        ------
        ValueError
            If ``amount`` is negative or ``order_ref`` is empty.
        SettlementError
            If the chain refuses; nothing moved.
        """
        _require("reserve", order_ref=order_ref)
        _require_amount("reserve", order_ref, amount, minimum=0)
        self._refuse_unless_ready()
        held = self.reserved(order_ref)
        more = amount - held
        if more <= 0:
            return None
        available = self._books.balances["free"]
        if more > available:
            return (
                f"vault: order {order_ref} needs {usdt(more)} more set aside ({usdt(held)} of "
                f"{usdt(amount)} is), the free balance is {usdt(available)}"
            )
        self._move(self._draft("reserve", order_ref, more, order_ref=order_ref))
        return None

    def open(self, reference: str, order_ref: str, trade_id: str, amount: int) -> None:
        """Move ``amount`` of the order's reserve into the trade's escrow, once per ``reference``.

        Raises
        ------
        ValueError
            If ``amount`` is not positive or a name is empty.
        SettlementError
            If the reserve is short, the reference was booked with other values, or the chain refuses;
            nothing moved.
        """
        _require("open", reference=reference, order_ref=order_ref, trade_id=trade_id)
        _require_amount("open", reference, amount, minimum=1)
        self._move_once(self._draft("open", reference, amount, order_ref=order_ref, trade_id=trade_id))

    def free(self, order_ref: str) -> int:
        """Return what is left of the order's reserve to the free balance; 0 if nothing is.

        Raises
        ------
        ValueError
            If ``order_ref`` is empty.
        SettlementError
            If the chain refuses; nothing moved.
        """
        _require("free", order_ref=order_ref)
        self._refuse_unless_ready()
        left = self.reserved(order_ref)
        if left:
            self._move(self._draft("free", order_ref, left, order_ref=order_ref))
        return left

    def close(self, reference: str, trade_id: str, collateral: int, profit: int) -> None:
        """Return ``collateral`` of the trade's escrow and settle ``profit``, once per ``reference``.

        One transaction: a profit comes from the clearing account; a loss (negative ``profit``) is paid
        to it from the collateral first, and from the free balance where it exceeds the collateral.
        Nothing happens if both are 0.

        Raises
        ------
        ValueError
            If ``collateral`` is negative or a name is empty.
        SettlementError
            If the trade holds less than ``collateral``, clearing cannot pay the profit, collateral and
            free balance together cannot pay the loss, the reference was booked with other values, or
            the chain refuses; nothing moved.
        """
        _require("close", reference=reference, trade_id=trade_id)
        _require_amount("close", reference, collateral, minimum=0)
        if collateral or profit:
            self._move_once(self._draft("close", reference, collateral, trade_id=trade_id, profit=profit))

    def fee(self, reference: str, trade_id: str, amount: int) -> None:
        """Pay ``amount`` from the free balance to the fee account, once per ``reference``.

        Nothing happens if ``amount`` is 0.

        Raises
        ------
        ValueError
            If ``amount`` is negative or ``reference`` is empty.
        SettlementError
            If the free balance is short, the reference was booked with other values, or the chain
            refuses; nothing moved.
        """
        _require("fee", reference=reference)
        _require_amount("fee", reference, amount, minimum=0)
        if amount:
            self._move_once(self._draft("fee", reference, amount, trade_id=trade_id))

    def state(self, at_ns: int) -> VaultState:
        """Read all balances from the chain, stamped ``at_ns``."""
        return VaultState(at_ns=at_ns, **self._chain.balances())

    def replay(self, transactions: Sequence[VaultTransaction]) -> None:
        """Send journaled transactions, byte for byte and in order, into a fresh VM, and adopt it.

        Each one must be what this ledger would sign in its place, and the balances must agree with the
        books after each. What this ledger has already executed must be the beginning of
        ``transactions``. One that was journaled but not sent is thereby sent.

        Raises
        ------
        SettlementError
            Naming the transaction and the difference; this ledger is left as it was.
        """
        chain, books = self._new_chain(), SubLedger()
        if len(transactions) < len(self._movements):
            raise SettlementError(
                f"the journal has {len(transactions)} vault transactions, this ledger has executed "
                f"{len(self._movements)}: nothing was replayed"
            )
        for index, journaled in enumerate(transactions):
            try:
                self._check_same(index, journaled)
                _check_rebuilt(chain, books, journaled)
                _execute(chain, books, journaled)
            except (SettlementError, ValueError) as error:
                raise SettlementError(f"replay of vault transaction {index}: {error}") from error
            if index + 1 == len(self._movements):
                self._compare_with(chain, books)
        self._chain, self._books = chain, books
        self._movements = list(transactions)
        self._interrupted = ""

    def _check_same(self, index: int, journaled: VaultTransaction) -> None:
        if index < len(self._movements) and journaled != self._movements[index]:
            raise SettlementError(
                f"this ledger executed {self._movements[index].signature}, the journal has "
                f"{journaled.signature}"
            )

    def _compare_with(self, chain: TokenChain, books: SubLedger) -> None:
        if self._interrupted:
            return  # these books may be half a step behind; the replayed ones have been compared
        self._books.compare(chain.balances())
        if books != self._books:
            raise SettlementError(f"replayed books {books} differ from {self._books}")

    def _new_chain(self) -> TokenChain:
        return TokenChain(self._keys, self._deposit, self._clearing_deposit)

    def _draft(
        self,
        action: Action,
        reference: str,
        amount: int,
        *,
        order_ref: str = "",
        trade_id: str = "",
        profit: int = 0,
    ) -> VaultTransaction:
        return VaultTransaction(
            action=action,
            reference=reference,
            amount=amount,
            signature="",
            wire="",
            at_ns=self._clock.now_ns(),
            order_ref=order_ref,
            trade_id=trade_id,
            profit=profit,
        )

    def _move_once(self, movement: VaultTransaction) -> None:
        self._refuse_unless_ready()
        if not self._books.is_booked(movement):
            self._move(movement)

    def _move(self, movement: VaultTransaction) -> None:
        self._books.check(movement)
        signed = self._chain.sign(movement)
        self._chain.preflight(signed)
        # From here on the journal may name this transaction: whatever stops us, only a replay goes on.
        self._interrupted = f"{signed.action} of {signed.reference!r}"
        self._record(signed)
        _execute(self._chain, self._books, signed)
        self._movements.append(signed)
        self._interrupted = ""

    def _refuse_unless_ready(self) -> None:
        self._refuse_if_interrupted()
        if self._chain.sent < len(self._chain.funding_steps):
            raise SettlementError("the vault is not funded: call fund() first; nothing moved")

    def _refuse_if_interrupted(self) -> None:
        if self._interrupted:
            raise SettlementError(
                f"{self._interrupted} was interrupted between journal and chain: replay the journal first; "
                "nothing moved"
            )


def _check_rebuilt(chain: TokenChain, books: SubLedger, journaled: VaultTransaction) -> None:
    """Refuse a transaction that the same seed, deposits and history would not have signed."""
    if (journaled.action == "fund") != (chain.sent < len(chain.funding_steps)):
        raise SettlementError(f"{journaled.action} stands where the set-up and the movements do not meet")
    books.check(journaled)
    expected = chain.sign(journaled)
    if (expected.wire, expected.signature) != (journaled.wire, journaled.signature):
        raise SettlementError(
            f"{journaled.action} of {journaled.reference!r} is signed as {journaled.signature}, this seed, "
            f"these deposits and this history sign it as {expected.signature}"
        )


def _execute(chain: TokenChain, books: SubLedger, signed: VaultTransaction) -> None:
    """Send, book, and hold the books against the chain."""
    step = chain.funding_steps[chain.sent] if signed.action == "fund" else None
    chain.send(signed)
    if step is not None and step.create is not None:
        books.fund(step.create, step.amount)
    books.apply(signed)
    books.compare(chain.balances())


def _base_units(name: str, value: Decimal) -> int:
    scaled = value * MONEY_SCALE
    if not scaled.is_finite() or scaled < 0 or scaled != scaled.to_integral_value():
        raise ValueError(f"{name} {value} is not a non-negative multiple of 1/{MONEY_SCALE} USDT")
    return int(scaled)


def _require(action: str, **names: str) -> None:
    for name, value in names.items():
        if not value:
            raise ValueError(f"{action}: {name} is empty")


def _require_amount(action: str, reference: str, amount: int, *, minimum: int) -> None:
    if amount < minimum:
        raise ValueError(
            f"{action} of {reference!r}: amount {amount} base units, expected at least {minimum}"
        )
