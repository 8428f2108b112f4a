"""The message log: every field is there, except what nobody else may read."""

from __future__ import annotations

import io
import json

from hypothesis import given
from hypothesis import strategies as st

from optionsib.brokers.ib.message_log import MessageLog


def logged(*fields: str, accounts: tuple[str, ...] = ()) -> dict[str, object]:
    stream = io.StringIO()
    log = MessageLog(stream, lambda: 7)
    log.hide(accounts)
    log("in", fields)
    line: dict[str, object] = json.loads(stream.getvalue())
    return line


def test_a_line_names_the_message_and_keeps_its_fields() -> None:
    assert logged("3", "12", "Submitted", "1.98") == {
        "at_ns": 7,
        "way": "in",
        "message": "orderStatus",
        "fields": ["3", "12", "Submitted", "1.98"],
    }
    assert logged("4711", "x")["message"] == "4711"  # an unknown message goes by its number


def test_accounts_and_secrets_are_masked_wherever_they_stand() -> None:
    fields = logged(
        *("15", "DU1234567,U7654321,DF99887", "Order of U7654321 rejected", "password=hunter2 x", "advisor9"),
        accounts=("advisor9", ""),
    )["fields"]
    assert fields == ["15", "DU***,U***,DF***", "Order of U*** rejected", "password=********** x", "a***"]


@given(
    st.sampled_from(["DU", "U", "DF", "F", "I", "DI"]), st.integers(1_000, 99_999_999), st.text(max_size=20)
)
def test_no_account_number_survives(letters: str, number: int, around: str) -> None:
    account = f"{letters}{number}"
    assert str(number) not in json.dumps(logged("6", f"{around} {account} {around}", account)).replace(
        json.dumps(around)[1:-1], ""
    )
