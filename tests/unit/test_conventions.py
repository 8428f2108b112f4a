"""Conventions that protect determinism and start-up, checked over the syntax tree of the package."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import optionsib

ROOT = Path(optionsib.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
ESCAPE = "wall-clock-ok: "
FORBIDDEN_CALLS = re.compile(
    r"^(time\.(time|time_ns|localtime|gmtime)"
    r"|(dt|datetime)(\.datetime)?\.(now|utcnow|today)|(dt|datetime)\.date\.today"
    r"|random\.(seed|random|randint|choice|shuffle|gauss|uniform)"
    r"|(np|numpy)\.random\.(seed|rand|randn|randint|random|normal|choice|shuffle|uniform))$"
)
HOMES = {
    "ib_async": {"brokers/ib"},
    "onnxruntime": {"models"},
    "xgboost": {"models"},
    "onnxmltools": {"models"},
    "onnx": {"models"},
    "skl2onnx": {"models"},
    "sklearn": {"models"},
    "torch": {"models"},
    "optuna": {"models"},
    "hmmlearn": {"models"},
    "statsmodels": {"models"},
    "solders": {"vault"},
    "solana": {"vault"},
    "spl": {"vault"},
    "plotly": {"performance", "dashboard"},
    "rich": {"dashboard", "launchers"},
    "zmq": {"bus"},
    "exchange_calendars": {"data"},
    "distributed": {"launchers"},
    "pyarrow": {"pricing/scenarios"},
    "arch": {"data/daily"},
    "skfolio": {"data/daily"},
}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def clock_and_chance(path: Path) -> Iterator[str]:
    text = path.read_text()
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        name = dotted(node.func) if isinstance(node, ast.Call) else ""
        if FORBIDDEN_CALLS.match(name) and ESCAPE not in lines[node.lineno - 1]:  # type: ignore[attr-defined]
            yield f"{path.relative_to(ROOT)}:{node.lineno} {name}"  # type: ignore[attr-defined]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Call) and dotted(node.func).endswith("import_module"):
            yield from (one.value for one in node.args[:1] if isinstance(one, ast.Constant))


def test_wall_clock_and_global_randomness_stay_in_their_seams() -> None:
    found = [place for path in SOURCES for place in clock_and_chance(path)]
    assert found == []


def test_the_check_sees_what_it_should() -> None:
    for name in ("time.time", "time.time_ns", "dt.datetime.now", "np.random.rand", "random.random"):
        assert FORBIDDEN_CALLS.match(name), name
    for name in ("time.monotonic", "rng.random", "np.random.default_rng", "np.random.SeedSequence"):
        assert not FORBIDDEN_CALLS.match(name), name


@pytest.mark.parametrize("library", sorted(HOMES))
def test_heavy_imports_stay_home(library: str) -> None:
    strangers = [
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if any(name.partition(".")[0] == library for name in imported(path))
        and not any(path.relative_to(ROOT).as_posix().startswith(home) for home in HOMES[library])
    ]
    assert strangers == []


def test_no_logic_in_package_files() -> None:
    for path in SOURCES:
        if path.name == "__init__.py":
            kinds = {type(node).__name__ for node in ast.parse(path.read_text()).body}
            assert kinds <= {"Expr", "Import", "ImportFrom", "Assign", "AnnAssign", "FunctionDef", "If"}, path
