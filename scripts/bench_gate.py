"""Fail when a pricing kernel has become slower than its stored baseline.

    scripts/bench_gate.py              compare (make bench-gate)
    scripts/bench_gate.py --update     write the baseline of this machine and compiler
    scripts/bench_gate.py --selftest   show that 20 % more work makes the gate fail

Two measures. *Times*: a kernel's time over the time of its floor (benchmarks/floors), C++ to C++,
alternating rounds, median of the paired ratios, on every SIMD path of this machine; stored per CPU model,
path and compiler. *Instructions*: counted by callgrind, exactly repeatable, on the baseline and AVX2 paths
(valgrind knows no AVX-512); stored per architecture, path and compiler. Where nothing is stored the numbers
are reported and do not fail.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import native  # noqa: E402

BASELINE = ROOT / "benchmarks" / "gate_baseline.json"
SELFTEST_FOLDER = ROOT / "build" / "bench-selftest"
MOST_TIME, MOST_INSTRUCTIONS = 1.12, 1.05
ROUNDS, ATTEMPTS = 31, 3
COUNTED_PATHS = ("baseline", "avx2")

Numbers = dict[str, float]


@dataclass(frozen=True, slots=True)
class Finding:
    """One kernel against its baseline; `baseline` is None where nothing is stored."""

    measure: str
    path: str
    kernel: str
    value: float
    baseline: float | None
    most: float

    @property
    def change(self) -> float | None:
        """The value over its baseline."""
        return None if self.baseline is None else self.value / self.baseline

    @property
    def failed(self) -> bool:
        """Whether the kernel is slower than allowed."""
        return self.change is not None and self.change > self.most


def judge(
    measure: str, path: str, values: Mapping[str, float], stored: Mapping[str, float] | None, most: float
) -> list[Finding]:
    """Compare measured numbers with the stored ones.

    Raises
    ------
    ValueError
        If something stored was not measured: a kernel must not leave the gate by losing its name.
    """
    gone = sorted(set(stored or {}) - set(values))
    if gone:
        raise ValueError(
            f"the baseline of {measure} ({path}) has kernels that were not measured: {', '.join(gone)}"
        )
    return [
        Finding(measure, path, kernel, value, (stored or {}).get(kernel), most)
        for kernel, value in values.items()
    ]


def judge_times(
    path: str, measure: Callable[[], Numbers], stored: Numbers | None, attempts: int = ATTEMPTS
) -> list[Finding]:
    """Measure up to `attempts` times; a kernel passes with its best."""
    best: Numbers = {}
    for _ in range(attempts if stored else 1):
        for kernel, value in measure().items():
            best[kernel] = min(value, best.get(kernel, value))
        findings = judge("time / floor", path, best, stored, MOST_TIME)
        if not any(finding.failed for finding in findings):
            break
    return findings


def measure_times(programs: Path, path: str) -> Numbers:
    """Return every kernel's median ratio to its floor."""
    found = native.kernel_benchmark(programs, "gate", str(ROUNDS), path=path)
    if found["path"] != path:
        raise RuntimeError(f"asked for the {path} path, got {found['path']}")
    return {kernel: statistics.median(ratios) for kernel, ratios in found["ratios"].items()}


def count_instructions(programs: Path, path: str, sizes: Mapping[str, int]) -> Numbers:
    """Return every kernel's instructions per option, by callgrind; `sizes`: options of one run of each."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/out",
             programs / "kernel_benchmark", "count"],
            capture_output=True, text=True, check=False, env={**os.environ, "OPTIONSIB_SIMD": path},
        )  # fmt: skip
        counts: Numbers = {}
        for file in Path(folder).iterdir():
            dump = file.read_text()
            name = re.search(r"^desc: Trigger: Client Request: (.+)$", dump, re.MULTILINE)
            total = re.search(r"^(?:summary|totals): (\d+)$", dump, re.MULTILINE)
            if name and total and int(total[1]) > 0:
                counts[name[1]] = int(total[1]) / sizes[name[1]]
    if done.returncode or set(counts) != set(sizes):
        missing = ", ".join(sorted(set(sizes) - set(counts)))
        raise RuntimeError(f"callgrind on the {path} path gave no count of {missing}:\n{done.stderr[-2000:]}")
    return {kernel: counts[kernel] for kernel in sizes}


class Baseline:
    """The stored numbers, by measure and place."""

    def __init__(self, file: Path, compiler: str) -> None:
        self.file = file
        self.compiler = compiler
        self.content: dict[str, dict[str, Numbers]] = {"times": {}, "instructions": {}}
        if file.exists():
            self.content.update(json.loads(file.read_text()))

    def time_key(self, path: str) -> str:
        """Return where the times of this machine stand."""
        return f"{native.processor()} | {path} | {self.compiler}"

    def instruction_key(self, path: str) -> str:
        """Return where the instruction counts of this compiler stand."""
        return f"{os.uname().machine} | {path} | {self.compiler}"

    def write(self) -> None:
        """Write the file, sorted."""
        self.file.write_text(json.dumps(self.content, indent=2, sort_keys=True) + "\n")


def measure_all(programs: Path, baseline: Baseline, *, times: bool, instructions: bool) -> list[Finding]:
    """Measure and judge every path of this machine."""
    findings: list[Finding] = []
    paths: list[str] = native.kernel_benchmark(programs, "paths")
    if times:
        for path in paths:
            stored = baseline.content["times"].get(baseline.time_key(path))
            findings += judge_times(path, functools.partial(measure_times, programs, path), stored)
    for path in (path for path in paths if instructions and path in COUNTED_PATHS):
        stored = baseline.content["instructions"].get(baseline.instruction_key(path))
        counts = count_instructions(programs, path, kernel_sizes(programs))
        findings += judge("instructions", path, counts, stored, MOST_INSTRUCTIONS)
    return findings


def kernel_sizes(programs: Path) -> dict[str, int]:
    """Return the kernels under the gate, and how many options one run of each does."""
    sizes: dict[str, int] = native.kernel_benchmark(programs, "kernels")
    return sizes


def print_findings(findings: list[Finding]) -> None:
    """Print one line a kernel."""
    print(f"{'measure':<14} {'path':<9} {'kernel':<36} {'value':>9} {'baseline':>9} {'change':>8}")
    for f in findings:
        stored = "unknown" if f.baseline is None else f"{f.baseline:.4g}"
        change = "" if f.change is None else f"{f.change - 1:+.1%}"
        failed = f"  SLOWER than {f.most - 1:+.0%}" if f.failed else ""
        print(f"{f.measure:<14} {f.path:<9} {f.kernel:<36} {f.value:>9.4g} {stored:>9} {change:>8}{failed}")


def store(programs: Path, baseline: Baseline, *, times: bool, instructions: bool) -> None:
    """Put this machine's numbers into the baseline: of each time the median of three measurements."""
    for path in native.kernel_benchmark(programs, "paths"):
        if times:
            runs = [measure_times(programs, path) for _ in range(3)]
            baseline.content["times"][baseline.time_key(path)] = {
                kernel: round(statistics.median(run[kernel] for run in runs), 5) for kernel in runs[0]
            }
        if instructions and path in COUNTED_PATHS:
            counts = count_instructions(programs, path, kernel_sizes(programs))
            baseline.content["instructions"][baseline.instruction_key(path)] = {
                kernel: round(count, 2) for kernel, count in counts.items()
            }


def selftest(*, times: bool, instructions: bool) -> int:
    """Hold kernels with 20 % more work against the kernels as they are: the gate must fail on every path.

    Every instruction count must be caught. Of the times most must be: noise may hide one where it would not
    hide all.
    """
    baseline = Baseline(BASELINE, native.compiler())
    store(native.build(), baseline, times=times, instructions=instructions)
    slower = native.build(SELFTEST_FOLDER, "-DOPTIONSIB_GATE_SELFTEST=ON")
    findings = measure_all(slower, baseline, times=times, instructions=instructions)
    print_findings(findings)
    wrong = 0
    for measure, path in dict.fromkeys((finding.measure, finding.path) for finding in findings):
        group = [finding for finding in findings if (finding.measure, finding.path) == (measure, path)]
        caught = sum(finding.failed for finding in group)
        enough = caught == len(group) if measure == "instructions" else 2 * caught > len(group)
        wrong += not enough
        verdict = "caught" if enough else "caught: THE GATE DOES NOT BITE"
        print(f"{measure}, {path}: {caught} of {len(group)} {verdict}")
    print(f"bench-gate self-test: {'FAILED' if wrong or not findings else 'passed'}")
    return 1 if wrong or not findings else 0


def main(arguments: list[str]) -> int:
    """Run the gate; 1 when a kernel is slower than allowed."""
    parser = argparse.ArgumentParser(description="Regression gate of the pricing kernels.")
    parser.add_argument("--update", action="store_true", help="store this machine's numbers as the baseline")
    parser.add_argument("--selftest", action="store_true", help="show that 20 %% more work fails")
    parser.add_argument(
        "--times", choices=("fail", "report", "skip"), default="fail", help="what a slower time does"
    )
    options = parser.parse_args(arguments)
    options.instructions = shutil.which("valgrind") is not None
    if not options.instructions:
        print("!!! valgrind is missing: instructions are not counted (apt-get install valgrind)")
    parts = {"times": options.times != "skip", "instructions": options.instructions}
    if options.selftest:
        return selftest(**parts)
    programs = native.build()
    baseline = Baseline(BASELINE, native.compiler())
    if options.update:
        store(programs, baseline, **parts)
        baseline.write()
        print(f"written: {baseline.file.relative_to(ROOT)}")
        return 0
    findings = measure_all(programs, baseline, **parts)
    print_findings(findings)
    if any(finding.baseline is None for finding in findings):
        print(f"unknown here: {native.processor()}, {baseline.compiler}; reported only (--update stores it)")
    slower = [f for f in findings if f.failed and (f.measure == "instructions" or options.times == "fail")]
    print(
        f"bench-gate: {'FAILED' if slower else 'passed'}, {len(slower)} of {len(findings)} numbers too slow"
    )
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
