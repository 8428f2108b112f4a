"""Scenarios: named arrays of joint paths, and where they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from optionsib.pricing.scenarios.processes import Measure

if TYPE_CHECKING:
    from optionsib.pricing.scenarios.stress import Overlay

Array = NDArray[np.float64]
NAMES = ("spot", "volatility", "rate", "discount")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where scenarios come from; travels with them into files.

    `source` is always ``"simulated"``: no scenario can be taken for a recorded market. `model` is the JSON of
    the generator, or of the history that was resampled. `overlays`: JSON of the stresses put on, in order;
    the measure is that of the paths beneath them. `simd_path` is the native path of a model's numbers.
    """

    method: Literal["model", "stationary_bootstrap"]
    measure: Measure
    seed: int
    model: str
    sampler: str
    simd_path: str
    version: str
    substeps: int = 1
    overlays: tuple[str, ...] = ()
    source: Literal["simulated"] = field(default="simulated", init=False)


@dataclass(frozen=True, slots=True, eq=False)
class Scenarios:
    """Joint paths. Arrays are float64; those of paths have the shape (paths, steps + 1), in any memory order.

    Attributes
    ----------
    times : shape (steps + 1,)
        In years from today; the first is 0.
    spot
        In units of the spot today.
    volatility
        Annual, 0.2 = 20 %: the volatility of the spot at this instant (of a resampled history, what the
        history calls so: an index of implied volatility stays one).
    rate
        The short rate, continuous, a year.
    discount
        exp(-integral of the rate up to now) along the path: what 1 paid now on this path is worth today.
    provenance
        Seed, measure, model, overlays.
    """

    times: Array
    spot: Array
    volatility: Array
    rate: Array
    discount: Array
    provenance: Provenance

    def __post_init__(self) -> None:
        shape = self.spot.shape
        if len(shape) != 2 or self.times.shape != shape[1:]:
            raise ValueError(f"spot must be (paths, {len(self.times)}), the number of times, got {shape}")
        for name, values in self.arrays().items():
            if values.shape != shape or values.dtype != np.float64:
                raise ValueError(
                    f"{name} must be float64 of shape {shape}, got {values.dtype} {values.shape}"
                )

        wild = [name for name, values in self.arrays().items() if not math.isfinite(float(values.sum()))]
        if wild:
            raise ValueError(
                f"{', '.join(wild)}: not finite on some path: parameters too wild for these steps"
            )

    @property
    def paths(self) -> int:
        """Return the number of paths."""
        return len(self.spot)

    @property
    def steps(self) -> int:
        """Return the number of steps."""
        return len(self.times) - 1

    def arrays(self) -> Mapping[str, Array]:
        """Return the arrays of paths by name: spot, volatility, rate, discount."""
        return {name: getattr(self, name) for name in NAMES}

    def stressed(self, *overlays: Overlay) -> Scenarios:
        """Return these scenarios with stresses put on, in order; these stay as they are.

        Raises
        ------
        ValueError
            If a stress does not fit the steps, or would take a volatility below 0 or a spot to 0 or beyond.
        """
        found = self
        for overlay in overlays:
            found = overlay.on(found)
            noted = (*found.provenance.overlays, overlay.to_json())
            found = replace(found, provenance=replace(found.provenance, overlays=noted))
        return found
