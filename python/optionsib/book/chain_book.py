"""``ChainBook``: the books of all contracts of a chain in one order pool."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _core
from optionsib.book.order_book import STATUS_DTYPE
from optionsib.book.reads import BookReads
from optionsib.book.types import TOP_DTYPE, BatchCounts, check_output, checked_records


class ContractBook(BookReads, _core.ContractBook):
    """One book of a ``ChainBook``, for reading; it follows the chain and keeps it alive."""


class ChainBook(_core.ChainBook):
    """Thousands of books, one a contract row; a record goes to the book of its ``contract``.

    Parameters
    ----------
    contracts
        Number of books; an empty one takes a few hundred bytes.
    expected_orders
        Live orders of all books together, to take their memory at once.
    shared_ids
        True: an order id means one order of the whole chain (as on NASDAQ). False:
        every contract has its own ids.
    shared_sequence
        True: the messages of the whole chain are numbered together. False: contract by contract.

    Notes
    -----
    ``apply(contract, action, order_id, side=0, price=0, quantity=0, new_order_id=0, owner=0, sequence=0)`` is
    the single message, native, with positional ints; statuses, numbering and memory as in ``OrderBook``.
    ``len(chain)`` is the number of contracts, ``order_count`` the number of orders of all.

    Examples
    --------
    >>> from optionsib.book import BID, Action, ChainBook
    >>> chain = ChainBook(3)
    >>> chain.apply(2, Action.ADD, 17, BID, -5, 10)
    <BookStatus.OK: 0>
    >>> chain.book(2).best_bid
    Level(price=-5, quantity=10, order_count=1)
    """

    def book(self, contract: int) -> ContractBook:
        """Return the book of one contract, for reading.

        Raises
        ------
        IndexError
            If there is no such contract.
        """
        return ContractBook(self, contract)

    def tops(self, out: NDArray[np.void] | None = None) -> NDArray[np.void]:
        """Return the top of every book (``TOP_DTYPE``, one row a contract), in ``out`` where it is given.

        Raises
        ------
        ValueError
            If ``out`` has another shape or dtype or cannot be written.
        """
        if out is None:
            out = np.empty(len(self), dtype=TOP_DTYPE)
        check_output("out", out, TOP_DTYPE, len(self))
        self._tops(out)
        return out

    def apply_batch(
        self,
        records: NDArray[np.void],
        *,
        status: NDArray[np.int8] | None = None,
        top: NDArray[np.void] | None = None,
    ) -> BatchCounts:
        """Apply messages in order, each to the book of its ``contract``.

        Parameters and errors as in ``OrderBook.apply_batch``; ``top`` gets the top of the message's book. A
        record with an unknown contract is refused with ``BAD_CONTRACT``.
        """
        check_output("status", status, STATUS_DTYPE, len(records))
        check_output("top", top, TOP_DTYPE, len(records))
        return BatchCounts(*self._apply_batch(checked_records(records), status, top))
