"""Several assets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from optionsib.pricing._rows import Row, Writer
from optionsib.pricing.correlation import check_correlation, cholesky
from optionsib.pricing.models.base import Model, State
from optionsib.pricing.models.black_scholes import BlackScholes


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiAsset(Model):
    """Several Black-Scholes assets with correlated Brownian motions and one interest rate."""

    type: ClassVar[str] = "multi_asset"
    underlyings: tuple[BlackScholes, ...]
    correlation: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "underlyings", tuple(self.underlyings))
        matrix = np.asarray(self.correlation, dtype=float)
        count = len(self.underlyings)
        if not all(isinstance(asset, BlackScholes) for asset in self.underlyings):
            raise ValueError("underlyings must be BlackScholes models")
        if count == 0 or any(asset.rate != self.underlyings[0].rate for asset in self.underlyings):
            raise ValueError("there must be assets, and all must have one rate")
        if matrix.shape != (count, count):
            raise ValueError(f"correlation must be {count} x {count}, got shape {matrix.shape}")
        check_correlation(matrix)
        object.__setattr__(self, "correlation", tuple(tuple(map(float, row)) for row in matrix))

    @property
    def assets(self) -> int:
        """Return the number of assets."""
        return len(self.underlyings)

    @property
    def normals(self) -> int:
        """Return the number of standard normal numbers of a step."""
        return len(self.underlyings)

    @property
    def events(self) -> tuple[float, ...]:
        """Return the times of all dividends."""
        return tuple(sorted({time for asset in self.underlyings for time in asset.events}))

    def discount(self, time: float) -> float:
        """Return the value today of 1 at a time."""
        return self.underlyings[0].discount(time)

    def forwards(self, time: float) -> tuple[float, ...] | None:
        """Return the forwards; None where one has cash dividends."""
        found = [asset.forwards(time) for asset in self.underlyings]
        return None if any(one is None for one in found) else tuple(one[0] for one in found if one)

    def start(
        self,
        writer: Writer,
        pathwise: Sequence[str] = (),
        likelihood: Sequence[str] = (),
        logarithms: bool = False,
    ) -> State:
        """Return the state today."""
        rows = {f"spot {i}": writer.row(asset.spot) for i, asset in enumerate(self.underlyings)}
        return State(0.0, rows)

    def step(self, state: State, time: float, normals: Sequence[Row]) -> None:
        """Move all assets on."""
        factor = cholesky(np.asarray(self.correlation))
        for i, asset in enumerate(self.underlyings):
            z: Row | None = None
            for j in range(i + 1):
                if factor[i, j] != 0:
                    part = normals[j] * float(factor[i, j])
                    z = part if z is None else z + part
            one = State(state.time, {"spot": state.rows[f"spot {i}"]})
            asset.step(one, time, (normals[i] * 0.0 if z is None else z,))
            state.rows[f"spot {i}"] = one.rows["spot"]
        state.time = time

    def spots(self, state: State) -> tuple[Row, ...]:
        """Return the spots."""
        return tuple(state.rows[f"spot {i}"] for i in range(len(self.underlyings)))
