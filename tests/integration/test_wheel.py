"""The wheel alone: everything it needs is inside, and the demo runs from an empty folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
# It compiles the whole core: minutes, and many more on a machine that does something else.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def run(*words: str | Path, cwd: Path, timeout: float = 1200) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    ended = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert ended.returncode == 0, f"{words}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not UV.exists():
        pytest.skip(f"no uv beside {sys.executable} to build a wheel with")
    folder = tmp_path_factory.mktemp("wheel")
    # With build isolation, as `pip install .` does it, and in a build folder of its own: the one in the
    # tree belongs to the editable install.
    words = ["build", "--wheel", "-q", "--python", sys.executable]
    run(UV, *words, "-C", f"build-dir={folder / 'build'}", "--out-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; the other libraries are borrowed from this one."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run(UV, "pip", "install", "-q", "--no-deps", "--offline", "--python", python, wheel, cwd=folder)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    # A path line in a .pth is searched last and runs no .pth of its own: no editable install gets in.
    Path(site, "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_contents(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    inside = set(names)
    for needed in (
        "optionsib/py.typed",
        "optionsib/_config/main_config.yaml",
        "optionsib/_config/environment/dev.yaml",
        "optionsib/_config/environment/paper.yaml",
        "optionsib/_config/environment/prod.yaml",
        "optionsib/_vault_program/vault.json",
        "optionsib/_vault_program/vault.so",
        "optionsib/_vault_program/withdraw.py",
        "optionsib/models/artefacts/simulated.onnx",
        "optionsib/models/artefacts/simulated.json",
    ):
        assert needed in inside
    modules = [name for name in names if re.fullmatch(r"optionsib/_native/_\w+\.[^/]*so", name)]
    assert modules
    for module in modules:
        stub = module.partition(".")[0] + ".pyi"
        assert stub in inside, f"{module} has no stub"
    package = ROOT / "python" / "optionsib"
    for path in package.rglob("*"):
        shipped = path.suffix in (".py", ".pyi", ".css", ".js", ".html", ".yaml", ".json", ".onnx")
        if path.is_file() and shipped and "__pycache__" not in path.parts:
            assert f"optionsib/{path.relative_to(package).as_posix()}" in inside
    assert [n for n in names if n.endswith((".pyx", ".cpp", ".hpp", ".a", ".zip", ".sqlite"))] == []
    assert [n for n in names if n.split("/")[0] not in ("optionsib",) and ".dist-info/" not in n] == []
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_import_loads_numpy_and_the_core_only(installed: Path, tmp_path: Path) -> None:
    code = (
        "import json, sys\n"
        "before = set(sys.modules)\n"
        "import optionsib\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(json.dumps([optionsib.__file__, sorted(new - set(sys.stdlib_module_names))]))"
    )
    place, loaded = json.loads(run(installed, "-c", code, cwd=tmp_path))
    assert Path(place).is_relative_to(installed.parents[1]), "the wheel's, not the tree's"
    assert set(loaded) <= {"optionsib", "numpy", "cython_runtime"} | {
        m for m in loaded if m.startswith("_cython")
    }


def test_commands_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    command = installed.with_name("optionsib")
    option = ["--spot", "42", "--strike", "40", "--years", "0.5", "--rate", "0.1", "--volatility", "0.2"]
    price = run(command, "price", "call", *option, "--json", cwd=tmp_path)
    assert json.loads(price)["price"] == pytest.approx(4.759422392871532)
    played = run(command, "demo", "--first-minute", "30", "--minutes", "5", cwd=tmp_path)
    assert re.fullmatch(r"journal sha256 [0-9a-f]{64}", played.splitlines()[-1])
    assert (tmp_path / "var" / "demo" / "report.html").stat().st_size > 100_000
    assert [path.name for path in tmp_path.iterdir()] == ["var"]
    audited = run(command, "audit", "verify", "var/demo/journal.sqlite", cwd=tmp_path)
    assert audited.splitlines()[-1] == played.splitlines()[-1]
