"""What stolen keys can take from a vault: not a unit more than the mandate's caps (``tests.vault_thief``)."""

from __future__ import annotations

import pytest

pytest.importorskip("solders")

from tests.vault_thief import DAY_CAP, KEYS, LIFETIME_CAP, Thief

CALLS = 2_500  # of 10,000 in `make fuzz-vault`


@pytest.mark.parametrize("holds", KEYS, ids="+".join)
def test_thieves_take_what_the_caps_allow_and_nothing_without_the_attestor(holds: tuple[str, ...]) -> None:
    thief = Thief(7, holds)
    for _ in range(CALLS):
        thief.step()
    thief.finish()
    assert thief.seen["accepted"] > 50  # it does use its keys
    if "attestor" in holds:
        assert thief.worst_day == DAY_CAP  # a thief who finds less than there is proves nothing
        assert DAY_CAP <= thief.lost <= LIFETIME_CAP
    else:
        assert thief.lost == 0
