"""What a model of spots is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Final

from optionsib.pricing._rows import Row, Writer
from optionsib.pricing.models.levels import Level, TermStructure, check, integral


@dataclass(slots=True)
class State:
    """What a model knows of its paths at a time: its rows by name, and scores of the likelihood by Greek."""

    time: float
    rows: dict[str, Row]
    scores: dict[str, Row] = field(default_factory=dict)
    first_look: float = math.inf  # the first time after today at which more is done than moving on
    # Up to the first look: sum of the spot's shocks, its variance, number of jumps.
    shock: Row | None = None
    spread: Row | float | None = None
    jumps: Row | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What every model has."""

    type: ClassVar[str]
    exact: ClassVar[bool] = True  # a step of any length has the right law

    @property
    def assets(self) -> int:
        """Return the number of assets."""
        return 1

    @property
    def normals(self) -> int:
        """Return the number of standard normal numbers of a step."""
        return 1

    @property
    def pathwise(self) -> tuple[str, ...]:
        """Return the Greeks that derivatives along the path give."""
        return ()

    @property
    def likelihood(self) -> tuple[str, ...]:
        """Return the Greeks that derivatives of the density give."""
        return ()

    def bumped(self, greek: str) -> tuple[Model, Model, float] | None:
        """Return the models below and above, and their distance, for a Greek by central differences."""
        return None

    @property
    def events(self) -> tuple[float, ...]:
        """Return times that steps must meet."""
        return ()

    def discount(self, time: float) -> float:
        """Return the value today of 1 at a time."""
        raise NotImplementedError

    def forwards(self, time: float) -> tuple[float, ...] | None:
        """Return the mean of each asset's spot at a time; None where it has no closed form."""
        raise NotImplementedError

    def start(
        self,
        writer: Writer,
        pathwise: Sequence[str] = (),
        likelihood: Sequence[str] = (),
        logarithms: bool = False,
    ) -> State:
        """Return the state today, with tangents and scores for these Greeks.

        `logarithms`: those of the spots will be looked at, rather than the spots.
        """
        raise NotImplementedError

    def step(self, state: State, time: float, normals: Sequence[Row]) -> None:
        """Move the state on to a time."""
        raise NotImplementedError

    def spots(self, state: State) -> tuple[Row, ...]:
        """Return the spots of a state."""
        raise NotImplementedError

    def factors(self, state: State) -> tuple[Row, ...]:
        """Return the rows of a state on which the future depends: the spots first."""
        return self.spots(state)

    def pass_of_time(self, value: Row, delta: Row, gamma: Row, state: State) -> Row:
        """Return theta, the derivative by today's date, from the other Greeks: the pricing equation."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Return the model as a JSON object with its type."""
        return json.dumps({"type": self.type, **asdict(self)})

    @staticmethod
    def from_json(text: str) -> Model:
        """Return the model that `to_json` wrote.

        Raises
        ------
        ValueError
            If the text is no JSON object, the type unknown, a field missing, unknown or out of its range.
        """
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError(f"a model is a JSON object, got {text[:80]!r}")
        return _read(data)


MODELS: Final[dict[str, type[Model]]] = {}
"""The models by their types, for `Model.from_json`."""


def _read(data: Mapping[str, Any]) -> Model:
    values = dict(data)
    name = values.pop("type", None)
    if not isinstance(name, str) or name not in MODELS:
        raise ValueError(f"type must be one of {', '.join(MODELS)}, got {name!r}")
    model = MODELS[name]
    if unknown := values.keys() - {one.name for one in fields(model)}:
        raise ValueError(f"{name} has no field {', '.join(sorted(unknown))}")
    try:
        return model(**{key: _value(value) for key, value in values.items()})
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from None


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        if "spot" in value:  # an asset of several
            return _read({"type": "black_scholes", **value})
        return TermStructure(**value)
    if isinstance(value, list):
        return tuple(_value(one) for one in value)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleAsset(Model):
    """What every model of one asset has."""

    spot: float
    rate: Level = 0.0
    dividend_yield: Level = 0.0

    def __post_init__(self) -> None:
        check("spot", self.spot, positive=True)
        check("rate", self.rate, signed=True)
        check("dividend_yield", self.dividend_yield, signed=True)

    def discount(self, time: float) -> float:
        """Return the value today of 1 at a time."""
        return math.exp(-integral(self.rate, 0.0, time))

    def carry(self, start: float, end: float) -> float:
        """Return the integral of rate less yield."""
        return integral(self.rate, start, end) - integral(self.dividend_yield, start, end)

    def forwards(self, time: float) -> tuple[float, ...] | None:
        """Return the forward."""
        return (self.spot * math.exp(self.carry(0.0, time)),)

    def started(
        self, writer: Writer, pathwise: Sequence[str], likelihood: Sequence[str], *, logarithm: bool = True
    ) -> State:
        """Return the state today: the spot, or its logarithm, with tangents, and scores of 0."""
        row = writer.row(math.log(self.spot) if logarithm else self.spot)
        slopes = {"delta": 1.0 / self.spot if logarithm else 1.0, "vega": 0.0, "rho": 0.0}
        row.tangents = {name: writer.row(slope) for name, slope in slopes.items() if name in pathwise}
        scores = {name: writer.row(0.0) for name in likelihood}
        return State(0.0, {"x" if logarithm else "spot": row}, scores)
