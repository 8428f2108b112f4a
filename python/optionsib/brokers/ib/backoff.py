"""How long a reconnect waits before it tries again.

The pause doubles from the first one on, up to a longest one, and a random part of it is left out: programs
that lost the same server at the same moment do not come back in step.
"""

from __future__ import annotations

import random

LONGEST_SECONDS = 30.0
LEAST_SHARE = 0.5  # of the pause; the rest is left to chance
_MOST_DOUBLINGS = 16


class Backoff:
    """The pauses between the attempts of one reconnect.

    Parameters
    ----------
    first_seconds : float
        The longest that the first pause may be.
    chance : random.Random
        Where the jitter comes from.
    """

    def __init__(self, first_seconds: float, chance: random.Random) -> None:
        if not first_seconds >= 0.0:
            raise ValueError(f"first_seconds is {first_seconds}, expected 0 or more")
        self._first = first_seconds
        self._chance = chance
        self._pauses = 0

    def pause(self, longest_seconds: float = LONGEST_SECONDS) -> float:
        """Return the seconds to wait now, between half of the full pause and all of it."""
        full = min(longest_seconds, self._first * 2 ** min(self._pauses, _MOST_DOUBLINGS))
        self._pauses += 1
        return float(full * (LEAST_SHARE + (1.0 - LEAST_SHARE) * self._chance.random()))
