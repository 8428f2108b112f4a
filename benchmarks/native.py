"""The C++ side of the benchmarks: built into build/bench, run as processes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "bench"


def build(folder: Path = FOLDER, *options: str) -> Path:
    """Build the benchmarks' programs with the given CMake options and return their folder.

    Raises
    ------
    RuntimeError
        With the compiler's output, if the build fails.
    """
    configure: list[str | Path] = [
        "cmake",
        "-S",
        ROOT,
        "-B",
        folder,
        "-G",
        "Ninja",
        "-DOPTIONSIB_BENCHMARKS=ON",
        *options,
    ]
    make: list[str | Path] = ["cmake", "--build", folder, "-j", "2"]
    for command in (configure, make):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(
                f"the C++ benchmarks do not build:\n{done.stdout[-4000:]}{done.stderr[-2000:]}"
            )
    return folder / "benchmarks" / "cpp"


def kernel_benchmark(folder: Path, *arguments: str, path: str | None = None) -> Any:
    """Run ``kernel_benchmark`` on a SIMD path (the machine's best when None) and return what it prints."""
    environment = {**os.environ} if path is None else {**os.environ, "OPTIONSIB_SIMD": path}
    done = subprocess.run(
        [folder / "kernel_benchmark", *arguments],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"kernel_benchmark {' '.join(arguments)} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def processor() -> str:
    """Return vendor, family, model, stepping and name of the CPU: what a stored timing belongs to."""
    found: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    if not {"model name", "vendor_id", "cpu family", "model", "stepping"} <= found.keys():
        marks = [found[name] for name in ("CPU implementer", "CPU part", "CPU revision") if name in found]
        return " ".join([os.uname().machine, "CPU", *marks])
    numbers = f"family {found['cpu family']} model {found['model']} stepping {found['stepping']}"
    return f"{found['model name']}, {found['vendor_id']} {numbers}"


def compiler(folder: Path = FOLDER) -> str:
    """Return the compiler of a build and its major version: instruction counts and floors belong to it."""
    for line in (folder / "CMakeCache.txt").read_text().splitlines():
        if line.startswith("CMAKE_CXX_COMPILER:"):
            program = line.partition("=")[2]
            break
    else:
        raise RuntimeError(f"{folder} is no CMake build folder")
    version = subprocess.run([program, "-dumpversion"], capture_output=True, text=True, check=True).stdout
    name = "clang" if "clang" in Path(program).name else "gcc"
    return f"{name} {version.partition('.')[0].strip()}"
