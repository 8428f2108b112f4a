"""Work out tasks here or on an executor's workers, which may be processes of other machines.

What is sent is bytes and the identity of the sender's build: a worker of another build refuses before it
reads them, since only the same native code on the same SIMD path gives the same bits.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
import pickle
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _core
from optionsib.pricing._rows import Writer
from optionsib.pricing._simulation import BLOCK_PATHS, Task, finish, run_task

Array = NDArray[np.float64]
Tell = Callable[[int], bool | None]
_OUTSTANDING = 512  # tasks on an executor at a time: what a stop has to cancel


class WorkerMismatchError(ValueError):
    """A worker cannot give the bits that this process would: another build, or no such SIMD path."""


@functools.cache
def build() -> str:
    """Return version and digest of the native core of this process."""
    digest = hashlib.sha256(Path(_core.__file__).read_bytes()).hexdigest()
    return f"optionsib {_core.__version__}, native core {digest[:16]}"


def run_shipped(sender: str, payload: bytes) -> Array:
    """Return the statistics of the blocks of a task that another process sent.

    Raises
    ------
    WorkerMismatchError
        If this process is of another build, or its machine lacks the task's SIMD path.
    """
    if build() != sender:
        raise WorkerMismatchError(f"{_me()} runs {build()}; the work was sent by {sender}: install the same")
    task: Task = pickle.loads(payload)  # noqa: S301 - sent by the process that could send any function as well
    try:
        return run_task(task)
    except ValueError as error:
        raise WorkerMismatchError(f"{_me()}: {error}") from None


def unfit(sender: str, simd_path: str) -> str:
    """Return why this process cannot work for the sender on a SIMD path; empty where it can."""
    if build() != sender:
        return f"runs {build()}; this process is {sender}"
    writer = Writer()
    program = finish(writer, [writer.row(0.0)], ["value"], 0).program(seed=0, paths=1)
    try:
        program.run(0, 1, simd_path)
    except ValueError as error:
        return str(error)
    return ""


def _me() -> str:
    return f"worker {socket.gethostname()} (process {os.getpid()})"


def gather(tasks: Sequence[Task], executor: Executor | None, tell: Tell | None) -> tuple[list[Array], bool]:
    """Return the statistics of the tasks, in order, and whether `tell` stopped the work.

    `tell` is called after each task with the number of samples done so far; where it returns False the
    statistics are those of the first tasks only. What a failed or stopped call leaves behind is cancelled.
    """
    found: list[Array] = []
    done = 0
    if executor is None:
        for task in tasks:
            found.append(run_task(task))
            done += _samples(task)
            if tell is not None and tell(done) is False:
                return found, True
        return found, False
    results: dict[int, Array] = {}
    waiting: dict[Future[Array], int] = {}
    queue = enumerate(tasks)
    try:
        while len(results) < len(tasks):
            for number, task in itertools.islice(queue, _OUTSTANDING - len(waiting)):
                waiting[executor.submit(run_shipped, build(), pickle.dumps(task))] = number
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                number = waiting.pop(future)
                results[number] = future.result()  # the first failure ends it all
                done += _samples(tasks[number])
                if tell is not None and tell(done) is False:
                    return _beginning(results, waiting), True
        return [results[number] for number in range(len(tasks))], False
    finally:
        for future in waiting:
            future.cancel()


def _beginning(results: dict[int, Array], waiting: dict[Future[Array], int]) -> list[Array]:
    """Return the results from the first on without a gap; the first is waited for."""
    if 0 not in results:
        (first,) = (future for future, number in waiting.items() if number == 0)
        results[0] = first.result()
    return [results[number] for number in itertools.takewhile(results.__contains__, itertools.count())]


def _samples(task: Task) -> int:
    first = task.first * BLOCK_PATHS
    return min(task.paths, first + task.count * BLOCK_PATHS) - first
