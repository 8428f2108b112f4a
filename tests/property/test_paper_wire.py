"""Wire codec: what is written is read back; numbers are exact or refused."""

from __future__ import annotations

import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionsib.brokers.paper.wire import (
    FieldReader,
    WireError,
    format_money,
    format_price,
    negotiate_version,
    pack,
    price_from_number,
    split_fields,
)

TEXT = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=20)


@given(st.lists(st.one_of(TEXT, st.integers(-(10**18), 10**18)), min_size=1))
def test_fields_survive_a_frame(fields: list[str | int]) -> None:
    packed = pack(fields)
    assert struct.unpack(">I", packed[:4])[0] == len(packed) - 4
    assert split_fields(packed[4:]) == [str(field) for field in fields]


@given(st.integers(-(10**9), 10**9))
def test_prices_are_exact(price: int) -> None:
    text = format_price(price)
    assert Decimal(text) * 10_000 == price
    number = FieldReader([text]).number()
    assert number is not None
    assert price_from_number(number) == price
    assert price_from_number(float(repr(price / 10_000))) == price


@given(st.integers(-(10**15), 10**15))
def test_money_is_exact_and_shows_cents(money: int) -> None:
    text = format_money(money)
    assert Decimal(text) * 1_000_000 == money
    assert len(text.partition(".")[2]) >= 2


@given(st.integers(-(10**8), 10**8), st.integers(1, 9))
def test_a_price_between_two_steps_is_refused(price: int, tenth: int) -> None:
    assert price_from_number((price + tenth / 10) / 10_000) is None


@given(st.text(max_size=30))
def test_numbers_are_finite_or_refused(text: str) -> None:
    for take in (FieldReader.number, FieldReader.integer):
        try:
            value = take(FieldReader([text]))
        except WireError:
            continue
        assert value is None or (math.isfinite(value) and abs(value) < 1e19)


@pytest.mark.parametrize("unset", ["", "1.7976931348623157e+308", "1.7976931348623157E308", "Infinite"])
def test_unset_numbers(unset: str) -> None:
    if unset == "Infinite":
        with pytest.raises(WireError, match="Infinite"):
            FieldReader([unset]).number()
    else:
        assert FieldReader([unset]).number() is None
    assert FieldReader(["2147483647"]).integer(5) == 5


@given(st.binary(max_size=40))
def test_version_ranges_are_answered_or_refused(payload: bytes) -> None:
    try:
        version = negotiate_version(payload)
    except WireError:
        return
    assert version is None or (157 <= version <= 178 and version != 158)
