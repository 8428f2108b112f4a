"""Own fills are the truth, the broker's positions the cross-check.

Positions lag fills at IB by seconds. What the broker says is therefore compared with what it said
before plus our own fills since; a difference is asked again before it is believed and reported.
"""

from __future__ import annotations

from collections.abc import Mapping


class PositionCheck:
    """Compares the broker's positions with its earlier word plus our fills."""

    def __init__(self) -> None:
        self._base: dict[int, int] | None = None  # positions without any of our executions

    def expected(self, own: Mapping[int, int]) -> dict[int, int] | None:
        """Return the positions that our executions make, None before the first answer."""
        if self._base is None:
            return None
        return _added(self._base, own, 1)

    def differences(self, held: Mapping[int, int], own: Mapping[int, int]) -> list[tuple[int, int, int]]:
        """Return (con_id, expected, broker's) where the two disagree, by ``con_id``.

        Parameters
        ----------
        held : mapping
            What the broker says, signed quantity per contract.
        own : mapping
            What all executions that we know of make.
        """
        expected = self.expected(own)
        if expected is None:
            return []
        return [
            (con_id, expected.get(con_id, 0), held.get(con_id, 0))
            for con_id in sorted(expected.keys() | held.keys())
            if expected.get(con_id, 0) != held.get(con_id, 0)
        ]

    def accept(self, held: Mapping[int, int], own: Mapping[int, int]) -> None:
        """Take the broker's word as the base of the next comparison."""
        self._base = _added(held, own, -1)


def _added(base: Mapping[int, int], own: Mapping[int, int], sign: int) -> dict[int, int]:
    total = {con_id: base.get(con_id, 0) + sign * own.get(con_id, 0) for con_id in base.keys() | own.keys()}
    return {con_id: quantity for con_id, quantity in total.items() if quantity}
