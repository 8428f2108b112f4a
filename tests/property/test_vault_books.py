"""The books: all accounts add up to 0, a reference counts once, and a refused entry changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionsib.common.errors import SettlementError
from optionsib.common.events import LedgerEntry, Posting
from optionsib.vault.books import ACCOUNTS, Books, transfer

MOVES = st.tuples(
    st.sampled_from(ACCOUNTS), st.sampled_from(ACCOUNTS), st.integers(0, 10**12), st.integers(0, 30)
)


def entry(reference: object, postings: tuple[Posting, ...]) -> LedgerEntry:
    return LedgerEntry(at_ns=1, reference=str(reference), memo="test", postings=postings)


@given(st.lists(MOVES, max_size=60))
def test_any_entries_leave_books_that_add_up(moves: list[tuple[str, str, int, int]]) -> None:
    books = Books()
    for source, target, amount, reference in moves:
        before = dict(books.balances)
        known = str(reference) in books
        try:
            booked = books.post(entry(reference, transfer(source, target, amount)))
        except SettlementError:
            assert not known
            assert books.balances == before
            continue
        assert booked is not known
        expected = dict(before)
        if booked:
            expected[source] -= amount
            expected[target] += amount
        assert books.balances == expected
        assert sum(books.balances.values()) == 0
        assert min(books.balances[name] for name in ("reserved", "escrow", "receivable")) >= 0


@pytest.mark.parametrize(
    ("postings", "words"),
    [
        ((Posting("free", 1),), "add up"),
        ((Posting("free", 1), Posting("elsewhere", -1)), "no account 'elsewhere'"),
        (transfer("escrow", "free", 1), "leaves -1 in escrow"),
    ],
)
def test_what_cannot_be_is_refused(postings: tuple[Posting, ...], words: str) -> None:
    books = Books()
    with pytest.raises(SettlementError, match=words):
        books.post(entry(1, postings))
    assert set(books.balances.values()) == {0}
