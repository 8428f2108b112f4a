"""The daemon's end of a model that runs in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import ModelError
from optionsib.models.card import ModelCard, Stage
from optionsib.models.host import LENGTH_BYTES, Answer, Hello, Question, frame
from optionsib.models.serving import Forecast

START_SECONDS = 60.0  # to load and warm up
END_SECONDS = 5.0  # for a killed process to be gone; one that waits for a dead disk is left behind
_DOUBLE_BYTES = 8
HANG_SECONDS = 10.0  # after this a process that has not answered is ended


class ModelProcess:
    """One running model. Make it with ``start``; ask one question at a time.

    ``missing``: what of it does not serve though its card was written for the whole, "" = nothing.
    """

    def __init__(
        self, path: Path, card: ModelCard, process: asyncio.subprocess.Process, missing: str = ""
    ) -> None:
        self.path = path
        self.card = card
        self.missing = missing
        self._process = process
        self._number = 0
        self._asked: asyncio.Task[Answer] | None = None
        self._asked_at = 0.0

    @classmethod
    async def start(
        cls,
        path: Path,
        *,
        stage: Stage,
        expected_card: str | None = None,
    ) -> ModelProcess:
        """Start a process, have it load ``path`` and run once; ``expected_card``: SHA-256 of its card.

        Raises
        ------
        ModelError
            If the model may not serve (see ``OnnxModel.load``), is not the expected one, or its process ends
            or says nothing.
        """
        secrets = "OPTIONSIB_"
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "optionsib.models.host", str(path.resolve()), stage,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if not name.startswith(secrets)},
                start_new_session=True,  # Ctrl-C is for the daemon
            )  # fmt: skip
        except OSError as error:  # no memory, no files left, too many processes
            raise ModelError(f"a process for model {path} could not be started: {error}") from error
        try:
            async with asyncio.timeout(START_SECONDS):
                hello = msgspec.msgpack.decode(await _message(process), type=Hello)
        except BaseException as error:
            await _end(process)
            if isinstance(error, TimeoutError):
                raise ModelError(f"model {path} was not ready within {START_SECONDS:.0f} s") from error
            if isinstance(error, asyncio.IncompleteReadError | msgspec.DecodeError | UnicodeDecodeError):
                raise ModelError(f"model {path} did not start: {_ending(process)}") from error
            raise
        if hello.card is None:
            await _end(process)
            raise ModelError(hello.error)
        if expected_card is not None and hello.card.sha256 != expected_card:
            await _end(process)
            raise ModelError(
                f"model {path} is another one by now: its card has sha256 {hello.card.sha256[:12]}, and had "
                f"{expected_card[:12]}"
            )
        return cls(path, hello.card, process, hello.missing)

    @property
    def model_id(self) -> str:
        """``ModelCard.model_id``."""
        return self.card.model_id

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """False once the process has ended."""
        return self._process.returncode is None

    async def predict(self, rows: NDArray[np.float32], *, patience: float) -> Forecast:
        """Forecast ``rows`` (n, ...) of the input shape within ``patience`` real seconds.

        Raises
        ------
        ModelError
            If the answer is late, the model fails, or its process has ended. A process that owes an answer
            for ``HANG_SECONDS`` is ended.
        """
        loop = asyncio.get_running_loop()
        if self._asked is not None and not self._asked.done():
            owed = loop.time() - self._asked_at
            if owed > HANG_SECONDS:
                await self.close()
                raise ModelError(f"the model hung: no answer for {owed:.0f} s, its process was ended")
            raise ModelError("late: an earlier forecast is still being computed")
        self._number += 1
        self._asked_at = loop.time()
        self._asked = asyncio.create_task(self._exchange(Question(self._number, rows.tobytes())))
        await asyncio.wait({self._asked}, timeout=patience)
        if not self._asked.done():
            self._asked.add_done_callback(_forget)
            raise ModelError(f"late: no forecast within {patience:g} s")
        answer = self._asked.result()
        if answer.error:
            raise ModelError(answer.error)
        if len(answer.probability) != _DOUBLE_BYTES * len(rows) or len(answer.abstains) != len(rows):
            raise ModelError(f"the model answered something else than {len(rows)} forecasts")
        self.missing = answer.missing
        return Forecast(
            np.frombuffer(answer.probability, dtype=np.float64),
            np.frombuffer(answer.abstains, dtype=np.bool_),
        )

    async def close(self) -> None:
        """End the process."""
        if self._asked is not None:
            self._asked.cancel()
        await _end(self._process)

    async def _exchange(self, question: Question) -> Answer:
        try:
            if self._process.stdin is None:
                raise ModelError("the model's process has no input")
            self._process.stdin.write(frame(question))
            await self._process.stdin.drain()
            answer = msgspec.msgpack.decode(await _message(self._process), type=Answer)
        except (OSError, asyncio.IncompleteReadError, msgspec.DecodeError, UnicodeDecodeError) as error:
            await _end(self._process)
            raise ModelError(f"the model crashed: {_ending(self._process)}") from error
        if answer.number != question.number:
            await _end(self._process)
            raise ModelError(f"the model answered question {answer.number}, asked was {question.number}")
        return answer


def _forget(task: asyncio.Task[Answer]) -> None:
    """Take a late answer, or its error, without a word: it has been told already."""
    if not task.cancelled():
        task.exception()


async def _message(process: asyncio.subprocess.Process) -> bytes:
    if process.stdout is None:
        raise ModelError("the model's process has no output")
    head = await process.stdout.readexactly(LENGTH_BYTES)
    return await process.stdout.readexactly(int.from_bytes(head, "little"))


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            await process.wait()


def _ending(process: asyncio.subprocess.Process) -> str:
    code = process.returncode
    if code is not None and code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process left with exit code {code}"
