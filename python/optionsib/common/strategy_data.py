"""A strategy as data: what to trade, when to enter and leave, how much may be lost. It never trades itself.

1. Every number is finite and within its range, or the value cannot be made, also not by decoding it.
2. The risk is defined: at every expiry, sold calls are covered by bought calls that expire then or later,
   and sold puts by bought puts. So the loss has a bound whatever the strikes turn out to be.
3. Equal strategies give equal bytes; ``sha256`` names them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from decimal import Decimal
from itertools import pairwise
from typing import Literal

import msgspec

from optionsib.common.errors import DataError

Setting = bool | int | float | str
Direction = Literal["up", "down"]
Meaning = Literal["direction", "volatility"]

NO_SKILL_SHOWN = "none: generated, never judged out of sample"
MAXIMUM_RATIO = 10
_MAXIMUM_DAYS = 3_650


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a strategy; told apart by ``type`` where several kinds may stand."""

    def _refuse(self, expected: str) -> None:
        raise DataError(f"{self!r}: expected {expected}")


# --- what to trade -------------------------------------------------------------------------------


class ByDelta(_Part, frozen=True, kw_only=True, tag_field="type", tag="delta"):
    """The listed strike whose absolute delta is nearest to ``delta``."""

    delta: float

    def __post_init__(self) -> None:
        if not 0.0 < self.delta < 1.0:
            self._refuse("a delta between 0 and 1 (absolute, also for puts)")


class ByMoneyness(_Part, frozen=True, kw_only=True, tag_field="type", tag="moneyness"):
    """The listed strike nearest to ``moneyness`` times the forward of its expiry."""

    moneyness: float

    def __post_init__(self) -> None:
        if not 0.0 < self.moneyness <= 10.0:
            self._refuse("a moneyness (strike / forward) above 0, at most 10")


class ExpirySelector(_Part, frozen=True, kw_only=True):
    """The listed expiry nearest to ``target_days`` calendar days, within the window; none outside it."""

    target_days: int
    minimum_days: int
    maximum_days: int

    def __post_init__(self) -> None:
        if not 0 <= self.minimum_days <= self.target_days <= self.maximum_days <= _MAXIMUM_DAYS:
            self._refuse(f"0 <= minimum_days <= target_days <= maximum_days <= {_MAXIMUM_DAYS}")


class StrategyLeg(_Part, frozen=True, kw_only=True):
    """One leg of a unit of the strategy; ``ratio`` contracts, negative = sold."""

    right: Literal["C", "P"]
    ratio: int
    strike: ByDelta | ByMoneyness
    expiry: ExpirySelector

    def __post_init__(self) -> None:
        if not 1 <= abs(self.ratio) <= MAXIMUM_RATIO:
            self._refuse(f"a ratio of 1 to {MAXIMUM_RATIO} contracts, negative = sold")


# --- when to enter and to leave ------------------------------------------------------------------


class RegimeHolds(_Part, frozen=True, kw_only=True, tag_field="type", tag="regime"):
    """Enter while the filtered probability of ``regime`` (0 = calmest) is at least ``probability``."""

    regime: int
    probability: float

    def __post_init__(self) -> None:
        if self.regime < 0 or not 0.0 < self.probability <= 1.0:
            self._refuse("a regime from 0 on and a probability above 0, at most 1")


class ForecastHolds(_Part, frozen=True, kw_only=True, tag_field="type", tag="forecast"):
    """Enter while the model gives what it means, rising or falling, at least ``probability``."""

    meaning: Meaning
    direction: Direction
    probability: float

    def __post_init__(self) -> None:
        if not 0.5 <= self.probability <= 1.0:
            self._refuse("a probability from 0.5 to 1")


class EntryWindow(_Part, frozen=True, kw_only=True, tag_field="type", tag="window"):
    """Enter between these New York times of day."""

    not_before: dt.time
    not_after: dt.time

    def __post_init__(self) -> None:
        if self.not_before.tzinfo or self.not_after.tzinfo or not self.not_before < self.not_after:
            self._refuse("two times without zone, the first one earlier")


class QuotesNarrow(_Part, frozen=True, kw_only=True, tag_field="type", tag="quotes"):
    """Enter while no leg's bid and ask are further apart than ``maximum_leg_spread`` (currency per share)."""

    maximum_leg_spread: Decimal

    def __post_init__(self) -> None:
        if not _is_positive(self.maximum_leg_spread):
            self._refuse("a spread above 0")


class TakeProfit(_Part, frozen=True, kw_only=True, tag_field="type", tag="profit"):
    """Leave when ``share`` of the highest possible gain is reached; of the debit where it has no bound."""

    share: float

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 10.0:
            self._refuse("a share above 0, at most 10")


class StopLoss(_Part, frozen=True, kw_only=True, tag_field="type", tag="loss"):
    """Leave when ``share`` of the highest possible loss is reached."""

    share: float

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 1.0:
            self._refuse("a share above 0, at most 1")


class DaysBeforeExpiry(_Part, frozen=True, kw_only=True, tag_field="type", tag="expiry"):
    """Leave when the first expiry is ``days`` calendar days away."""

    days: int

    def __post_init__(self) -> None:
        if not 0 <= self.days <= _MAXIMUM_DAYS:
            self._refuse(f"0 to {_MAXIMUM_DAYS} days")


class DaysHeld(_Part, frozen=True, kw_only=True, tag_field="type", tag="held"):
    """Leave after ``days`` calendar days."""

    days: int

    def __post_init__(self) -> None:
        if not 1 <= self.days <= _MAXIMUM_DAYS:
            self._refuse(f"1 to {_MAXIMUM_DAYS} days")


EntryRule = RegimeHolds | ForecastHolds | EntryWindow | QuotesNarrow
ExitRule = TakeProfit | StopLoss | DaysBeforeExpiry | DaysHeld


class RiskBounds(_Part, frozen=True, kw_only=True):
    """``maximum_loss`` of one unit in currency, premium included; units a trade, and trades at a time."""

    maximum_loss: Decimal
    maximum_quantity: int = 1
    maximum_open_trades: int = 1

    def __post_init__(self) -> None:
        if not _is_positive(self.maximum_loss) or min(self.maximum_quantity, self.maximum_open_trades) < 1:
            self._refuse("a loss above 0, and at least one unit and one trade")


# --- where it comes from -------------------------------------------------------------------------


class RegimeReading(_Part, frozen=True, kw_only=True):
    """Filtered probabilities of the regimes, calmest first, and the classifier they are of (SHA-256)."""

    probability: tuple[float, ...]
    model: str
    known_at_ns: int

    def __post_init__(self) -> None:
        inside = all(0.0 <= one <= 1.0 for one in self.probability)
        if len(self.probability) < 2 or not inside or abs(sum(self.probability) - 1.0) > 1e-6:
            self._refuse("two or more probabilities that add up to 1")
        _check_hash("model", self.model)


class ForecastReading(_Part, frozen=True, kw_only=True):
    """A model's probability that what it ``means`` rises, or its abstention; ``model`` is its SHA-256."""

    meaning: Meaning
    probability: float
    abstains: bool
    model: str
    known_at_ns: int
    notice: str = ""

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            self._refuse("a probability from 0 to 1")
        _check_hash("model", self.model)


class StrategyData(_Part, frozen=True, kw_only=True):
    """A whole strategy.

    ``structure`` is the whiteboard's word for ``legs`` (iron_condor). ``entry``: all must hold; ``exits``:
    the first that holds. ``parameters`` made it, with ``generator`` and ``seed``. ``data_sha256`` names the
    data that it was made from; ``regime`` and ``forecast`` were read out of them. ``proof`` begins with
    "none" unless skill was shown out of sample.

    Raises
    ------
    DataError
        If something is missing or out of range, or the risk is not defined.
    """

    version: Literal[1] = 1
    name: str
    generator: str
    underlying: str
    structure: str
    legs: tuple[StrategyLeg, ...]
    entry: tuple[EntryRule, ...]
    exits: tuple[ExitRule, ...]
    risk: RiskBounds
    parameters: dict[str, Setting]
    seed: int
    known_at_ns: int
    data_sha256: str
    regime: RegimeReading | None = None
    forecast: ForecastReading | None = None
    proof: str = NO_SKILL_SHOWN

    def __post_init__(self) -> None:
        for field in ("name", "generator", "underlying", "structure", "legs", "exits", "proof"):
            if not getattr(self, field):
                raise DataError(f"strategy {self.name!r} does not say {field}")
        if self.seed < 0:
            raise DataError(f"strategy {self.name}: seed is {self.seed}, expected 0 or more")
        _check_hash("data_sha256", self.data_sha256)
        for name, setting in self.parameters.items():
            if isinstance(setting, float) and not math.isfinite(setting):
                raise DataError(
                    f"strategy {self.name}: parameter {name} is {setting}, expected a finite number"
                )
        for reading in (self.regime, self.forecast):
            if reading is not None and reading.known_at_ns > self.known_at_ns:
                raise DataError(
                    f"strategy {self.name} was made at {self.known_at_ns}, its reading was known at "
                    f"{reading.known_at_ns} only"
                )
        check_legs(self.legs)

    @property
    def models(self) -> tuple[str, ...]:
        """SHA-256 of each model that it was made from."""
        return tuple(one.model for one in (self.regime, self.forecast) if one is not None)

    @property
    def sha256(self) -> str:
        """Hash of ``to_json``, hex."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def to_json(self) -> bytes:
        """Return it as JSON; equal strategies give equal bytes."""
        return msgspec.json.encode(self, order="deterministic")

    @classmethod
    def from_json(cls, content: bytes | str) -> StrategyData:
        """Read what ``to_json`` wrote.

        Raises
        ------
        DataError
            If it is no strategy, or one that could not be made.
        """
        try:
            return msgspec.json.decode(content, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"strategy data is broken: {error}") from error


def check_legs(legs: tuple[StrategyLeg, ...]) -> None:
    """Raise ``DataError`` where legs are the same twice, or what is sold is not covered (see the module)."""
    places = [(leg.right, leg.expiry, leg.strike) for leg in legs]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise DataError(f"leg {number} selects the same contract as leg {places.index(place)}: {place}")
    expiries = sorted({leg.expiry for leg in legs}, key=lambda one: (one.minimum_days, one.maximum_days))
    for early, late in pairwise(expiries):
        if early.maximum_days >= late.minimum_days:
            raise DataError(
                f"which of {early!r} and {late!r} comes first is not said: expected separate windows"
            )
    for right in ("C", "P"):
        covered = 0
        for expiry in reversed(expiries):
            covered += sum(leg.ratio for leg in legs if leg.right == right and leg.expiry == expiry)
            if covered < 0:
                raise DataError(
                    f"{-covered} sold {right} of {expiry!r} are not covered by bought ones that expire then "
                    "or later: the risk is not defined"
                )


def _is_positive(value: Decimal) -> bool:
    return value.is_finite() and value > 0


def _check_hash(field: str, value: str) -> None:
    if len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise DataError(f"{field} is {value!r}: expected a SHA-256, 64 hex digits")
