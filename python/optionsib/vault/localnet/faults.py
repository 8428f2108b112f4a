"""What the local chain may do wrong, each with a probability, and the seeded draws that decide.

A draw is a pure function of (seed, what is drawn, how many such draws there were before), so equal seeds and
equal calls give equal faults, and one kind of fault does not shift the draws of another.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter

import msgspec

MAXIMUM_DELAY_MS = 3_600_000.0
_PROBABILITIES = (
    "drop",
    "duplicate",
    "reorder",
    "expire",
    "rpc_error",
    "rpc_unavailable",
    "rpc_timeout",
    "rpc_lost_answer",
)
_DELAYS = ("processed_ms", "jitter_ms", "confirmed_ms", "finalized_ms", "reorder_ms", "rpc_timeout_ms")


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delays in milliseconds of chain time, probabilities in [0, 1]; the defaults are a perfect network.

    Attributes
    ----------
    processed_ms, jitter_ms
        From the answer of ``sendTransaction`` to execution: fixed part, and a uniform part on top.
    confirmed_ms, finalized_ms
        From execution to the commitment ``confirmed`` and to ``finalized``.
    drop
        A sent transaction is answered with its signature and never executed.
    duplicate
        It reaches the leader twice (the second time it must be refused).
    reorder, reorder_ms
        It is held back for ``reorder_ms``, so that later ones overtake it.
    expire
        It is held back until its blockhash is no longer valid: it never executes.
    rpc_error
        A call is answered with -32005 "Node is unhealthy", nothing is done.
    rpc_unavailable
        A call is answered with HTTP 503, nothing is done.
    rpc_timeout, rpc_timeout_ms
        A call gets no answer for ``rpc_timeout_ms`` of real time, then the connection is closed; nothing is
        done.
    rpc_lost_answer
        The call is carried out, then the connection is closed without an answer.
    methods
        Only these methods meet the four ``rpc_`` faults; empty: all but the ``localnet_`` ones.
    """

    processed_ms: float = 0.0
    jitter_ms: float = 0.0
    confirmed_ms: float = 0.0
    finalized_ms: float = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_ms: float = 1_000.0
    expire: float = 0.0
    rpc_error: float = 0.0
    rpc_unavailable: float = 0.0
    rpc_timeout: float = 0.0
    rpc_timeout_ms: float = 30_000.0
    rpc_lost_answer: float = 0.0
    methods: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in _PROBABILITIES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)!r}: expected a probability, 0 to 1")
        for name in _DELAYS:
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 <= value <= MAXIMUM_DELAY_MS):
                raise ValueError(f"{name}={value!r}: expected milliseconds, 0 to {MAXIMUM_DELAY_MS:.0f}")
        if self.finalized_ms < self.confirmed_ms:
            raise ValueError(
                f"finalized_ms={self.finalized_ms!r}: expected confirmed_ms ({self.confirmed_ms!r}) or more"
            )


class Draws:
    """Uniform numbers in [0, 1), one independent stream for each kind of fault."""

    def __init__(self, seed: int) -> None:
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Start all streams again from ``seed``."""
        self._seed, self._drawn = seed, Counter[str]()

    def uniform(self, kind: str) -> float:
        """Return the next number of the stream ``kind``."""
        ordinal = self._drawn[kind]
        self._drawn[kind] += 1
        digest = hashlib.sha256(f"{self._seed}|{kind}|{ordinal}".encode()).digest()
        return int.from_bytes(digest[:7], "little") / 2.0**56

    def happens(self, kind: str, probability: float) -> bool:
        """Draw whether ``kind`` happens. Every call draws, so a changed probability shifts nothing."""
        return self.uniform(kind) < probability
