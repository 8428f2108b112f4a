"""A small recurrent network that forecasts a 0/1 label from the last rows of features.

One long short-term memory layer (Hochreiter and Schmidhuber, Neural Computation 9 (1997)), dropout on its
last state, a logistic head; fitted by AdamW on the log loss, ended by a purged validation part. Training
needs the ``torch`` extra; what is served is ONNX and needs onnxruntime alone.
"""

from __future__ import annotations

import hashlib
import io
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import MissingExtraError, ModelError
from optionsib.features.normalizer import QuantileNormalizer
from optionsib.models.sequences import sequences
from optionsib.models.serving import PROBABILITIES, OnnxSession
from optionsib.models.splits import Split

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
Labels = NDArray[np.int8]

TOLERANCE = 2e-6  # largest difference of a probability between torch and ONNX Runtime
_OPSET = 18
_BATCH = 64
_GRADIENT_LIMIT = 1.0


@dataclass(frozen=True, slots=True)
class EpochScores:
    """Mean log loss a row after an epoch (counted from 1) of at most ``epochs``."""

    epoch: int
    epochs: int
    training: float
    validation: float
    best: float


class MarketLSTM:
    """A fitted network. Make it with ``fit``.

    ``curves``: ``training`` and ``validation`` log loss by epoch; ``best_epoch`` (from 1) is the one kept.
    """

    def __init__(
        self, network: Any, normalizer: QuantileNormalizer, window: int, curves: dict[str, list[float]]
    ) -> None:
        self._network = network
        self.normalizer = normalizer
        self.window = window
        self.curves = curves
        self.best_epoch = 1 + int(np.argmin(curves["validation"]))

    @classmethod
    def fit(
        cls,
        matrix: Matrix,
        label: Labels,
        split: Split,
        feature_names: tuple[str, ...],
        *,
        window: int,
        known_until_ns: int,
        seed: int,
        epochs: int = 60,
        patience: int = 8,
        hidden: int = 16,
        dropout: float = 0.2,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-3,
        checkpoint: Path | None = None,
        progress: Callable[[EpochScores], None] | None = None,
    ) -> MarketLSTM:
        """Fit on ``split.training``, end by ``split.validation``; one thread, seeded, the same bits again.

        Parameters
        ----------
        matrix : (n, k)
            Features, rows in time order; NaN is a missing one. A row sees the ``window`` rows up to itself.
        label : (n,)
            0 or 1.
        split
            Purged (see ``models.splits``); rows without a whole window are left out.
        known_until_ns
            When the last row of the training part was known, UTC ns.
        epochs, patience
            At most so many, and so many without a better validation loss.
        checkpoint
            Written after each epoch, removed at the end. One of the same data and parameters is gone on from,
            with the bits of a run that was not interrupted.
        progress
            Called after each epoch.

        Raises
        ------
        ModelError
            If a part lacks one of the labels, shapes do not fit, a parameter is out of range, the fit
            diverges, or the checkpoint is of another run.
        MissingExtraError
            If torch is not installed.
        """
        if matrix.ndim != 2 or label.shape != (len(matrix),) or matrix.shape[1] != len(feature_names):
            raise ModelError(
                f"matrix {matrix.shape}, label {label.shape}, {len(feature_names)} names: expected (n, k), "
                "(n,), k"
            )
        if not (window >= 1 and epochs >= 1 and patience >= 1 and hidden >= 1 and 0.0 <= dropout < 1.0):
            raise ModelError(
                f"window {window}, epochs {epochs}, patience {patience}, hidden {hidden}, dropout {dropout}: "
                "expected at least 1, and 0 <= dropout < 1"
            )
        training, validation = (rows[rows >= window - 1] for rows in (split.training, split.validation))
        for part, rows in (("training", training), ("validation", validation)):
            if len(np.unique(label[rows])) < 2:
                raise ModelError(
                    f"{part} part has {len(rows)} rows and not both labels: nothing can be learnt"
                )
        torch = _torch()
        normalizer = QuantileNormalizer.fit(
            matrix[split.training], feature_names, known_until_ns=known_until_ns
        )
        inputs = sequences(normalizer.transform(matrix), window)
        numbers = (window, seed, epochs, patience, hidden, dropout, learning_rate, weight_decay)
        run = _fingerprint(matrix, label, training, validation, numbers)
        with _alone(torch, seed):
            network = _make(torch, matrix.shape[1], hidden, dropout)
            optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
            state = _State(torch, network, optimizer, run, checkpoint)
            state.resume()
            wanted = torch.from_numpy(label.astype(np.float32))
            while len(state.validation) < epochs and state.waited < patience:
                order = training[torch.randperm(len(training)).numpy()]
                state.training.append(_one_epoch(torch, network, optimizer, inputs, wanted, order))
                state.judge(_loss(torch, network, inputs, wanted, validation))
                state.save()
                if progress is not None:
                    progress(state.scores(epochs))
            network.load_state_dict(state.best)
            network.eval()
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
        curves = {"training": state.training, "validation": state.validation}
        return cls(network, normalizer, window, curves)

    def probabilities(self, matrix: Matrix) -> Floats:
        """Return the probability (n,) of label 1 for rows (n, k) in time order.

        NaN for the first ``window - 1`` rows, and where a row of the window has no feature at all.
        """
        torch = _torch()
        inputs = sequences(self.normalizer.transform(matrix), self.window)
        with torch.no_grad():
            found = self._network(torch.from_numpy(np.ascontiguousarray(inputs)))[:, 1]
        unknown = np.asarray(np.isnan(inputs).all(axis=2)).any(axis=1)
        return np.where(unknown, np.nan, found.numpy().astype(np.float64))

    def to_onnx(self, rows: Matrix) -> tuple[bytes, float]:
        """Return the network as ONNX, and its largest difference from torch on ``rows`` (n, k).

        Input ``features`` float32 (n, window, k), normalised; output ``probabilities`` (n, 2).

        Raises
        ------
        ModelError
            If it differs by more than ``TOLERANCE``, also when rows are asked one by one.
        MissingExtraError
            If onnxscript is not installed.
        """
        torch = _torch()
        try:
            import onnxscript  # noqa: F401
        except ModuleNotFoundError as error:
            raise MissingExtraError("train", "onnxscript") from error
        shape = (2, self.window, len(self.normalizer.state.names))
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), _quiet():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                self._network,
                (torch.zeros(shape),),
                input_names=["features"],
                output_names=[PROBABILITIES],
                dynamic_shapes=({0: torch.export.Dim("rows")},),
                opset_version=_OPSET,
                dynamo=True,
                external_data=False,
            )
        model = program.model_proto
        for node in model.graph.node:
            del node.metadata_props[:]  # stack traces, with the paths of this machine
            node.doc_string = ""
        del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
        content = bytes(model.SerializeToString(deterministic=True))
        return content, self._check(content, rows)

    def _check(self, content: bytes, rows: Matrix) -> float:
        inputs = sequences(self.normalizer.transform(rows), self.window)[self.window - 1 :]
        expected = self.probabilities(rows)[self.window - 1 :]
        session = OnnxSession(content, "to be checked")
        together = session.probabilities(inputs)
        few = np.linspace(0, len(inputs) - 1, min(len(inputs), 50)).astype(int)
        alone = np.array([session.probabilities(inputs[k : k + 1])[0] for k in few])
        known = np.isfinite(expected)
        difference = float(np.abs(together - expected)[known].max(initial=0.0))
        apart = float(np.abs(alone - expected[few])[known[few]].max(initial=0.0))
        if not max(difference, apart) <= TOLERANCE:
            raise ModelError(
                f"exported network differs from torch by {max(difference, apart):.2e} on {len(inputs)} rows, "
                f"expected at most {TOLERANCE:.0e}"
            )
        return max(difference, apart)


class _State:
    """What an interrupted run needs to go on."""

    def __init__(self, torch: Any, network: Any, optimizer: Any, run: str, path: Path | None) -> None:
        self._torch, self._network, self._optimizer, self._run, self._path = (
            torch, network, optimizer, run, path,
        )  # fmt: skip
        self.training: list[float] = []
        self.validation: list[float] = []
        self.best: dict[str, Any] = {}

    @property
    def waited(self) -> int:
        """Epochs since the best one."""
        return len(self.validation) - 1 - int(np.argmin(self.validation)) if self.validation else 0

    def judge(self, loss: float) -> None:
        """Take note of an epoch's validation loss; keep the network if it is the best."""
        if not math.isfinite(loss) or not math.isfinite(self.training[-1]):
            raise ModelError(
                f"epoch {len(self.training)}: log loss {self.training[-1]}, on validation {loss}: the fit "
                "has diverged, expected a smaller learning_rate"
            )
        if not self.validation or loss < min(self.validation):
            self.best = {name: one.clone() for name, one in self._network.state_dict().items()}
        self.validation.append(loss)

    def scores(self, epochs: int) -> EpochScores:
        """Return what the last epoch brought."""
        done = len(self.validation)
        return EpochScores(done, epochs, self.training[-1], self.validation[-1], min(self.validation))

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_name(self._path.name + ".partial")
        self._torch.save(
            {
                "run": self._run,
                "network": self._network.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "chance": self._torch.get_rng_state(),
                "training": self.training,
                "validation": self.validation,
                "best": self.best,
            },
            unfinished,
        )
        unfinished.replace(self._path)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if self._path is None or not self._path.exists():
            return
        try:
            saved = self._torch.load(self._path, weights_only=True)
        except Exception as error:  # torch raises several unrelated types
            raise ModelError(
                f"checkpoint {self._path} is broken: {error}; remove it to begin anew"
            ) from error
        if saved.get("run") != self._run:
            raise ModelError(
                f"checkpoint {self._path} is of other data or parameters; remove it to begin anew"
            )
        self._network.load_state_dict(saved["network"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self._torch.set_rng_state(saved["chance"])
        self.training, self.validation, self.best = saved["training"], saved["validation"], saved["best"]


def _torch() -> Any:
    try:
        import torch  # heavy: only where a network is trained
    except ModuleNotFoundError as error:
        raise MissingExtraError("torch", "torch") from error
    return torch


@contextmanager
def _alone(torch: Any, seed: int) -> Iterator[None]:
    """One thread and a seeded generator; the caller's are as before afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress out of the log."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _make(torch: Any, columns: int, hidden: int, dropout: float) -> Any:
    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.memory = torch.nn.LSTM(columns, hidden, batch_first=True)
            self.dropout = torch.nn.Dropout(dropout)
            self.head = torch.nn.Linear(hidden, 1)

        def logit(self, rows: Any) -> Any:
            known = torch.where(torch.isnan(rows), torch.zeros_like(rows), rows)  # the median: normal scores
            states, _ = self.memory(known)
            return self.head(self.dropout(states[:, -1]))[:, 0]

        def forward(self, rows: Any) -> Any:
            chance = torch.sigmoid(self.logit(rows))
            return torch.stack([1.0 - chance, chance], dim=1)

    return Network()


def _one_epoch(torch: Any, network: Any, optimizer: Any, inputs: Matrix, wanted: Any, order: Any) -> float:
    network.train()
    total = 0.0
    for begin in range(0, len(order), _BATCH):
        rows = order[begin : begin + _BATCH]
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            network.logit(torch.from_numpy(inputs[rows])), wanted[rows]
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_LIMIT)
        optimizer.step()
        total += float(loss.detach()) * len(rows)
    return total / len(order)


def _loss(torch: Any, network: Any, inputs: Matrix, wanted: Any, rows: Any) -> float:
    network.eval()
    with torch.no_grad():
        logit = network.logit(torch.from_numpy(inputs[rows]))
        return float(torch.nn.functional.binary_cross_entropy_with_logits(logit, wanted[rows]))


def _fingerprint(matrix: Matrix, label: Labels, training: Any, validation: Any, numbers: object) -> str:
    found = hashlib.sha256(repr(numbers).encode())
    for part in (matrix, label, training, validation):
        found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()
