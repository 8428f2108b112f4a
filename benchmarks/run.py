"""Run every benchmark module, or those named on the command line: ``python -m benchmarks.run [area ...]``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from benchmarks.harness import print_table, write_json


def main(areas: list[str]) -> int:
    """Run the areas (all when empty), print the tables, write the JSON files."""
    known = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    unknown = sorted(set(areas) - set(known))
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    for area in areas or known:
        rows = importlib.import_module(f"benchmarks.bench_{area}").rows()
        print_table(area, rows)
        print(f"written: {write_json(area, rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
