"""The protocol between a benchmark and a peer in an environment of its own.

Started as ``python <script> <folder>``. Every line on standard input is a request in JSON:
``{"job": name, "inputs": prefix, "save": bool}``. The inputs are ``<prefix>_<name>.npy`` in the folder, read
once and prepared before anything is timed. The answer is ``{"seconds": CPU seconds of this process}``; with
``save`` the results are written to ``<prefix>_<job>_<result>.npy`` first.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Job = Callable[[], dict[str, Any]]


def serve(prepare: Callable[[str, dict[str, Any]], Job]) -> None:
    """Answer requests until standard input ends; ``prepare(job, inputs)`` returns what is timed."""
    folder = Path(sys.argv[1])
    inputs: dict[str, dict[str, Any]] = {}
    jobs: dict[tuple[str, str], Job] = {}
    for line in sys.stdin:
        request = json.loads(line)
        name, prefix = request["job"], request["inputs"]
        if prefix not in inputs:
            files = folder.glob(f"{prefix}_in_*.npy")
            inputs[prefix] = {path.stem.removeprefix(f"{prefix}_in_"): np.load(path) for path in files}
        if (name, prefix) not in jobs:
            jobs[name, prefix] = prepare(name, inputs[prefix])
        start = time.process_time()
        results = jobs[name, prefix]()
        # A job that must prepare something every time says itself how long its work took.
        seconds = results.pop("seconds", time.process_time() - start)
        if request["save"]:
            for result, values in results.items():
                np.save(folder / f"{prefix}_{name}_{result}.npy", np.asarray(values, dtype=float).ravel())
        print(json.dumps({"seconds": seconds}), flush=True)
