"""A model in a process of its own: what hangs or crashes there leaves the daemon trading.

``python -m optionsib.models.host PATH STAGE`` loads a model, says so, and answers questions until its
standard input ends. Each message is four bytes of length (little endian) and MessagePack.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import msgspec
import numpy as np

from optionsib.common.errors import ModelError, OptionsIBError
from optionsib.features import CHAIN_FEATURES
from optionsib.models.card import ModelCard, Stage
from optionsib.models.serving import ServedModel, load_served

LENGTH_BYTES = 4
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
Message = TypeVar("Message", bound=msgspec.Struct)


class Hello(msgspec.Struct, frozen=True):
    """The first message: the model is loaded and has run once, or why not; ``missing``: parts left out."""

    card: ModelCard | None
    error: str = ""
    missing: str = ""


class Question(msgspec.Struct, frozen=True):
    """``data``: float32 rows of the card's input shape, one after the other."""

    number: int
    data: bytes


class Answer(msgspec.Struct, frozen=True):
    """``probability``: float64; ``abstains``: one byte each; ``error``: why there are none.

    ``missing``: as in ``Hello``, by now.
    """

    number: int
    probability: bytes = b""
    abstains: bytes = b""
    error: str = ""
    missing: str = ""


def frame(message: msgspec.Struct) -> bytes:
    """Return a message as it goes over the pipe."""
    content = msgspec.msgpack.encode(message)
    return len(content).to_bytes(LENGTH_BYTES, "little") + content


def _read(stream: BinaryIO, kind: type[Message]) -> Message | None:
    head = stream.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    return msgspec.msgpack.decode(stream.read(int.from_bytes(head, "little")), type=kind)


def serve(path: Path, stage: Stage, questions: BinaryIO, answers: BinaryIO) -> int:
    """Load, say hello, answer until ``questions`` ends."""
    try:
        model = load_served(path, stage=stage, features=CHAIN_FEATURES)
        if len(model.card.input_shape) != 1:
            raise ModelError(
                f"model {path} takes {model.card.input_shape} for one forecast: expected one row a contract"
            )
        model.warm_up()
    except OptionsIBError as error:
        answers.write(frame(Hello(None, str(error))))
        answers.flush()
        return 1
    answers.write(frame(Hello(model.card, missing=_missing(model))))
    answers.flush()
    shape = (-1, *model.card.input_shape)
    while (question := _read(questions, Question)) is not None:
        try:
            found = model.predict(np.frombuffer(question.data, dtype=np.float32).reshape(shape))
            answer = Answer(
                question.number,
                found.probability.tobytes(),
                found.abstains.tobytes(),
                missing=_missing(model),
            )
        except (OptionsIBError, ValueError) as error:
            answer = Answer(question.number, error=str(error))
        answers.write(frame(answer))
        answers.flush()
    return 0


def _missing(model: ServedModel) -> str:
    return "; ".join(f"{name}: {why}" for name, why in model.missing.items())


def end_with_parent() -> None:
    """Ask the kernel to end this process with the one that started it, which may be killed while this hangs.

    Linux alone can do that; elsewhere the end of standard input has to be enough.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the daemon decides when to leave
    sys.exit(serve(Path(sys.argv[1]), cast(Stage, sys.argv[2]), sys.stdin.buffer, sys.stdout.buffer))
