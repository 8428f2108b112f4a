"""Run every benchmark module, or those named: ``python -m benchmarks.run [area ...] [--publish]``.

Tables are printed and written to ``var/benchmarks/<area>.json`` and ``.md``. With ``--publish`` they also
replace the measured table of ``benchmarks/README.md`` and ``benchmarks/results/<area>.json``.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
import platform
import shutil
import sys
from pathlib import Path

from benchmarks.harness import print_table, write_results
from benchmarks.native import processor

HERE = Path(__file__).parent


def facts(command: str) -> dict[str, str]:
    """Return when, where and how the run was made."""
    from optionsib._native import _core

    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return {
        "date": today,
        "CPU": f"{processor()} ({os.cpu_count()} CPUs)",
        "SIMD path": _core.simd_path(),
        "Python": platform.python_version(),
        "command": f"`{command}`",
    }


def publish(area: str, data: Path, table: Path) -> None:
    """Put the table between the marks of the README, and the data beside it.

    Raises
    ------
    ValueError
        If the README has no marks for this area.
    """
    readme = HERE / "README.md"
    text = readme.read_text()
    first, last = f"<!-- measured: {area} -->\n", "<!-- end -->"
    if first not in text or last not in text.split(first, 1)[1]:
        raise ValueError(f"{readme} has no '{first.strip()}' ... '{last}' to put the table between")
    before, rest = text.split(first, 1)
    readme.write_text(f"{before}{first}\n{table.read_text()}\n{last}{rest.split(last, 1)[1]}")
    (HERE / "results").mkdir(exist_ok=True)
    shutil.copy(data, HERE / "results" / f"{area}.json")


def main(arguments: list[str]) -> int:
    """Run the areas (all when empty), print the tables, write the files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument("areas", nargs="*")
    parser.add_argument("--publish", action="store_true", help="replace the measured table of the README")
    options = parser.parse_args(arguments)
    known = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    unknown = sorted(set(options.areas) - set(known))
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    about = facts(" ".join(["python -m benchmarks.run", *arguments]))
    for area in options.areas or known:
        rows = importlib.import_module(f"benchmarks.bench_{area}").rows()
        print_table(area, rows)
        data, table = write_results(area, rows, about)
        print(f"written: {data} and {table.name}")
        if options.publish:
            publish(area, data, table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
