"""The market-data-line budget: who is watched, who has to wait, and under which request id.

An account may stream a fixed number of contracts (100 by default); asking for one more is answered
by error 101. The budget is therefore spent here, in the order of the wishes, and never overdrawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class MarketDataLines:
    """Reference-counted subscriptions within a budget.

    Parameters
    ----------
    budget : int
        How many contracts may be streamed at once.
    """

    def __init__(self, budget: int) -> None:
        if budget < 1:
            raise ValueError(f"budget is {budget} market data lines, expected at least 1")
        self.budget = budget
        self._references: dict[int, int] = {}  # con_id -> wishes, in the order of the first wish
        self._request_of: dict[int, int] = {}  # con_id -> request id of this session
        self._con_id_of: dict[int, int] = {}
        self._refused: set[int] = set()

    @property
    def watched(self) -> tuple[int, ...]:
        """Contracts with a line, in the order they were wished."""
        return tuple(con_id for con_id in self._references if con_id in self._request_of)

    @property
    def unsubscribed(self) -> tuple[int, ...]:
        """Contracts that were wished and have no line, in the order they were wished."""
        return tuple(con_id for con_id in self._references if con_id not in self._request_of)

    def want(self, con_ids: Iterable[int]) -> None:
        """Add one reference to each contract."""
        for con_id in con_ids:
            self._references[con_id] = self._references.get(con_id, 0) + 1

    def release(self, con_ids: Sequence[int]) -> list[int]:
        """Drop one reference from each contract; return the request ids that nobody needs any more.

        Raises
        ------
        KeyError
            If a contract was not wanted; nothing is released then.
        """
        for con_id in con_ids:
            if con_id not in self._references:
                raise KeyError(f"contract {con_id} was never subscribed")
        ended: list[int] = []
        for con_id in con_ids:
            self._references[con_id] -= 1
            if self._references[con_id] > 0:
                continue
            del self._references[con_id]
            self._refused.discard(con_id)
            request_id = self._request_of.pop(con_id, None)
            if request_id is not None:
                del self._con_id_of[request_id]
                ended.append(request_id)
        return ended

    def due(self) -> list[int]:
        """Contracts to request now: without a line, first wishes first, as far as the budget goes."""
        free = self.budget - len(self._request_of)
        waiting = [c for c in self._references if c not in self._request_of and c not in self._refused]
        return waiting[: max(free, 0)]

    def opened(self, con_id: int, request_id: int) -> None:
        """Record that ``con_id`` streams under ``request_id``."""
        self._request_of[con_id] = request_id
        self._con_id_of[request_id] = con_id

    def contract_of(self, request_id: int) -> int | None:
        """Return the contract that streams under ``request_id``, None if the id is none of ours."""
        return self._con_id_of.get(request_id)

    def refuse(self, request_id: int) -> int | None:
        """Take back a line that the broker does not serve; the contract is not asked for again."""
        con_id = self._con_id_of.pop(request_id, None)
        if con_id is not None:
            del self._request_of[con_id]
            self._refused.add(con_id)
        return con_id

    def lower_budget(self) -> None:
        """Shrink the budget to what is streaming now (the broker allows less than was configured)."""
        self.budget = max(1, len(self._request_of))

    def forget_requests(self) -> None:
        """Drop all request ids (new connection, or the server lost the subscriptions); keep wishes."""
        self._request_of.clear()
        self._con_id_of.clear()
        self._refused.clear()
