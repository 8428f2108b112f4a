"""A tape that is held in memory, and windows cut out of longer tapes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from optionsib.common.codec import encode
from optionsib.common.errors import DataError
from optionsib.common.ports import QuoteTape, TapeQuote, TapeStep
from optionsib.common.types import MINUTE_NS, Contract


@dataclass(frozen=True, slots=True)
class MemoryTape:
    """A ``QuoteTape`` made of steps that are all known."""

    name: str
    simulated: bool
    sha256: str
    session_open_ns: int
    session_close_ns: int
    underlying: Contract
    contracts: Sequence[Contract]
    all_steps: tuple[TapeStep, ...]

    def steps(self) -> Iterator[TapeStep]:
        """Yield the steps in time order."""
        return iter(self.all_steps)


def digest_steps(*parts: object) -> str:
    """Return the SHA-256 (hex) of the canonical encoding of plain data and message structs."""
    digest = hashlib.sha256()
    for part in parts:
        data = encode(part)
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def shorten(tape: QuoteTape, first_minute: int, minutes: int) -> MemoryTape:
    """Cut a window of ``minutes`` out of a tape, starting ``first_minute`` minutes after its open.

    The window holds the steps after its start and up to its end, and its session bounds are the
    window's own. Its first step also names every quote that stood when the window began, so that a
    player knows the whole state; a contract not quoted by then is not named.

    Raises
    ------
    DataError
        If the window is empty or not within the session.

    Examples
    --------
    >>> from optionsib.data.synthetic.simulated_day import SimulatedTape
    >>> window = shorten(SimulatedTape(seed=7), first_minute=60, minutes=20)
    >>> len(list(window.steps()))
    20
    """
    length = (tape.session_close_ns - tape.session_open_ns) // MINUTE_NS
    if first_minute < 0 or minutes < 1 or first_minute + minutes > length:
        raise DataError(
            f"window of {minutes} minutes from minute {first_minute} of {tape.name}: "
            f"expected one within minutes 0 to {length}"
        )
    start_ns = tape.session_open_ns + first_minute * MINUTE_NS
    end_ns = start_ns + minutes * MINUTE_NS
    standing: dict[int, TapeQuote] = {}
    window: list[TapeStep] = []
    for step in tape.steps():
        if step.at_ns > end_ns:
            break
        if step.at_ns <= start_ns or not window:
            standing.update((quote.con_id, quote) for quote in step.quotes)
        if step.at_ns <= start_ns:
            continue
        if not window:
            step = TapeStep(step.at_ns, tuple(standing[con_id] for con_id in sorted(standing)))
        window.append(step)
    return MemoryTape(
        name=f"{tape.name} (minutes {first_minute} to {first_minute + minutes})",
        simulated=tape.simulated,
        sha256=digest_steps("window", tape.sha256, first_minute, minutes),
        session_open_ns=start_ns,
        session_close_ns=end_ns,
        underlying=tape.underlying,
        contracts=tape.contracts,
        all_steps=tuple(window),
    )
