"""Each defect put into a tape is found, where it is, and nothing else is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import msgspec
import pytest

from optionsib.common.ports import TapeQuote, TapeStep
from optionsib.common.types import MINUTE_NS, OPTION_GRID, Contract
from optionsib.data.memory_tape import MemoryTape
from optionsib.data.validation import Defect, validate_tape

OPEN = 1_402_061_400 * 10**9
CLOSE = OPEN + 390 * MINUTE_NS
SHARE = Contract(1, "ABC", "STK")
CALL = Contract(
    1001, "ABC", "OPT", right="C", strike=700_000, expiry_ns=CLOSE + 10 * MINUTE_NS, tick_grid=OPTION_GRID
)
PUT = msgspec.structs.replace(CALL, con_id=1002, right="P")


def steps() -> list[TapeStep]:
    return [
        TapeStep(
            OPEN + MINUTE_NS,
            (
                TapeQuote(1, 705_000, 100, 705_100, 100),
                TapeQuote(1001, 15_000, 2, 15_600, 3),
                TapeQuote(1002, None, 0, 10_000, 3),
            ),
        ),
        TapeStep(OPEN + 2 * MINUTE_NS, ()),
        TapeStep(CLOSE, (TapeQuote(1001, 15_100, 2, 15_100, 3),)),
    ]


def tape(played: list[TapeStep], contracts: tuple[Contract, ...] = (CALL, PUT)) -> MemoryTape:
    return MemoryTape("test", True, "", OPEN, CLOSE, SHARE, contracts, tuple(played))


def with_quote(quote: TapeQuote) -> MemoryTape:
    played = steps()
    played[1] = TapeStep(played[1].at_ns, (quote,))
    return tape(played)


def test_a_clean_tape_has_no_finding() -> None:
    assert validate_tape(tape(steps())) == []


@pytest.mark.parametrize(
    ("quote", "defect", "value"),
    [
        (TapeQuote(1001, 15_700, 2, 15_600, 3), Defect.CROSSED, "bid 15700 above ask 15600"),
        (TapeQuote(1001, 0, 2, 15_600, 3), Defect.NOT_POSITIVE, "bid 0"),
        (TapeQuote(1001, 15_000, 2, -100, 3), Defect.NOT_POSITIVE, "ask -100"),
        (TapeQuote(1001, 15_000, -1, 15_600, 3), Defect.NEGATIVE_SIZE, "bid size -1"),
        (TapeQuote(1001, 15_050, 2, 15_600, 3), Defect.OFF_GRID, "bid 15050"),
        (TapeQuote(1001, 15_000, 2, 30_100, 3), Defect.OFF_GRID, "ask 30100"),
        (TapeQuote(1, 705_000, 100, 705_150, 100), Defect.OFF_GRID, "ask 705150"),
        (TapeQuote(1001, None, 0, 4_800, 3), Defect.BELOW_INTRINSIC, "ask 4800"),
        (TapeQuote(77, 100, 1, 200, 1), Defect.UNKNOWN_CONTRACT, "77"),
    ],
)
def test_a_bad_quote_is_found_where_it_is(quote: TapeQuote, defect: Defect, value: str) -> None:
    found = [finding for finding in validate_tape(with_quote(quote)) if finding.defect is defect]
    (finding,) = found
    assert (finding.con_id, finding.at_ns, finding.value) == (quote.con_id, OPEN + 2 * MINUTE_NS, value)
    assert str(quote.con_id) in str(finding)
    assert "expected" in str(finding)


def test_an_ask_one_increment_below_intrinsic_is_tolerated() -> None:
    assert validate_tape(with_quote(TapeQuote(1001, None, 0, 4_900, 3))) == []


@pytest.mark.parametrize(
    ("change", "defect"),
    [
        (lambda s: s[::-1], Defect.TIME_ORDER),
        (lambda s: [s[0], s[0], s[2]], Defect.TIME_ORDER),
        (lambda s: [TapeStep(OPEN, s[0].quotes), *s[1:]], Defect.TIME_ORDER),
        (lambda s: [*s, TapeStep(CLOSE + 1, ())], Defect.OUTSIDE_SESSION),
        (lambda s: [TapeStep(s[0].at_ns, s[0].quotes[::-1]), *s[1:]], Defect.QUOTE_ORDER),
        (lambda s: [TapeStep(s[0].at_ns, s[0].quotes[:1] * 2 + s[0].quotes[1:]), *s[1:]], Defect.QUOTE_ORDER),
        (lambda s: [TapeStep(s[0].at_ns, s[0].quotes[:2]), *s[1:]], Defect.NEVER_QUOTED),
        (lambda s: [], Defect.NO_STEPS),
    ],
)
def test_a_broken_order_of_steps_or_quotes_is_found(
    change: Callable[[list[TapeStep]], list[TapeStep]], defect: Defect
) -> None:
    assert defect in {finding.defect for finding in validate_tape(tape(change(steps())))}


def test_broken_contract_lists_are_found() -> None:
    assert Defect.CONTRACT_ORDER in {f.defect for f in validate_tape(tape(steps(), (PUT, CALL)))}
    expired = msgspec.structs.replace(CALL, expiry_ns=OPEN)
    assert Defect.EXPIRED in {f.defect for f in validate_tape(tape(steps(), (expired, PUT)))}


def test_nothing_is_changed() -> None:
    checked = with_quote(TapeQuote(1001, 15_700, 2, 15_600, 3))
    before = dataclasses.replace(checked)
    validate_tape(checked)
    assert checked == before
