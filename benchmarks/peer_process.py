"""Peers that cannot live in our environment: made by scripts/bench_env.sh, warm, fed through .npy files."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import SelfTimed

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    "peers": "bench-peers",
    "vollib": "bench-venv",
    "voltic": "bench-voltic",
    "books": "bench-books",
    "risk": "bench-risk",
    "quantlib": "bench-quantlib",
}


class PeerProcess:
    """The interpreter of one peer environment, serving ``benchmarks/peers/serve_<script or name>.py``.

    Where the environment cannot be made, `missing` says why, loudly and once, and there are no contenders.
    """

    def __init__(self, name: str, script: str | None = None) -> None:
        self.name = name
        self.missing = ""
        self._folder = tempfile.TemporaryDirectory()
        self._saved: set[str] = set()
        self._process: subprocess.Popen[str] | None = None
        made = subprocess.run(
            [ROOT / "scripts/bench_env.sh", name], capture_output=True, text=True, check=False
        )
        if made.returncode:
            reason = next((line for line in made.stderr.splitlines() if line.strip()), "no reason given")
            self.missing = f"scripts/bench_env.sh {name} failed: {reason.strip()}"
            print(f"!!! PEERS OF '{name}' DO NOT RUN: {self.missing}")
            return
        self._process = subprocess.Popen(
            [ROOT / "build" / FOLDERS[name] / "bin/python", "-W", "ignore",
             ROOT / f"benchmarks/peers/serve_{script or name}.py", self._folder.name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> PeerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.communicate()
        self._folder.cleanup()

    def contender(self, job: str, prefix: str, data: Mapping[str, NDArray[Any]]) -> SelfTimed:
        """Return `job` on `data`, which is handed over once for every `prefix`."""
        if prefix not in self._saved:
            for name, column in data.items():
                np.save(Path(self._folder.name) / f"{prefix}_in_{name}.npy", column)
            self._saved.add(prefix)
        asked = False

        def call() -> tuple[dict[str, NDArray[Any]], float]:
            nonlocal asked
            save, asked = not asked, True  # the answer is checked once, before the timed rounds
            return self._call(job, prefix, save=save)

        return SelfTimed(call)

    def _call(self, job: str, prefix: str, *, save: bool) -> tuple[dict[str, NDArray[Any]], float]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError(f"the peer process '{self.name}' is not running")
        process.stdin.write(json.dumps({"job": job, "inputs": prefix, "save": save}) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the peer process '{self.name}' ended during {job}")
        start = f"{prefix}_{job}_"
        files = Path(self._folder.name).glob(f"{start}*.npy") if save else []
        results = {path.stem.removeprefix(start): np.load(path) for path in files}
        return results, json.loads(answer)["seconds"]
