"""The books behind the pooled token accounts: which order and which trade the money belongs to.

1. The reserves of all orders add up to the ``reserved`` account, the trades' escrows to ``escrow``.
2. No balance is ever negative, and what a movement takes from one account arrives in another.
3. An execution id moves money once for each action.
4. Everything here is a function of the journaled transactions, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from optionsib.common.errors import SettlementError
from optionsib.common.events import VaultTransaction
from optionsib.common.types import MONEY_SCALE
from optionsib.vault.keys import ACCOUNTS, Account


class FundingStep(msgspec.Struct, frozen=True):
    """One transaction of the set-up: the mint, one account with its deposit, or the last one."""

    create: Account | None = None
    amount: int = 0


class Transfer(msgspec.Struct, frozen=True):
    """``amount`` base units from one account to another."""

    source: Account
    target: Account
    amount: int


def usdt(amount: int) -> str:
    """Return ``amount`` base units as text for people, exact to the unit."""
    return f"{amount // MONEY_SCALE:,}.{amount % MONEY_SCALE:06d} USDT"


def funding_steps(deposit: int, clearing_deposit: int) -> tuple[FundingStep, ...]:
    """Return the set-up: the mint, the five accounts in order, and the end of the mint authority."""
    deposits: dict[Account, int] = {"free": deposit, "clearing": clearing_deposit}
    accounts = (FundingStep(create=account, amount=deposits.get(account, 0)) for account in ACCOUNTS)
    return (FundingStep(), *accounts, FundingStep())


def transfers(movement: VaultTransaction) -> tuple[Transfer, ...]:
    """Return the token transfers that make up one movement; they succeed or fail together.

    A loss at close is paid from the returned collateral first, and what it exceeds the collateral by
    from the free balance (a spread can be bought back above its width, fees of the way out aside).
    """
    match movement.action:
        case "reserve":
            parts = [Transfer("free", "reserved", movement.amount)]
        case "open":
            parts = [Transfer("reserved", "escrow", movement.amount)]
        case "free":
            parts = [Transfer("reserved", "free", movement.amount)]
        case "fee":
            parts = [Transfer("free", "fees", movement.amount)]
        case "close":
            loss = max(-movement.profit, 0)
            from_collateral = min(loss, movement.amount)
            parts = [
                Transfer("escrow", "free", movement.amount - from_collateral),
                Transfer("clearing", "free", max(movement.profit, 0)),
                Transfer("escrow", "clearing", from_collateral),
                Transfer("free", "clearing", loss - from_collateral),
            ]
        case "fund":
            parts = []
    return tuple(part for part in parts if part.amount > 0)


class SubLedger(msgspec.Struct):
    """Balances of the pooled accounts and of the orders and trades within them, base units."""

    balances: dict[Account, int] = msgspec.field(default_factory=lambda: dict.fromkeys(ACCOUNTS, 0))
    reserves: dict[str, int] = {}
    escrows: dict[str, int] = {}
    booked: dict[tuple[str, str], tuple[int, int, str, str]] = {}

    def is_booked(self, movement: VaultTransaction) -> bool:
        """Tell whether this execution has already made this movement.

        Raises
        ------
        SettlementError
            If it has, but with another amount, profit, order or trade: nothing moves.
        """
        done = self.booked.get((movement.action, movement.reference))
        asked = (movement.amount, movement.profit, movement.order_ref, movement.trade_id)
        if done is not None and done != asked:
            raise SettlementError(
                f"{movement.action} of {movement.reference!r} is already booked as (amount, profit, order, "
                f"trade) {done}, asked again as {asked}: nothing moved"
            )
        return done is not None

    def check(self, movement: VaultTransaction) -> None:
        """Refuse a movement that its order, its trade or an account cannot pay.

        Raises
        ------
        SettlementError
            Naming what is held and what was asked for; nothing is changed.
        """
        match movement.action:
            case "open" | "free":
                held, holder = self.reserves.get(movement.order_ref, 0), f"order {movement.order_ref!r}"
            case "close":
                held, holder = self.escrows.get(movement.trade_id, 0), f"trade {movement.trade_id!r}"
            case _:
                held, holder = movement.amount, ""
        if movement.amount > held:
            raise SettlementError(
                f"{movement.action} of {movement.reference!r} needs {usdt(movement.amount)}, but {holder} "
                f"holds {usdt(held)}: nothing moved"
            )
        self._check_accounts(movement)

    def _check_accounts(self, movement: VaultTransaction) -> None:
        after = dict(self.balances)
        for part in transfers(movement):
            after[part.source] -= part.amount
            after[part.target] += part.amount
            if after[part.source] < 0:
                raise SettlementError(
                    f"{movement.action} of {movement.reference!r} needs {usdt(part.amount)} from the "
                    f"{part.source} account, which is short by {usdt(-after[part.source])}: nothing moved"
                )

    def apply(self, movement: VaultTransaction) -> None:
        """Book a movement that ``check`` let pass."""
        for part in transfers(movement):
            self.balances[part.source] -= part.amount
            self.balances[part.target] += part.amount
        match movement.action:
            case "reserve":
                _add(self.reserves, movement.order_ref, movement.amount)
            case "open":
                _add(self.reserves, movement.order_ref, -movement.amount)
                _add(self.escrows, movement.trade_id, movement.amount)
            case "free":
                _add(self.reserves, movement.order_ref, -movement.amount)
            case "close":
                _add(self.escrows, movement.trade_id, -movement.amount)
            case _:
                pass
        if movement.action in ("open", "close", "fee"):
            self.booked[(movement.action, movement.reference)] = (
                movement.amount,
                movement.profit,
                movement.order_ref,
                movement.trade_id,
            )

    def fund(self, account: Account, amount: int) -> None:
        """Book newly minted tokens."""
        self.balances[account] += amount

    def compare(self, chain: dict[Account, int]) -> None:
        """Hold these books against the balances that the chain reports.

        Raises
        ------
        SettlementError
            Naming the first account or sum that differs.
        """
        for account in ACCOUNTS:
            if chain[account] != self.balances[account]:
                raise SettlementError(
                    f"account {account}: the chain holds {usdt(chain[account])}, "
                    f"the ledger {usdt(self.balances[account])}"
                )
        pools: tuple[tuple[Account, dict[str, int]], ...] = (
            ("reserved", self.reserves),
            ("escrow", self.escrows),
        )
        for account, parts in pools:
            if sum(parts.values()) != chain[account]:
                raise SettlementError(
                    f"account {account} holds {usdt(chain[account])}, "
                    f"but its parts add up to {usdt(sum(parts.values()))}"
                )


def balances_after(transactions: Iterable[VaultTransaction]) -> list[dict[Account, int]]:
    """Return the five balances after each of a journal's transactions, from the first one on."""
    books, funded, found = SubLedger(), 0, []
    steps = funding_steps(0, 0)
    for transaction in transactions:
        if transaction.action == "fund" and funded < len(steps):
            account = steps[funded].create
            funded += 1
            if account is not None:
                books.fund(account, transaction.amount)
        books.apply(transaction)
        found.append(dict(books.balances))
    return found


def _add(parts: dict[str, int], name: str, amount: int) -> None:
    """Change one part; a part that is used up leaves the books."""
    left = parts.get(name, 0) + amount
    if left:
        parts[name] = left
    else:
        parts.pop(name, None)
