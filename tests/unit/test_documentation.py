"""Every Python block of README and docs runs, every command it names exists, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from optionsib.cli import build_parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (f"{page.relative_to(ROOT)}:{number}", body)
        for page in PAGES
        for number, (found, body) in enumerate(FENCE.findall(page.read_text()))
        if found == language
    ]


@pytest.mark.parametrize(("place", "code"), blocks("python"))
def test_python_blocks_run(place: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, place, "exec"), {"__name__": "__documentation__"})


@pytest.mark.parametrize(("place", "code"), blocks("console"))
def test_commands_exist(place: str, code: str) -> None:
    parser = build_parser()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in code.splitlines():
        words = line.removeprefix("$ ").split("#")[0].split()
        if words[:1] == ["make"]:
            assert words[1] in targets, line
        if words[:1] == ["optionsib"]:
            for word in (w for w in words[1:] if not w.startswith("-")):
                if word in ("|",) or word.startswith("<"):
                    continue
                with pytest.raises(SystemExit) as stopped:
                    parser.parse_args([word, "--help"])
                assert stopped.value.code == 0, line
                if "|" not in words:
                    break


def test_pictures_are_whole() -> None:
    for picture in sorted((ROOT / "docs" / "images").glob("*.svg")):
        ElementTree.parse(picture)  # raises where a character was not escaped


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
