"""Look for defects in a tape. Nothing is repaired here: findings are returned, the tape stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from optionsib.common.ports import QuoteTape, TapeQuote, TapeStep
from optionsib.common.types import Contract


class Defect(StrEnum):
    """What can be wrong with a quote or a tape."""

    CROSSED = "crossed"
    ZERO_PRICE = "zero_price"
    NOT_POSITIVE = "not_positive"
    NEGATIVE_SIZE = "negative_size"
    INCONSISTENT_BAR = "inconsistent_bar"
    OFF_GRID = "off_grid"
    BELOW_INTRINSIC = "below_intrinsic"
    OUTSIDE_SESSION = "outside_session"
    TIME_ORDER = "time_order"
    QUOTE_ORDER = "quote_order"
    UNKNOWN_CONTRACT = "unknown_contract"
    CONTRACT_ORDER = "contract_order"
    EXPIRED = "expired"
    NEVER_QUOTED = "never_quoted"
    NO_STEPS = "no_steps"


@dataclass(frozen=True, slots=True)
class Finding:
    """One defect: where, which value, what was expected instead.

    ``con_id`` is 0 where the defect belongs to no contract, ``at_ns`` 0 where it belongs to no
    instant. ``where`` names file and line if the finding comes from a reader.
    """

    defect: Defect
    con_id: int
    at_ns: int
    value: str
    expected: str
    where: str = ""

    def __str__(self) -> str:
        place = self.where or f"contract {self.con_id} at {self.at_ns} ns"
        return f"{place}: {self.defect}: {self.value}; expected {self.expected}"


def validate_tape(tape: QuoteTape) -> list[Finding]:
    """Return every defect of a tape, in the order of the tape; an empty list if there is none.

    Below intrinsic is judged with both quotes of the same instant and a tolerance of one increment
    of the option: a call's ask must reach the underlying's bid less the strike (put alike), or
    buying it and exercising it would earn money at once.
    """
    return [*_check_contracts(tape), *_check_steps(tape)]


def _check_contracts(tape: QuoteTape) -> Iterator[Finding]:
    previous: Contract | None = None
    for contract in tape.contracts:
        if contract.expiry_ns <= tape.session_open_ns:
            yield Finding(
                Defect.EXPIRED,
                contract.con_id,
                0,
                f"expiry {contract.expiry_ns} ns",
                f"after the session's open {tape.session_open_ns} ns",
            )
        if previous is not None and not _in_order(previous, contract):
            yield Finding(
                Defect.CONTRACT_ORDER,
                contract.con_id,
                0,
                f"{contract.expiry_date} {contract.strike} {contract.right} after "
                f"{previous.expiry_date} {previous.strike} {previous.right} ({previous.con_id})",
                "(expiry, strike, right) order with rising con_id",
            )
        previous = contract


def _in_order(first: Contract, second: Contract) -> bool:
    key_first = (first.expiry_ns, first.strike, first.right)
    key_second = (second.expiry_ns, second.strike, second.right)
    return key_first < key_second and first.con_id < second.con_id


def _check_steps(tape: QuoteTape) -> Iterator[Finding]:
    known = {contract.con_id: contract for contract in tape.contracts}
    known[tape.underlying.con_id] = tape.underlying
    seen: set[int] = set()
    spot: TapeQuote | None = None
    previous_ns = tape.session_open_ns
    count = 0
    for step in tape.steps():
        count += 1
        yield from _check_time(tape, step, previous_ns)
        previous_ns = step.at_ns
        previous_id = -1
        for quote in step.quotes:
            contract = known.get(quote.con_id)
            if contract is None:
                yield Finding(
                    Defect.UNKNOWN_CONTRACT,
                    quote.con_id,
                    step.at_ns,
                    str(quote.con_id),
                    "a contract of the tape",
                )
                continue
            if quote.con_id <= previous_id:
                yield Finding(
                    Defect.QUOTE_ORDER,
                    quote.con_id,
                    step.at_ns,
                    f"{quote.con_id} after {previous_id}",
                    "rising con_id, each once a step",
                )
            previous_id = quote.con_id
            seen.add(quote.con_id)
            if contract is tape.underlying:
                spot = quote
            yield from _check_quote(quote, contract, step.at_ns)
            yield from _check_intrinsic(quote, contract, spot, step.at_ns)
    if count == 0:
        yield Finding(Defect.NO_STEPS, 0, 0, "no step", "at least one step")
    for con_id in sorted(set(known) - seen):
        yield Finding(Defect.NEVER_QUOTED, con_id, 0, "no quote on the whole day", "at least one quote")


def _check_time(tape: QuoteTape, step: TapeStep, previous_ns: int) -> Iterator[Finding]:
    if step.at_ns <= previous_ns:
        yield Finding(Defect.TIME_ORDER, 0, step.at_ns, f"{step.at_ns} ns", f"later than {previous_ns} ns")
    if step.at_ns > tape.session_close_ns:
        yield Finding(
            Defect.OUTSIDE_SESSION, 0, step.at_ns, f"{step.at_ns} ns", f"at most {tape.session_close_ns} ns"
        )


def _check_quote(quote: TapeQuote, contract: Contract, at_ns: int) -> Iterator[Finding]:
    for side, price, size in (("bid", quote.bid, quote.bid_size), ("ask", quote.ask, quote.ask_size)):
        if size < 0:
            yield Finding(
                Defect.NEGATIVE_SIZE, quote.con_id, at_ns, f"{side} size {size}", "a size of 0 or more"
            )
        if price is None:
            continue
        if price <= 0:
            yield Finding(
                Defect.NOT_POSITIVE, quote.con_id, at_ns, f"{side} {price}", "a price above 0, or no side"
            )
        elif not contract.tick_grid.is_on_grid(price):
            yield Finding(
                Defect.OFF_GRID,
                quote.con_id,
                at_ns,
                f"{side} {price}",
                f"a multiple of {contract.tick_grid.increment(price)}",
            )
    if quote.bid is not None and quote.ask is not None and quote.bid > quote.ask:
        yield Finding(
            Defect.CROSSED, quote.con_id, at_ns, f"bid {quote.bid} above ask {quote.ask}", "bid at most ask"
        )


def _check_intrinsic(
    quote: TapeQuote, contract: Contract, spot: TapeQuote | None, at_ns: int
) -> Iterator[Finding]:
    if contract.security_type != "OPT" or quote.ask is None or spot is None:
        return
    if spot.bid is None or spot.ask is None:
        return
    intrinsic = spot.bid - contract.strike if contract.right == "C" else contract.strike - spot.ask
    if quote.ask + contract.tick_grid.increment(quote.ask) < intrinsic:
        yield Finding(
            Defect.BELOW_INTRINSIC,
            quote.con_id,
            at_ns,
            f"ask {quote.ask}",
            f"at least the intrinsic value {intrinsic}, less one increment",
        )
