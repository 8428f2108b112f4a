"""The market-data-line budget: who is watched, who has to wait, and under which request id.

An account may stream a fixed number of contracts (100 by default); asking for one more is answered
by error 101. The budget is therefore spent here, in the order of the wishes, and never overdrawn.

A contract keeps its line while somebody refers to it. The line of a contract that nobody refers to any
more goes on streaming until another contract needs it; the one that was left longest ago goes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class MarketDataLines:
    """Reference-counted subscriptions within a budget, with eviction of the least recently used.

    Parameters
    ----------
    budget : int
        How many contracts may be streamed at once.
    """

    def __init__(self, budget: int) -> None:
        if budget < 1:
            raise ValueError(f"budget is {budget} market data lines, expected at least 1")
        self.budget = budget
        self._configured = budget
        self._references: dict[int, int] = {}  # con_id -> wishes, in the order of the first wish
        self._idle: dict[int, None] = {}  # streams that nobody refers to, least recently used first
        self._request_of: dict[int, int] = {}  # con_id -> request id of this session
        self._con_id_of: dict[int, int] = {}
        self._refused: set[int] = set()

    @property
    def used(self) -> int:
        """How many lines stream now, idle ones included."""
        return len(self._request_of)

    @property
    def watched(self) -> tuple[int, ...]:
        """Wanted contracts with a line, in the order they were wished."""
        return tuple(con_id for con_id in self._references if con_id in self._request_of)

    @property
    def unsubscribed(self) -> tuple[int, ...]:
        """Contracts that were wished and have no line, in the order they were wished."""
        return tuple(con_id for con_id in self._references if con_id not in self._request_of)

    def is_wanted(self, con_id: int) -> bool:
        """Tell whether somebody refers to the contract."""
        return con_id in self._references

    def want(self, con_ids: Iterable[int]) -> None:
        """Add one reference to each contract; an idle stream is taken up again without a request."""
        for con_id in con_ids:
            self._references[con_id] = self._references.get(con_id, 0) + 1
            self._idle.pop(con_id, None)

    def release(self, con_ids: Sequence[int]) -> None:
        """Drop one reference from each contract; a stream without any becomes idle.

        Raises
        ------
        KeyError
            If a contract was not wanted; nothing is released then.
        """
        for con_id in con_ids:
            if con_id not in self._references:
                raise KeyError(f"contract {con_id} was never subscribed")
        for con_id in con_ids:
            self._references[con_id] -= 1
            if self._references[con_id] > 0:
                continue
            del self._references[con_id]
            self._refused.discard(con_id)
            if con_id in self._request_of:
                self._idle[con_id] = None

    def evict(self) -> list[tuple[int, int]]:
        """End idle streams, least recently used first, as far as wanted contracts need the lines.

        Returns
        -------
        list of (int, int)
            Contracts and the request ids to cancel.
        """
        short = len(self._waiting()) - (self.budget - len(self._request_of))
        return [(con_id, self._close(con_id)) for con_id in list(self._idle)[: max(short, 0)]]

    def due(self) -> list[int]:
        """Contracts to request now: without a line, first wishes first, as far as the budget goes."""
        free = self.budget - len(self._request_of)
        return self._waiting()[: max(free, 0)]

    def opened(self, con_id: int, request_id: int) -> None:
        """Record that ``con_id`` streams under ``request_id``."""
        self._request_of[con_id] = request_id
        self._con_id_of[request_id] = con_id

    def contract_of(self, request_id: int) -> int | None:
        """Return the contract that streams under ``request_id``, None if the id is none of ours."""
        return self._con_id_of.get(request_id)

    def reopen(self, con_ids: Iterable[int]) -> list[int]:
        """Close the streams of ``con_ids`` so that they are due again; return the ids to cancel."""
        return [self._close(con_id) for con_id in con_ids if con_id in self._request_of]

    def refuse(self, request_id: int) -> int | None:
        """Take back a line that the broker does not serve; the contract is not asked for again."""
        con_id = self._con_id_of.get(request_id)
        if con_id is not None:
            self._close(con_id)
            self._refused.add(con_id)
        return con_id

    def lower_budget(self) -> None:
        """Shrink the budget to what is streaming now (the broker allows less than was configured)."""
        self.budget = max(1, len(self._request_of))

    def requests(self) -> list[int]:
        """Return the request ids of all streams."""
        return list(self._con_id_of)

    def forget_requests(self) -> None:
        """Drop all request ids (new connection, or the server lost the subscriptions); keep wishes."""
        self.budget = self._configured
        self._request_of.clear()
        self._con_id_of.clear()
        self._refused.clear()
        self._idle.clear()

    def _waiting(self) -> list[int]:
        return [c for c in self._references if c not in self._request_of and c not in self._refused]

    def _close(self, con_id: int) -> int:
        request_id = self._request_of.pop(con_id)
        del self._con_id_of[request_id]
        self._idle.pop(con_id, None)
        return request_id
