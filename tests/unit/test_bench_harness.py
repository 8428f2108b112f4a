"""The benchmarks check answers before they time, and price what they invert exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import american_data, pricing_data
from benchmarks.harness import SelfTimed, compare, markdown, write_results
from scipy.special import ndtr

NO_PROGRAMS = Path("nowhere")  # prices then come from mpmath


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricing_data, "OUTPUT", tmp_path)


def test_nothing_is_timed_when_an_answer_is_wrong() -> None:
    calls: list[str] = []

    def check(results: dict[str, Any]) -> None:
        assert results["peer"] == results["ours"], "the peer is wrong"

    with pytest.raises(AssertionError, match="the peer is wrong"):
        compare("job", lambda: calls.append("ours") or 1, {"peer": lambda: 2}, check)
    assert calls == ["ours"]


def test_the_ratio_is_the_median_of_paired_rounds() -> None:
    ours = iter([9.0, 1.0, 2.0, 1.0])  # the first call is for the check
    peer = iter([9.0, 2.0, 6.0, 9.0])
    row = compare(
        "job",
        SelfTimed(lambda: (1, next(ours))),
        {"peer": SelfTimed(lambda: (1, next(peer)))},
        lambda results: None,
        rounds=3,
    )
    ratio = row.peers["peer"]
    assert (ratio.median, ratio.least, ratio.most) == (3.0, 2.0, 9.0)


def test_a_peer_that_cannot_run_stands_in_the_table(tmp_path: Path) -> None:
    row = compare("job", lambda: 1, {}, lambda results: None, skipped={"peer": "no wheel"})
    assert "| job | peer |" in markdown([row])
    assert "**NOT RUN** | | no wheel" in markdown([row])
    data, table = write_results("area", [row], {"CPU": "this"}, tmp_path)
    assert json.loads(data.read_text())["facts"] == {"CPU": "this"}
    assert table.read_text().startswith("CPU: this.")


def test_reference_price_of_a_textbook_option() -> None:
    # Hull, Options, Futures, and Other Derivatives, 8th ed., example 15.6: 4.76
    assert round(pricing_data.exact_price(1, 42.0, 40.0, 0.5, 0.10, 0.20, 0.0), 2) == 4.76
    assert round(pricing_data.exact_price(-1, 42.0, 40.0, 0.5, 0.10, 0.20, 0.0), 2) == 0.81


def test_the_listed_book_has_the_deltas_it_claims() -> None:
    book = pricing_data.listed_book(300, NO_PROGRAMS)
    w, s, k, t, r, v, q = pricing_data.options(book)
    d1 = (np.log(s / k) + (r - q + v * v / 2) * t) / (v * np.sqrt(t))
    delta = np.exp(-q * t) * ndtr(w * d1)
    assert delta.min() > 0.0199
    assert delta.max() < 0.6001
    assert (book["price"] > 0).all()


def test_the_hard_grid_is_out_of_the_money_and_in_its_ranges() -> None:
    grid = pricing_data.hard_grid(300, NO_PROGRAMS)
    w, s, k, t, _, v, _ = pricing_data.options(grid)
    assert (w * (s - k) <= 0).all()
    assert (s / k).min() >= 0.2
    assert (s / k).max() <= 5
    assert t.min() >= 1 / 365
    assert t.max() <= 5
    assert v.min() >= 0.01
    assert v.max() <= 3
    assert (grid["price"] > pricing_data.LEAST_PRICE).all()


def test_a_wrong_reference_price_is_noticed(tmp_path: Path) -> None:
    book = pricing_data.listed_book(50, NO_PROGRAMS)
    (kept,) = (tmp_path / "cache").glob("*.npy")
    np.save(kept, book["price"] * (1 + 1e-15))
    with pytest.raises(AssertionError, match="reference price"):
        pricing_data.listed_book(50, NO_PROGRAMS)


def test_the_american_groups_lie_in_their_regions() -> None:
    limits = american_data.DOUBLE_BOUNDARY
    double = american_data.american_options(50, 3, **limits)
    calls = double["kind"] > 0
    # A call is the put with rate and yield exchanged; two boundaries where a put has q < r < 0.
    rate = np.where(calls, double["dividend_yield"], double["rate"])
    dividend_yield = np.where(calls, double["rate"], double["dividend_yield"])
    assert 0 < calls.sum() < 50
    assert ((dividend_yield < rate) & (rate < 0)).all()
    deep = american_data.american_options(50, 3, **american_data.GROUPS["deep in the money"])
    assert (deep["kind"] * (deep["spot"] - deep["strike"]) > 0).all()
    assert american_data.american_options(50, 3, **american_data.GROUPS["below 3 days"])["days"].max() < 3


def test_chosen_options_keep_their_dividends() -> None:
    data = american_data.cash_options(6, 7)
    part = american_data.chosen(data, np.array([4, 1]))
    for new, old in enumerate((4, 1)):
        own = slice(*part["offsets"][new : new + 2])
        whole = slice(*data["offsets"][old : old + 2])
        assert part["strike"][new] == data["strike"][old]
        assert np.array_equal(part["ex_days"][own], data["ex_days"][whole])
        assert np.array_equal(part["amounts"][own], data["amounts"][whole])
