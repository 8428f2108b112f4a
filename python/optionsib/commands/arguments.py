"""Arguments that several commands have in common, and the configuration they name."""

from __future__ import annotations

import argparse
import datetime as dt
import math
from pathlib import Path
from typing import Any


def is_number(word: str) -> bool:
    """Tell whether ``float`` takes a word."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def positive(word: str) -> float:
    """Return a finite number above 0."""
    value = float(word) if is_number(word) else math.nan
    if not (value > 0.0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{word!r}: expected a number above 0")
    return value


def count(word: str) -> int:
    """Return a whole number, 0 or more."""
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"{word!r}: expected a whole number, 0 or more")
    return int(word)


def port(word: str) -> int:
    """Return a port."""
    number = count(word)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{word!r}: expected a port, 0 to 65535")
    return number


def day(word: str) -> dt.date:
    """Return a day."""
    try:
        return dt.date.fromisoformat(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r}: expected a day such as 2014-06-06") from None


def day_or_today(word: str) -> dt.date:
    """Return a day; ``today`` = the latest trading day by the clock."""
    if word != "today":
        return day(word)
    from optionsib.data.calendars import NEW_YORK, last_session_on_or_before

    today = dt.datetime.now(NEW_YORK).date()  # wall-clock-ok: the user asks for today
    return last_session_on_or_before(today)


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add what chooses a configuration."""
    parser.add_argument("--env", default="paper", choices=("dev", "paper", "prod"), help="default: paper")
    parser.add_argument("--config", type=Path, default=None, help="folder with main_config.yaml")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override one setting"
    )


def add_tape(parser: argparse.ArgumentParser) -> None:
    """Add what chooses the day that an exchange plays."""
    parser.add_argument("--tape", help="folder .../option/usa/minute/<symbol> in LEAN's layout")
    parser.add_argument("--date", type=day_or_today, help="day to play, or 'today' (default: the latest)")
    parser.add_argument("--seed", type=count, default=7, help="of the simulated day and all random draws")
    parser.add_argument("--first-minute", type=count, default=0, help="start the day that much later")
    parser.add_argument("--minutes", type=count, default=0, help="play so many minutes only (0 = all)")


def configuration(options: argparse.Namespace, **more: Any) -> Any:
    """Load the configuration that the arguments choose.

    Raises
    ------
    ConfigError
        If a file, a key or a value is wrong.
    """
    from optionsib.common.config import load_config
    from optionsib.common.errors import ConfigError

    overrides: dict[str, Any] = {}
    for word in options.set:
        key, equals, value = word.partition("=")
        if not equals or "." not in key:
            raise ConfigError(f"--set {word!r}: expected SECTION.KEY=VALUE")
        overrides[key] = value
    return load_config(options.env, options.config, overrides | more)
