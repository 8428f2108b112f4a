"""The map from what IB does to the tests that show our answer names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS / "integration" / "README.md"


def named() -> list[tuple[Path, str]]:
    """Every file, and test in it, that the page names; ``...`` repeats the file before."""
    found: list[tuple[Path, str]] = []
    for word in re.findall(r"`([^`\n]+)`", PAGE.read_text()):
        place, _, test = word.partition("::")
        if place == "callbacks" and test:
            found.append((TESTS / "property" / "test_ib_callbacks.py", test))
        elif place == "...":
            found.append((found[-1][0], test))
        elif place.startswith(("unit/", "clients/")):
            found.append((TESTS / f"{place}.py", test))
        elif place.startswith("test_"):
            found.append((TESTS / "integration" / f"{place}.py", test))
    return found


def test_every_test_that_the_map_names_exists() -> None:
    every = named()
    assert len(every) > 100
    lost = [
        (path.name, test)
        for path, test in every
        if not path.is_file() or (test and f"def {test}(" not in path.read_text())
    ]
    assert lost == []


def test_every_gateway_test_file_is_on_the_map() -> None:
    on_it = {path.name for path, _ in named()}
    files = {path.name for path in (TESTS / "integration").glob("test_ib_gateway*.py")}
    assert files <= on_it, files - on_it
