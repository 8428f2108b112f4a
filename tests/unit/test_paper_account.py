"""Fees, booking, margin of the paper account."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.contracts import ContractDirectory
from optionsib.brokers.paper.margin import Margin
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.common.config import FeeRow, FeesConfig
from optionsib.common.fees import FeeTable, share_out
from optionsib.common.ports import TapeQuote, TapeStep
from optionsib.common.types import MONEY_SCALE, SECOND_NS, Contract

OPEN_NS = 1_402_061_400 * SECOND_NS  # 2014-06-06 09:30 New York


class OneExpiry:
    """Calls at 60, 70 and a put at 60; a future and a currency pair."""

    name, simulated, sha256 = "test", True, ""
    session_open_ns, session_close_ns = OPEN_NS, OPEN_NS + 23_400 * SECOND_NS
    underlying = Contract(1, "TWX", "STK")
    contracts = (
        *(
            Contract(con_id, "TWX", "OPT", multiplier=100, right=right, strike=strike * 10_000)  # type: ignore[arg-type]
            for con_id, strike, right in ((11, 60, "C"), (12, 60, "P"), (13, 70, "C"))
        ),
        Contract(21, "ES", "FUT", multiplier=50),
        Contract(22, "EUR", "CASH"),
    )

    def steps(self) -> Iterator[TapeStep]:
        return iter(())


def account(cash: int = 0) -> tuple[Account, QuoteBoard]:
    directory = ContractDirectory(OneExpiry())
    board = QuoteBoard(frozenset(directory.by_id))
    return Account("DU1", cash, directory, board), board


def row(name: str, each: str, minimum: str, day: str) -> FeeRow:
    return FeeRow(
        name=name,
        per_contract=Decimal(each),
        minimum_per_order=Decimal(minimum),
        valid_from=dt.date.fromisoformat(day),
        source="test",
        verified=False,
    )


def test_fee_rows_add_up_and_the_latest_of_a_name_applies() -> None:
    fees = FeesConfig(
        rows=(
            row("commission", "0.65", "1.00", "2014-01-01"),
            row("commission", "0.70", "1.00", "2010-01-01"),
            row("commission", "9", "9", "2014-06-07"),
            row("regulatory", "0.02045", "0", "2012-01-01"),
        )
    )
    table = FeeTable(fees, dt.date(2014, 6, 6))
    assert table.total(0) == 0
    assert table.total(1) == 1_000_000 + 20_450
    assert table.total(4) == 2_600_000 + 81_800
    assert FeeTable(fees, dt.date(2014, 6, 7)).total(1) == 9_020_450
    assert FeeTable(fees, dt.date(2009, 1, 1)).total(5) == 0


def test_share_out_is_exact_and_gives_the_remainder_to_the_first() -> None:
    assert share_out(1_000_000, [1, 1, 1]) == [333_334, 333_333, 333_333]
    assert share_out(1, [5, 5]) == [1, 0]
    assert share_out(0, [1, 2]) == [0, 0]


def test_booking_opens_adds_closes_and_turns_around() -> None:
    book, _ = account(1_000 * MONEY_SCALE)
    assert book.book(11, +1, 2, 10_000, 1_300_000) is None
    assert book.book(11, +1, 1, 13_000, 0) is None
    assert book.quantity(11) == 3
    assert book.book(11, -1, 1, 12_000, 650_000) == (120 - 110) * MONEY_SCALE - 650_000
    assert book.book(11, -1, 5, 10_000, 0) == -20 * MONEY_SCALE  # two closed, three sold short
    assert book.quantity(11) == -3
    assert book.book(11, +1, 3, 9_000, 0) == 30 * MONEY_SCALE
    assert book.quantity(11) == 0
    cash = 1_000 - 200 - 130 + 120 + 500 - 270
    assert book.cash == cash * MONEY_SCALE - 1_950_000
    assert book.cash - 1_000 * MONEY_SCALE == book.realized_total() - 1_300_000  # opening commission


def test_a_future_moves_cash_when_it_is_closed() -> None:
    book, board = account(100_000 * MONEY_SCALE)
    board.apply(TapeStep(OPEN_NS, (TapeQuote(21, 65_100_000, 1, 65_100_000, 1),)))
    fee = 850_000
    assert book.book(21, +1, 2, 65_000_000, 2 * fee) is None
    assert (book.cash, book.open_futures_profit()) == (100_000 * MONEY_SCALE - 2 * fee, 1_000 * MONEY_SCALE)
    assert book.market_value(21) == 2 * 50 * 6_510 * MONEY_SCALE
    assert book.total_cash() == book.net_liquidation() == book.equity_with_loan() == book.cash + 1_000_000_000
    # One closed at 6520, then turned around: 3 sold short at 6490.
    assert book.book(21, -1, 1, 65_200_000, fee) == 1_000 * MONEY_SCALE - fee
    assert book.book(21, -1, 4, 64_900_000, 4 * fee) == -500 * MONEY_SCALE - 4 * fee
    assert book.cash == 100_500 * MONEY_SCALE - 7 * fee
    assert book.open_futures_profit() == 3 * 50 * (6_490 - 6_510) * MONEY_SCALE
    # A correction is as if it had been so from the start, and flat everything is in cash.
    book.rebook(0, price=64_000_000)
    assert book.book(21, +1, 3, 65_100_000, 0) == -3_000 * MONEY_SCALE
    assert book.open_futures_profit() == 0
    gained = 50 * (-2 * 6_400 + 6_520 + 4 * 6_490 - 3 * 6_510)
    assert book.cash == (100_000 + gained) * MONEY_SCALE - 7 * fee


def test_a_currency_pair_moves_two_balances() -> None:
    book, board = account(100_000 * MONEY_SCALE)
    board.apply(TapeStep(OPEN_NS, (TapeQuote(22, 11_300, 1, 11_300, 1),)))
    book.book(22, -1, 20_000, 11_200, 2 * MONEY_SCALE)
    assert book.currencies() == [("EUR", -20_000 * MONEY_SCALE, 22)]
    assert book.cash == (100_000 + 22_400 - 2) * MONEY_SCALE
    assert book.net_liquidation() == book.total_cash() == (100_000 - 2 - 200) * MONEY_SCALE
    assert book.unrealized(22) == -200 * MONEY_SCALE
    assert book.book(22, +1, 20_000, 11_100, 2 * MONEY_SCALE) == 198 * MONEY_SCALE
    assert book.cash == book.net_liquidation() == (100_000 + 200 - 4) * MONEY_SCALE


def test_margin_of_positions_and_changes() -> None:
    book, board = account()
    board.apply(TapeStep(OPEN_NS, (TapeQuote(1, 650_000, 1, 650_000, 1),)))
    assert book.margin() == Margin(0, 0)
    assert book.margin([(11, 1), (13, -1)]) == Margin(0, 0)
    assert book.margin([(11, -2), (13, 2)]).initial == 2 * 1_000 * MONEY_SCALE
    book.book(1, +1, 100, 650_000, 0)
    assert book.margin() == Margin(3_250 * MONEY_SCALE, 1_625 * MONEY_SCALE)
    assert book.margin([(13, -1)]) == book.margin()  # covered
    assert book.equity_with_loan() == 0


def test_rebooking_is_as_if_it_had_been_so_from_the_start() -> None:
    wrong, _ = account(1_000 * MONEY_SCALE)
    right, _ = account(1_000 * MONEY_SCALE)
    fills = [
        (11, 1, 2, 10_000, 650_000),
        (11, -1, 1, 12_000, 650_000),
        (13, 1, 1, 5_000, 0),
        (11, -1, 3, 9_000, 0),
    ]
    for number, (con_id, side, quantity, price, fee) in enumerate(fills):
        wrong.book(con_id, side, quantity, price, fee)
        assert wrong.last_booking == number
        right.book(con_id, side, 5 if number == 0 else quantity, 11_000 if number == 0 else price, 7)
    realized = wrong.rebook(0, quantity=5, price=11_000)
    assert realized is None
    for number in range(4):
        realized = wrong.rebook(number, fee=7)
    assert realized == 3 * (90 - 110) * MONEY_SCALE - 7
    assert (wrong.cash, wrong.commissions, wrong.positions()) == (
        right.cash,
        right.commissions,
        right.positions(),
    )


def test_marks_and_profit() -> None:
    book, board = account()
    book.book(11, +1, 2, 10_000, 0)
    assert book.market_value(11) == 200 * MONEY_SCALE  # at cost while there is no quote
    board.apply(TapeStep(OPEN_NS, (TapeQuote(11, 11_000, 1, 11_100, 1),)))
    assert book.market_value(11) == 221 * MONEY_SCALE
    assert book.unrealized(11) == book.daily_profit() == 21 * MONEY_SCALE
    board.apply(TapeStep(OPEN_NS, (TapeQuote(11, None, 0, 12_000, 1),)))
    assert book.market_value(11) == 240 * MONEY_SCALE
