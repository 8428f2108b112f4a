"""The switch between the client libraries."""

from __future__ import annotations

import os
import sys

import pytest

from optionsib.brokers.ib import library
from optionsib.common.errors import ConfigError


def test_the_switch_names_the_library() -> None:
    wanted = os.environ.get(library.SWITCH)
    assert (wanted or "ib_async") == library.NAME
    assert f"{library.NAME}.Decoder" == library.DECODER_LOG
    assert library.Client.__module__.startswith(library.NAME)


def test_an_unknown_library_is_refused() -> None:
    with pytest.raises(ConfigError, match="'ibapi', expected one of ib_async, ib_insync"):
        library._load("ibapi")


def test_without_the_first_library_the_second_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ib_insync", sys.modules[__name__])
    monkeypatch.delitem(sys.modules, "ib_async", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Hidden("ib_async"), *sys.meta_path])
    assert library._load(None) is sys.modules[__name__]
    monkeypatch.delitem(sys.modules, "ib_insync")
    monkeypatch.setattr(sys, "meta_path", [_Hidden("ib_insync"), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError, match="neither ib_async nor ib_insync") as missing:
        library._load(None)
    assert missing.value.name == "ib_async"


class _Hidden:
    """An import finder that says a module is not installed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == self._name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
