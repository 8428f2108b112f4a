"""Strategies made from what models say: data to be judged and executed elsewhere; nothing is traded here.

1. A generator sees a ``Situation`` alone, whose readings were known by then.
2. What it gives is of defined risk (``common.strategy_data``), or it abstains and says why.
3. Same situation, parameters and seed: same bytes. Every point of the parameters' ranges is a strategy.

``random`` is the comparator: a generator that does not beat it out of sample has no skill.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import MissingExtraError, ModelError
from optionsib.common.strategy_data import (
    DaysBeforeExpiry,
    Direction,
    EntryRule,
    EntryWindow,
    ExitRule,
    ExpirySelector,
    ForecastHolds,
    ForecastReading,
    Meaning,
    QuotesNarrow,
    RegimeHolds,
    RegimeReading,
    RiskBounds,
    Setting,
    StopLoss,
    StrategyData,
    TakeProfit,
)
from optionsib.models.parameters import Choice, Number, Parameter, settle
from optionsib.models.regimes import MarketRegimeClassifier
from optionsib.models.serving import ServedModel
from optionsib.models.structures import DEBITS, STRUCTURES, structure

WINDOW: Final = EntryWindow(not_before=dt.time(9, 45), not_after=dt.time(15, 0))  # opening and close are left


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """All a generator may look at, known by ``known_at_ns``; ``data_sha256`` names the data behind it."""

    underlying: str
    known_at_ns: int
    data_sha256: str
    regime: RegimeReading | None = None
    forecast: ForecastReading | None = None


class Abstention(msgspec.Struct, frozen=True, kw_only=True):
    """No strategy, and why."""

    generator: str
    reason: str


class GeneratorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a generator is. ``needs``: fields of the situation; ``missing_extra``: "" if available."""

    name: str
    description: str
    needs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    missing_extra: str = ""

    @property
    def available(self) -> bool:
        """True if it can be used here."""
        return not self.missing_extra


@dataclass(frozen=True, slots=True)
class _Idea:
    """What tells one strategy of a generator from another."""

    structure: str
    entry: tuple[EntryRule, ...] = ()


_Think = Callable[[Situation, Mapping[str, Setting], int], _Idea | str]


@dataclass(frozen=True, slots=True)
class _Generator:
    think: _Think
    description: str
    needs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    library: str = ""  # that its readings need
    extra: str = ""


def generate_ai_strategy(
    situation: Situation,
    *,
    generator: str,
    seed: int,
    parameters: Mapping[str, Setting] | None = None,
) -> StrategyData | Abstention:
    """Make a strategy, as data.

    Parameters
    ----------
    situation
        What is known.
    generator
        A name of ``get_available_generators``.
    seed
        Of what is drawn; recorded also where nothing is.
    parameters
        By name; the others have their defaults.

    Raises
    ------
    ModelError
        If there is no such generator, the situation lacks what it needs, or a parameter is unknown or out of
        range.
    MissingExtraError
        If the generator is not available.
    DataError
        If the situation knows the future, or ``seed`` is negative.

    Examples
    --------
    >>> situation = Situation(underlying="SPX", known_at_ns=0, data_sha256="0" * 64)
    >>> made = generate_ai_strategy(situation, generator="random", seed=1)
    >>> made.generator, made.proof
    ('random', 'none: generated, never judged out of sample')
    """
    found = _GENERATORS.get(generator)
    if found is None:
        raise ModelError(f"generator {generator!r}: expected one of {', '.join(_GENERATORS)}")
    if _missing_extra(found):
        raise MissingExtraError(found.extra, found.library)
    lacking = [need for need in found.needs if getattr(situation, need) is None]
    if lacking:
        raise ModelError(f"generator {generator} needs {', '.join(lacking)}, the situation has none")
    settings = settle(found.parameters, parameters or {})
    idea = found.think(situation, settings, seed)
    if isinstance(idea, str):
        return Abstention(generator=generator, reason=idea)
    near, target_days = float(settings["near_delta"]), int(settings["target_days"])
    leave_days = int(float(settings["leave_share"]) * target_days)
    exits: list[ExitRule] = [TakeProfit(share=float(settings["take_profit"]))]
    if idea.structure not in DEBITS:
        exits.append(StopLoss(share=float(settings["stop_loss"])))
    exits.append(DaysBeforeExpiry(days=leave_days))
    expiry = ExpirySelector(
        target_days=target_days,
        minimum_days=max(leave_days + 1, target_days // 2),
        maximum_days=target_days + target_days // 2,
    )
    return StrategyData(
        name=f"{generator}-{idea.structure}-{situation.underlying}",
        generator=generator,
        underlying=situation.underlying,
        structure=idea.structure,
        legs=structure(idea.structure, near, near * float(settings["far_share"]), expiry),
        entry=(
            *idea.entry,
            WINDOW,
            QuotesNarrow(maximum_leg_spread=_decimal(settings["maximum_leg_spread"])),
        ),
        exits=tuple(exits),
        risk=RiskBounds(maximum_loss=_decimal(settings["maximum_loss"])),
        parameters=settings,
        seed=seed,
        known_at_ns=situation.known_at_ns,
        data_sha256=situation.data_sha256,
        regime=situation.regime if "regime" in found.needs else None,
        forecast=situation.forecast if "forecast" in found.needs else None,
    )


def get_available_generators() -> tuple[GeneratorInfo, ...]:
    """Return what there is, by name; what lacks an extra is listed with the extra's name."""
    return tuple(
        GeneratorInfo(
            name=name,
            description=found.description,
            needs=found.needs,
            parameters=found.parameters,
            missing_extra=_missing_extra(found),
        )
        for name, found in sorted(_GENERATORS.items())
    )


# --- readings ------------------------------------------------------------------------------------


def read_regime(
    classifier: MarketRegimeClassifier, rows: NDArray[np.float64], *, known_at_ns: int
) -> RegimeReading:
    """Return the filtered probabilities after the last of ``rows`` (n,) or (n, columns).

    Raises
    ------
    ModelError
        If there are no rows, the columns are not the fitted ones, or the classifier was fitted on rows of
        after ``known_at_ns``.
    """
    if len(rows) == 0:
        raise ModelError("no rows: expected at least one to read a regime from")
    if classifier.state.fitted_until_ns > known_at_ns:
        raise ModelError(
            f"the classifier was fitted until {classifier.state.fitted_until_ns}: it knows the future of "
            f"{known_at_ns}"
        )
    probability = classifier.filtered(rows)[-1]
    return RegimeReading(
        probability=tuple(probability.tolist()), model=classifier.sha256, known_at_ns=known_at_ns
    )


def read_forecast(
    model: ServedModel, rows: NDArray[np.float32], *, meaning: Meaning, known_at_ns: int
) -> ForecastReading:
    """Return the forecast for the one row (1, ...) that was known at ``known_at_ns``.

    Parameters
    ----------
    meaning
        What the model's label 1 means: the underlying rises, or volatility does. The card tells it in words.

    Raises
    ------
    ModelError
        If it is not one row of the model's input shape.
    """
    if len(rows) != 1:
        raise ModelError(f"rows of shape {rows.shape}: expected one row, the latest")
    found = model.predict(rows)
    probability, abstains = float(found.probability[0]), bool(found.abstains[0])
    known = np.isfinite(probability)
    return ForecastReading(
        meaning=meaning,
        probability=probability if known else 0.5,
        abstains=abstains or not known,
        model=model.model_id,
        known_at_ns=known_at_ns,
        notice=model.card.notice,
    )


# --- the generators ------------------------------------------------------------------------------


def _from_regime(situation: Situation, settings: Mapping[str, Setting], seed: int) -> _Idea | str:
    if situation.regime is None:
        return "there is no regime reading"
    probability = situation.regime.probability
    least = float(settings["minimum_probability"])
    for regime, name in ((0, "calm_structure"), (len(probability) - 1, "turbulent_structure")):
        if probability[regime] >= least:
            return _Idea(str(settings[name]), (RegimeHolds(regime=regime, probability=least),))
    shown = ", ".join(f"{one:.3f}" for one in probability)
    return f"neither the calmest nor the wildest regime has probability {least:g}: {shown}"


def _from_forecast(situation: Situation, settings: Mapping[str, Setting], seed: int) -> _Idea | str:
    forecast = situation.forecast
    if forecast is None or forecast.abstains:
        return "the model abstains"
    least = float(settings["minimum_probability"])
    direction: Direction = "up" if forecast.probability >= 0.5 else "down"
    certain = max(forecast.probability, 1.0 - forecast.probability)
    if certain < least:
        return f"the forecast has probability {certain:.3f}, expected {least:g}"
    rising, falling = {
        "direction": ("call_debit_vertical", "put_debit_vertical"),
        "volatility": ("long_strangle", "iron_condor"),
    }[forecast.meaning]
    entry = ForecastHolds(meaning=forecast.meaning, direction=direction, probability=least)
    return _Idea(rising if direction == "up" else falling, (entry,))


def _at_random(situation: Situation, settings: Mapping[str, Setting], seed: int) -> _Idea | str:
    """Draw the structure; the rest are the parameters, so that only the choice is compared."""
    if seed < 0:
        raise ModelError(f"seed is {seed}: expected 0 or more")
    return _Idea(STRUCTURES[int(np.random.default_rng(seed).integers(len(STRUCTURES)))])


def _decimal(setting: Setting) -> Decimal:
    return Decimal(str(setting))


def _missing_extra(found: _Generator) -> str:
    return found.extra if found.library and importlib.util.find_spec(found.library) is None else ""


_COMMON: tuple[Parameter, ...] = (
    Number(name="near_delta", low=0.15, high=0.50, default=0.25, meaning="of the leg nearer to the forward"),
    Number(name="far_share", low=0.1, high=0.8, default=0.4, meaning="delta of the farther leg / near_delta"),
    Number(name="target_days", low=2, high=365, default=35, whole=True, meaning="calendar days to expiry"),
    Number(name="leave_share", low=0.0, high=0.9, default=0.2, meaning="of target_days: left so long before"),
    Number(name="take_profit", low=0.05, high=2.0, default=0.5, meaning="share of the highest gain"),
    Number(name="stop_loss", low=0.05, high=1.0, default=0.7, meaning="share of the highest loss; credits"),
    Number(name="maximum_leg_spread", low=0.01, high=100.0, default=0.2, meaning="bid to ask of each leg"),
    Number(
        name="maximum_loss", low=1.0, high=1_000_000.0, default=1_000.0, meaning="of one unit, in currency"
    ),
)

_GENERATORS: dict[str, _Generator] = {
    "regime": _Generator(
        _from_regime,
        "sells insured premium in the calmest regime, buys insurance in the wildest, else abstains",
        ("regime",),
        (
            *_COMMON,
            Number(name="minimum_probability", low=0.5001, high=0.999, default=0.8, meaning="of the regime"),
            Choice(
                name="calm_structure",
                options=("iron_condor", "put_credit_vertical", "call_credit_vertical"),
                default="iron_condor",
            ),
            Choice(
                name="turbulent_structure",
                options=("long_strangle", "put_debit_vertical"),
                default="long_strangle",
            ),
        ),
    ),
    "forecast": _Generator(
        _from_forecast,
        "follows a served model: verticals on direction, strangle or iron condor on volatility",
        ("forecast",),
        (
            *_COMMON,
            Number(name="minimum_probability", low=0.5, high=0.999, default=0.55, meaning="of the forecast"),
        ),
        library="onnxruntime",
        extra="infer",
    ),
    "random": _Generator(
        _at_random, "draws a structure by the seed: what every other one has to beat", (), _COMMON
    ),
}
