"""What every HTML page is made with: plotly inside the file, no request to anywhere, whole or not at all."""

from __future__ import annotations

import importlib.resources
import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from optionsib.common.errors import MissingExtraError
from optionsib.common.types import Json

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


def plotly_source() -> str:
    """Return plotly's library, to stand in a script element.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    if importlib.util.find_spec("plotly") is None:
        raise MissingExtraError("report", "plotly")
    folder = importlib.resources.files("plotly") / "package_data"
    return (folder / "plotly.min.js").read_text(encoding="utf-8").replace("</script", "<\\/script")


def asset(name: str) -> str:
    """Return a file of ``performance/assets``."""
    return (importlib.resources.files("optionsib.performance") / "assets" / name).read_text(encoding="utf-8")


def fill(template: str, parts: Mapping[str, str]) -> str:
    """Return the template ``assets/<template>`` with its ``{{names}}`` filled, each once, from ``parts``."""
    return _PLACEHOLDER.sub(lambda found: parts[found.group(1)], asset(template))


def embedded(data: Json) -> str:
    """Return data as JSON that no text in it can get out of its script element."""
    return msgspec.json.encode(data).decode().replace("<", "\\u003c")


def write_whole(out: Path, page: str) -> None:
    """Write a page; the file is whole or as before."""
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
