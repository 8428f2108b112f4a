"""The page of a trained model: one HTML file that needs nothing but a browser."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from pathlib import Path

import msgspec

from optionsib.common.types import Json
from optionsib.models.card import NO_SKILL
from optionsib.models.trainers.run import Outcome, Score
from optionsib.performance.pages import asset, embedded, fill, plotly_source, write_whole

_LARGEST_ATTRIBUTION = 25  # features shown


def page_path(artefact: Path) -> Path:
    """Return where the page of ``artefact`` lies."""
    return artefact.with_suffix(".html")


def write_model_page(outcome: Outcome, out: Path, settings: Mapping[str, Json]) -> Path:
    """Write the page of a training and return its path; the same outcome gives the same bytes.

    Raises
    ------
    MissingExtraError
        If plotly is not installed.
    """
    best = list(outcome.attribution.items())[:_LARGEST_ATTRIBUTION]
    found = outcome.calibration
    data: dict[str, Json] = {
        "curves": {name: [round(value, 6) for value in values] for name, values in outcome.curves.items()},
        "calibration": None
        if found is None
        else {
            "forecast": found.forecast.tolist(),
            "outcome": found.outcome.tolist(),
            "count": found.count.tolist(),
        },
        "attribution": {"names": [name for name, _ in best], "values": [value for _, value in best]},
    }
    card = "" if outcome.card is None else outcome.card.encode().decode()
    error = "" if found is None else f"Expected calibration error {found.expected_error:.4f}."
    parts = {
        "title": escape(f"{outcome.name}: {outcome.artefact.name}"),
        "badge": "SIMULATED DATA" if outcome.simulated else "RECORDED DATA",
        "badge_class": "simulated" if outcome.simulated else "recorded",
        "verdict": escape(_verdict(outcome)),
        "sentences": "".join(f"<p>{escape(line)}</p>" for line in _sentences(outcome)),
        "scores": _scores(outcome.scores),
        "calibration_error": escape(error),
        "attribution_by": escape(outcome.attribution_by),
        "facts": _rows(outcome.facts),
        "settings": _rows({key: str(value) for key, value in settings.items()}),
        "card": escape(card),
        "sha256": escape(outcome.card.artefact_sha256 if outcome.card else ""),
        "css": asset("report.css"),
        "js": asset("model.js"),
        "plotly": plotly_source(),
        "data": embedded(data),
    }
    write_whole(out, fill("model.html", parts))
    return out


def _verdict(outcome: Outcome) -> str:
    proven = not outcome.proof.startswith("none")
    return "Proof of skill: " + outcome.proof if proven else NO_SKILL[0].upper() + NO_SKILL[1:]


def _sentences(outcome: Outcome) -> list[str]:
    lines = []
    if outcome.simulated:
        lines.append("Trained and judged on simulated data: no market ever showed these prices.")
    if outcome.proof.startswith("none"):
        lines.append(f"Proof of skill: {outcome.proof}.")
    losers = [one.name for one in outcome.scores[1:] if not one.chance < 0.01]
    if losers:
        lines.append(
            f"On the judged rows it does not beat {', '.join(losers)} at 1 % (Holm's correction for "
            f"{len(outcome.scores) - 1} baselines)."
        )
    elif outcome.has_skill:
        lines.append(
            "On the judged rows it beats every baseline at 1 % after Holm's correction. One sample is not "
            "skill in trading, and costs are not in it."
        )
    return lines


def _scores(scores: tuple[Score, ...]) -> str:
    if not scores:
        return '<p class="empty">Nothing was forecast.</p>'
    rows = []
    for one in scores:
        gain = ""
        if one.gain is not None:
            gain = f"{one.gain.value:+.4f} ({one.gain.low:+.4f} to {one.gain.high:+.4f})"
        chance = "" if math.isnan(one.chance) else f"{one.chance:.4f}"
        numbers = (one.metrics.log_loss, one.metrics.brier, one.metrics.auc, one.metrics.accuracy)
        cells = "".join(f"<td>{number:.4f}</td>" for number in numbers)
        rows.append(f"<tr><td>{escape(one.name)}</td>{cells}<td>{gain}</td><td>{chance}</td></tr>")
    heads = ("forecaster", "log loss", "Brier", "AUC", "accuracy", "model's gain over it (95 %)", "p, Holm")
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _rows(values: Mapping[str, str]) -> str:
    cells = "".join(
        f"<tr><td>{escape(key)}</td><td>{escape(value)}</td></tr>" for key, value in values.items()
    )
    return f'<div class="scroll"><table><tbody>{cells}</tbody></table></div>'


def read_card_text(page: str) -> Json:
    """Return the card that stands in a page: for tests, and for whoever has only the page."""
    begin = page.index('id="card-text">') + len('id="card-text">')
    text = page[begin : page.index("</pre>", begin)]
    plain = text.replace("&quot;", '"').replace("&#x27;", "'").replace("&lt;", "<").replace("&gt;", ">")
    found: Json = msgspec.json.decode(plain.replace("&amp;", "&"))
    return found
