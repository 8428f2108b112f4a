"""``optionsib price``: one option, or a product under a model."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from optionsib.commands.arguments import (
    count,
    positive,
)

_ONE_OPTION = ("kind", "spot", "strike", "years")
_EXOTIC = (
    "product", "model", "method", "paths", "steps", "seed", "sampler", "dtype", "control_variate", "greeks",
    "target_stderr", "threads", "cluster", "tls_ca", "tls_cert", "tls_key",
)  # fmt: skip


def add_price(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``price``."""
    parser.set_defaults(complain=parser.error)
    parser.add_argument("--json", action="store_true", help="for machines")
    one = parser.add_argument_group("one option (all of these but the rates, the dividends and --american)")
    one.add_argument("kind", nargs="?", choices=("call", "put"))
    one.add_argument("--spot", type=float)
    one.add_argument("--strike", type=float)
    one.add_argument("--years", type=float, help="time to expiry, years ACT/365F")
    one.add_argument("--rate", type=float, help="continuous, a year (default: 0)")
    one.add_argument("--dividend-yield", type=float, help="continuous, a year (default: 0)")
    one.add_argument(
        "--american", action="store_true", default=None, help="exercise at any time (default: at expiry)"
    )
    one.add_argument(
        "--dividend",
        type=_dividend,
        action="append",
        metavar="YEARS:AMOUNT",
        help="cash dividend, years to its ex-date and amount; may be repeated",
    )
    volatility = one.add_mutually_exclusive_group()
    volatility.add_argument("--volatility", type=float, help="a year, 0.2 = 20 %%")
    volatility.add_argument("--price", type=float, help="find the implied volatility of this price")
    exotic = parser.add_argument_group("a product under a model")
    exotic.add_argument("--product", type=Path, help="JSON file, as ExoticProduct.to_json writes it")
    exotic.add_argument("--model", type=Path, help="JSON file, as Model.to_json writes it")
    exotic.add_argument(
        "--method",
        choices=("auto", "analytic", "monte-carlo"),
        help="auto: the exact closed form where there is one, else simulation (default)",
    )
    exotic.add_argument("--paths", type=count, help="of a simulation (default: 1048576)")
    exotic.add_argument("--steps", type=count, help="refines the time steps of the model")
    exotic.add_argument("--seed", type=count, help="of the random numbers (default: 1)")
    exotic.add_argument("--sampler", choices=("philox", "xoshiro", "sobol"), help="default: philox")
    exotic.add_argument("--dtype", choices=("float64", "float32"), help="of the paths (default: float64)")
    exotic.add_argument(
        "--control-variate", choices=("geometric", "european", "spot"), help="what the error is reduced by"
    )
    exotic.add_argument("--greeks", choices=("pathwise", "likelihood", "auto"), help="default: none")
    exotic.add_argument("--target-stderr", type=positive, help="stop at this standard error")
    exotic.add_argument("--threads", type=count, help="of this process, 0 = every CPU (default: 1)")
    exotic.add_argument(
        "--cluster", metavar="ADDRESS", help="Dask scheduler to do the work: tcp://HOST:PORT, tls://HOST:PORT"
    )
    for name, text in {"ca": "authority", "cert": "client's certificate", "key": "client's key"}.items():
        exotic.add_argument(f"--tls-{name}", type=Path, metavar="FILE", help=f"{text} (PEM), of tls://")


def _dividend(text: str) -> tuple[float, float]:
    years, colon, amount = text.partition(":")
    try:
        if colon:
            return float(years), float(amount)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r}: expected YEARS:AMOUNT such as 0.25:1.5")


def _check_price(options: argparse.Namespace) -> str | None:
    """Return what is wrong with the usage of ``optionsib price``."""

    def flags(*names: str, given: bool) -> list[str]:
        return [
            name if name == "kind" else "--" + name.replace("_", "-")
            for name in names
            if (getattr(options, name) is not None) == given
        ]

    more = ("rate", "dividend_yield", "american", "dividend", "volatility", "price")
    if options.product is not None or options.model is not None:
        if missing := flags("product", "model", given=False):
            return f"a product is priced under a model: {missing[0]} is missing"
        if strange := flags(*_ONE_OPTION, *more, given=True):
            return f"--product and --model say it all: {', '.join(strange)} cannot be given with them"
        return None
    if missing := flags(*_ONE_OPTION, given=False):
        return f"{', '.join(missing)} missing (or --product and --model)"
    if options.volatility is None and options.price is None:
        return "one of --volatility and --price is required"
    if strange := flags(*_EXOTIC, given=True):
        return f"{', '.join(strange)} only with --product and --model"
    return None


def price(options: argparse.Namespace) -> int:
    """Price one option, or a product under a model."""
    if wrong := _check_price(options):
        options.complain(wrong)  # exits
    return _price_option(options) if options.product is None else _price_product(options)


def _price_option(options: argparse.Namespace) -> int:
    import optionsib as oib

    market = (options.spot, options.strike, options.years, options.rate or 0.0)
    dividend_yield = options.dividend_yield or 0.0
    volatility = options.volatility
    cash: Any = tuple(zip(*sorted(options.dividend or ()), strict=True)) or None
    try:
        if options.american:
            if volatility is None:
                volatility = oib.american_implied_volatility(
                    options.price, options.kind, *market, dividend_yield, dividends=cash
                ).volatility
            result: Any = oib.american_greeks(
                options.kind, *market, volatility, dividend_yield, dividends=cash
            )
        elif cash is not None:
            if volatility is None:
                raise ValueError("--dividend with --price needs --american")
            result = oib.european_greeks(options.kind, *market, volatility, dividend_yield, dividends=cash)
        else:
            if volatility is None:
                volatility = oib.implied_volatility(
                    options.price, options.kind, *market, dividend_yield
                ).volatility
            result = oib.greeks(options.kind, *market, volatility, dividend_yield)
    except ValueError as error:
        print(f"optionsib: {error}", file=sys.stderr)
        return 1
    values = {"volatility": volatility, **{name: float(v) for name, v in result.to_dict().items()}}
    if options.json:
        print(json.dumps(values))
    else:
        for name, value in values.items():
            print(f"{name:<12}{value: .8g}")
    return 0


def _price_product(options: argparse.Namespace) -> int:
    from optionsib.launchers.cluster import ClusterSettings
    from optionsib.launchers.exotics import PriceSettings, price_product

    names = ("steps", "sampler", "dtype", "control_variate", "greeks", "target_stderr")
    given: Any = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    where = None
    if options.cluster is not None:
        where = ClusterSettings(
            address=options.cluster,
            tls_ca=options.tls_ca,
            tls_cert=options.tls_cert,
            tls_key=options.tls_key,
        )
    return price_product(
        PriceSettings(
            product=options.product,
            model=options.model,
            method=options.method or "auto",
            paths=1 << 20 if options.paths is None else options.paths,
            seed=1 if options.seed is None else options.seed,
            threads=1 if options.threads is None else options.threads,
            options=given,
            cluster=where,
            as_json=options.json,
        )
    )
