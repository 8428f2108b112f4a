"""``optionsib model``: see, swap, shadow, freeze and thaw the models of the running daemon."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optionsib.bus.control import ControlClient, Handler
from optionsib.common.config import Config
from optionsib.common.errors import BusError, ConfigError
from optionsib.common.types import Json
from optionsib.launchers.state_folder import control_endpoint, is_silent
from optionsib.models.server import ModelServer

VERBS = ("show", "swap", "shadow", "freeze", "thaw")
NO_MODEL = "none"


def model_handlers(models: ModelServer) -> dict[str, Handler]:
    """Return the operator's commands about models; a swap takes effect before the next step."""

    def show() -> Json:
        return models.describe()

    async def swap(path: str, reason: str, operator: str, shadow: bool = False) -> Json:
        chosen = None if path == NO_MODEL else Path(path)
        return {"model_id": await models.prepare(chosen, reason, operator, shadow=shadow)}

    def freeze(reason: str, operator: str) -> Json:
        models.freeze(reason, operator)
        return show()

    def thaw(reason: str, operator: str) -> Json:
        models.thaw(reason, operator)
        return show()

    return {"model": show, "model-swap": swap, "model-freeze": freeze, "model-thaw": thaw}


def work(
    config: Config,
    verb: str,
    path: str,
    *,
    reason: str,
    operator: str,
    timeout: float,
    as_json: bool,
) -> int:
    """Carry out one of ``VERBS`` at the running daemon; return the exit status.

    Raises
    ------
    ConfigError
        If path or reason are missing; nothing was asked.
    BusError
        If no daemon answers, or it refuses; the message has its reason.
    """
    endpoint = control_endpoint(config)
    if verb in ("swap", "shadow") and not path:
        raise ConfigError(f"model {verb} needs the path of an artefact, or `{NO_MODEL}`")
    if verb != "show" and not reason:
        raise ConfigError(f"model {verb} needs --reason: it is written in the journal")
    if is_silent(endpoint):
        raise BusError(f"none runs with the state folder {config.paths.state}")
    client = ControlClient(endpoint)
    asked: dict[str, Json] = {"reason": reason, "operator": operator or getpass.getuser()}
    if verb in ("swap", "shadow"):
        chosen = path if path == NO_MODEL else str(Path(path).resolve())
        answer: Any = client.request(
            "model-swap", timeout=timeout, path=chosen, shadow=verb == "shadow", **asked
        )
        if as_json:
            print(json.dumps(answer, indent=2))
        elif chosen == NO_MODEL:
            print("from the next step on there is none")
        else:
            print(f"model {answer['model_id'][:16]} is loaded and takes its seat before the next step")
        return 0
    if verb == "show":
        answer = client.request("model", timeout=timeout)
    else:
        answer = client.request(f"model-{verb}", timeout=timeout, **asked)
    print(json.dumps(answer, indent=2) if as_json else describe(answer))
    return 0


def describe(answer: Mapping[str, Any]) -> str:
    """Return the state of the models as text."""
    lines = []
    for seat in ("live", "shadow"):
        one = answer[seat]
        if one is None:
            lines.append(f"{seat:7}none" + (": nothing is opened" if seat == "live" else ""))
            continue
        data = ", trained on simulated data" if one["simulated"] else ""
        lines.append(f"{seat:7}{one['name']} {one['model_id'][:16]} ({one['path']}){data}")
        lines.append(f"       proof of skill: {one['proof']}")
        if one["missing"]:
            lines.append(f"       serves without a part of it, so no figure is of this: {one['missing']}")
        if one["labels"]:
            lines.append(
                f"       {one['labels']:,} labels since the start: log loss {one['log_loss']:.4f}, Brier "
                f"{one['brier']:.4f} (0.6931 and 0.25 know nothing)"
            )
    lines.append(f"epoch  {answer['epoch']}")
    if answer["frozen"]:
        lines.append(f"frozen: {answer['frozen']}")
    elif answer["trouble"]:
        lines.append(f"silent: {answer['trouble']}")
    return "\n".join(lines)
