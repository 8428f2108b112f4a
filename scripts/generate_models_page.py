"""Write the tables and pictures of docs/models.md; what is between its markers is replaced.

    python scripts/generate_models_page.py [FOLDER WITH MARKET DATA]

The folder is laid out as ``optionsib.data.daily`` and the tape reader say; without it the sessions are those
that the packages skfolio and arch carry, and the recorded option chains are left out. Takes some minutes on
one core. Every configuration that is judged on market data goes into the trial ledger
var/models/trials.sqlite.
"""

from __future__ import annotations

import math
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
from generate_pricing_plots import FOLDER, HEIGHT, page, panel
from numpy.typing import NDArray

from optionsib.common.clock import SystemClock
from optionsib.data.daily import MarketDays, load_market_days, to_date
from optionsib.features.daily import (
    DAILY_FEATURE_NAMES,
    LabelledDays,
    daily_features,
    direction_labels,
    labelled_days,
    volatility_labels,
)
from optionsib.models.evaluation import bootstrap_interval, chance_of_no_gain, holm
from optionsib.models.market_lstm import MarketLSTM
from optionsib.models.regime_peers import hmmlearn_filtered, markov_regression_filtered
from optionsib.models.regime_simulator import RegimeScores, Shocks, judge_regimes, simulate_regimes
from optionsib.models.regimes import MarketRegimeClassifier
from optionsib.models.splits import Split, walk_forward
from optionsib.models.trainers import Run, Score, find_trainer, read_training_config
from optionsib.models.trainers.market import daily_baselines
from optionsib.models.trainers.run import judge
from optionsib.models.trials import TrialLedger

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "models.md"
LEDGER = ROOT / "var" / "models" / "trials.sqlite"
SEEDS, DAYS = 6, 4_000
THREE = {"stay": (0.99, 0.98, 0.97), "volatility": (0.005, 0.012, 0.03), "mean": (0.0, 0.0, 0.0)}
FOLDS, HORIZON, WINDOW = 4, 5, 22
EMBARGO_NS = 5 * 86_400 * 1_000_000_000
TAPE = "lean/option/usa/minute/twx"


def simulated_regimes() -> str:
    """Return the table of classifiers on simulated regimes."""
    lines = [
        "| regimes, shocks | classifier | balanced accuracy | lag, days | missed | false switches a year |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    cases: list[tuple[int, Shocks]] = [(2, "gaussian"), (2, "student"), (2, "garch"), (3, "gaussian")]
    for regimes, shocks in cases:
        found: dict[str, list[RegimeScores]] = {}
        for seed in range(SEEDS):
            settings = THREE if regimes == 3 else {}
            returns, truth = simulate_regimes(seed, DAYS, shocks=shocks, **settings)  # type: ignore[arg-type]
            half = DAYS // 2
            training, rows, judged = returns[:half], returns[half:], truth[half:]
            ours = MarketRegimeClassifier.fit(training, known_until_ns=0, regimes=regimes, seed=seed)
            filtered = ours.filtered(rows)
            labels = {
                "ours, with dwell": ours.labels(filtered),
                "ours, likeliest regime": np.argmax(filtered, axis=1),
                "hmmlearn, filtered": np.argmax(
                    hmmlearn_filtered(training, rows, regimes=regimes, seed=seed), axis=1
                ),
                "MarkovRegression, filtered": np.argmax(
                    markov_regression_filtered(training, rows, regimes=regimes, seed=seed), axis=1
                ),
            }
            for name, label in labels.items():
                found.setdefault(name, []).append(judge_regimes(judged, label.astype(np.int64)))
        for name, scores in found.items():
            mean = {
                field: float(np.mean([getattr(one, field) for one in scores]))
                for field in RegimeScores.__dataclass_fields__
            }
            accuracy, lag = mean["balanced_accuracy"], mean["lag_days"]
            missed, false = mean["missed"], mean["false_switches_a_year"]
            lines.append(
                f"| {regimes}, {shocks} | {name} | {accuracy:.3f} | {lag:.1f} | {missed:.0%} | {false:.2f} |"
            )
    return "\n".join(lines)


def market_regimes(days: MarketDays, ledger: TrialLedger) -> str:
    """Refit each year on what was known, filter the year ahead; return the tables, write the picture."""
    returns = days.sp500_returns
    known = np.flatnonzero(np.isfinite(returns))
    years = np.array([to_date(day).year for day in days.date])
    first = int(years[known[0]]) + 5
    probability, density = np.full(len(returns), np.nan), np.full(len(returns), np.nan)
    label = np.full(len(returns), -1)
    for year in range(first, int(years[-1]) + 1):
        before, ahead = known[years[known] < year], known[years[known] == year]
        if len(ahead) == 0:
            continue
        fitted = MarketRegimeClassifier.fit(returns[before], known_until_ns=int(days.known_at_ns[before[-1]]))
        both = np.concatenate([before, ahead])
        filtered = fitted.filtered(returns[both])
        probability[ahead] = filtered[-len(ahead) :, 1]
        label[ahead] = fitted.labels(filtered)[-len(ahead) :]
        transition = np.array(fitted.state.transition)
        for place in range(len(before), len(both)):
            row = both[place]
            density[row] = fitted.log_density(filtered[place - 1] @ transition, returns[row : row + 1])
    told = np.flatnonzero(label >= 0)
    naive = naive_densities(days, returns, told)
    with ledger.trial("regimes, yearly refits", {"regimes": 2, "noise": "likelier"}, days.sha256) as trial:
        trial.finish(density[told] - naive["one normal law of all days before"])
    span = f"{to_date(days.date[told[0]])} to {to_date(days.date[told[-1]])}"
    lines = [
        f"| label, {span} | share of days | realised volatility of the day after, a year | mean VIX |",
        "| --- | ---: | ---: | ---: |",
    ]
    after = told[:-1]
    for regime, name in enumerate(("calm", "turbulent")):
        chosen = after[label[after] == regime]
        lines.append(
            f"| {name} | {len(chosen) / len(after):.0%} | {np.std(returns[chosen + 1]) * 252**0.5:.1%} | "
            f"{np.nanmean(days.vix_close[chosen]):.1f} |"
        )
    switches = np.count_nonzero(np.diff(label[told])) / (len(told) / 252)
    lines.append(f"\nThe label changed {switches:.1f} times a year.\n")
    lines += [
        "| forecast of the next day's return | log density a day | regimes' gain over it (95 %) | p, Holm |",
        "| --- | ---: | ---: | ---: |",
        f"| regimes | {density[told].mean():.4f} | | |",
    ]
    gains = {name: density[told] - other for name, other in naive.items()}
    chances = holm(np.array([chance_of_no_gain(one, mean_block=20.0, seed=5) for one in gains.values()]))
    for (name, gain), chance in zip(gains.items(), chances, strict=True):
        found = bootstrap_interval(gain, lambda rows: float(rows.mean()), mean_block=20.0, seed=5)
        words = f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
        lines.append(f"| {name} | {naive[name].mean():.4f} | {words} | {chance:.4f} |")
    losers = [name for name, chance in zip(gains, chances, strict=True) if not chance < 0.01]
    lines.append(
        f"\n**No demonstrated skill**: at 1 % it does not beat {', '.join(losers)}."
        if losers
        else "\nIt beats each of them at 1 %. That is a forecast of how far, not of which way."
    )
    date = np.array([to_date(day).year + to_date(day).timetuple().tm_yday / 366 for day in days.date[told]])
    few = slice(None, None, 3)
    panels = [
        panel("S&P 500, logarithm", date[few], {"close": np.log(days.sp500_close[told])[few]}, (0, 0)),
        panel("filtered chance of turbulence", date[few], {"chance": probability[told][few]}, (0, HEIGHT)),
    ]
    (FOLDER / "models-regimes.svg").write_text(page(panels, ["every third session"], 1, "years"))
    return "\n".join(lines)


def naive_densities(days: MarketDays, returns: Floats, told: Labels) -> dict[str, Floats]:
    """Return the log density of each told return under laws that need no regimes, known the day before."""
    clean = np.where(np.isfinite(returns), returns, 0.0)
    variance = np.empty(len(returns))
    variance[0] = float(np.var(clean[:250]))  # long before the first told day
    for day in range(1, len(returns)):
        variance[day] = 0.94 * variance[day - 1] + 0.06 * clean[day - 1] ** 2
    vix = days.vix_close.copy()
    for day in np.flatnonzero(np.isnan(vix)):
        vix[day] = vix[day - 1]
    implied = np.concatenate([vix[:1], vix[:-1]]) / 100.0 / 252**0.5
    count = np.arange(1, len(returns) + 1)
    mean = np.concatenate([[0.0], (np.cumsum(clean) / count)[:-1]])
    plain = np.sqrt(np.concatenate([[variance[0]], (np.cumsum(clean**2) / count)[:-1]]) - mean**2)
    ratio = np.sqrt(np.concatenate([[1.0], (np.cumsum((clean / implied) ** 2) / count)[:-1]]))
    normal = -0.5 * ((returns - mean) / plain) ** 2 - np.log(plain) - 0.5 * np.log(2.0 * np.pi)
    found = {
        "one normal law of all days before": normal,
        "EWMA 0.94 variance, Student-t": student(returns - mean, np.sqrt(variance)),
        "yesterday's VIX, scaled, Student-t": student(returns - mean, implied * ratio),
    }
    return {name: values[told] for name, values in found.items()}


def student(value: Floats, deviation: Floats) -> Floats:
    """Return the log density of a Student-t with five degrees of freedom and this standard deviation."""
    scale = deviation * np.sqrt(3.0 / 5.0)
    constant = math.lgamma(3.0) - math.lgamma(2.5) - 0.5 * math.log(5.0 * math.pi)
    return np.asarray(constant - 3.0 * np.log1p((value / scale) ** 2 / 5.0) - np.log(scale))


def _fold(rows: LabelledDays, split: Split, seed: int) -> Floats:
    """Fit on the earlier four fifths of the training rows, end by the rest; forecast the judged rows."""
    count = len(split.training)
    cut = split.training[int(count * 0.8)]
    number = split.training
    training = number[(number < cut) & (rows.label_at_ns[number] < rows.known_at_ns[cut])]
    ending = number[number >= cut]
    network = MarketLSTM.fit(
        rows.matrix, rows.label, Split(training, ending), DAILY_FEATURE_NAMES, window=WINDOW,
        known_until_ns=int(rows.known_at_ns[training[-1]]), seed=seed, epochs=30, patience=5,
    )  # fmt: skip
    return network.probabilities(rows.matrix)[split.validation]


def walked_forward(days: MarketDays, ledger: TrialLedger) -> str:
    """Return the tables of the LSTM beside naive baselines, walk-forward."""
    features = daily_features(days)
    texts = []
    for name, labels in (
        ("volatility", volatility_labels(days, HORIZON)),
        ("direction", direction_labels(days, HORIZON)),
    ):
        rows = labelled_days(features, labels)
        forecasts: dict[str, list[Floats]] = {}
        judged = []
        config = {"label": name, "horizon": HORIZON, "window": WINDOW, "folds": FOLDS}
        with ledger.trial("lstm, walk-forward", config, days.sha256) as trial:
            for number, split in enumerate(
                walk_forward(rows.known_at_ns, rows.label_at_ns, folds=FOLDS, embargo_ns=EMBARGO_NS)
            ):
                naive = daily_baselines(rows, split.training, split.validation)
                for key, values in {"lstm": _fold(rows, split, number), **naive}.items():
                    forecasts.setdefault(key, []).append(values)
                judged.append(split.validation)
            told = np.concatenate(judged)
            joined = {key: np.concatenate(values) for key, values in forecasts.items()}
            ours = joined.pop("lstm")
            scores, gains = judge("lstm", rows.label[told], ours, joined, mean_block=2.0 * HORIZON, seed=11)
            trial.finish(gains)
        span = f"{to_date(rows.date[told[0]])} to {to_date(rows.date[told[-1]])}"
        texts.append(
            f"**{labels.meaning}** ({len(told):,} rows, {span}, share of ones {rows.label[told].mean():.1%}, "
            f"{FOLDS} folds)\n\n{score_table(scores)}\n\n{verdict(scores)}"
        )
    return "\n\n".join(texts)


def score_table(scores: tuple[Score, ...]) -> str:
    """Return scores as a table."""
    lines = [
        "| forecaster | log loss | Brier | AUC | model's gain over it, log loss a row (95 %) | p, Holm |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in scores:
        gain = one.gain
        words = (
            f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}) | {one.chance:.4f}" if gain else " | "
        )
        lines.append(
            f"| {one.name} | {one.metrics.log_loss:.4f} | {one.metrics.brier:.4f} | {one.metrics.auc:.4f} | "
            f"{words} |"
        )
    return "\n".join(lines)


def verdict(scores: tuple[Score, ...]) -> str:
    """Say in words what the tests say."""
    losers = [one.name for one in scores[1:] if not one.chance < 0.01]
    if not losers:
        return "It beats every naive forecast at 1 %. That is a forecast of this label, not a profit."
    return f"**No demonstrated skill**: at 1 % it does not beat {', '.join(losers)}."


def recorded_chain(folder: Path | None, ledger: TrialLedger) -> str:
    """Return the table of the ensemble on one recorded pair of days."""
    if folder is None or not (folder / TAPE).is_dir():
        return "The recorded option chains were not there when this page was made."
    trainer = find_trainer("ensemble")
    with tempfile.TemporaryDirectory() as place:
        run = Run(
            out=Path(place) / "ensemble", seed=7, data=folder / TAPE, checkpoint=Path(place) / "c", tell=print
        )
        config = read_training_config(trainer.config, None)
        with ledger.trial("ensemble", config.model_dump(mode="json"), "") as trial:
            outcome = trainer.train(config, run)
            trial.finish(outcome.gains, data=outcome.data_sha256)
    facts = "; ".join(f"{key}: {value}" for key, value in outcome.facts.items() if key != "leak test")
    return f"{score_table(outcome.scores)}\n\n{verdict(outcome.scores)} {facts[0].upper()}{facts[1:]}."


def main() -> None:
    """Write the page."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    days = load_market_days(folder)
    LEDGER.parent.mkdir(parents=True, exist_ok=True)
    ledger = TrialLedger(LEDGER, SystemClock())
    text = PAGE.read_text()
    parts = {
        "data": f"{len(days):,} sessions to {to_date(days.date[-1])}: {days.source}.",
        "market regimes": market_regimes(days, ledger),
        "walk-forward": walked_forward(days, ledger),
        "chain": recorded_chain(folder, ledger),
        "simulated regimes": simulated_regimes(),
    }
    for name, content in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"{PAGE.name} has no marker {begin}")
        text = pattern.sub(lambda _, c=content, b=begin, e=end: f"{b}\n{c}\n{e}", text)
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
