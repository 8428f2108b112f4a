"""The one command: ``optionsib``. Needs the standard library alone; names the extra that is missing."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MODULE_EXTRAS = {
    "msgspec": "app", "pydantic": "app", "pydantic_settings": "app", "yaml": "app", "structlog": "app",
    "stamina": "app", "psutil": "app", "rich": "app", "exchange_calendars": "app", "pandas": "app",
    "ib_async": "live", "zmq": "live", "solders": "vault", "solana": "vault", "spl": "vault",
    "h11": "vault", "websockets": "vault", "httpx2": "vault", "cryptography": "vault",
    "onnxruntime": "infer", "plotly": "report", "xgboost": "train", "sklearn": "train", "onnx": "train",
    "onnxmltools": "train", "skl2onnx": "train", "distributed": "cluster", "pyarrow": "scenarios",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 refused or failed, 2 wrong usage."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        status = command(options)
        sys.stdout.flush()  # here, where a reader that is gone can still be answered
        return status
    except ModuleNotFoundError as error:
        extra = MODULE_EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        print(f"optionsib: {error.name} is not installed: pip install 'optionsib[{extra}]'", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has had enough; the interpreter's own flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if not _is_ours(error):
            raise
        print(f"optionsib: {type(error).__name__}: {error}", file=sys.stderr)
        return 1


def _is_ours(error: Exception) -> bool:
    from optionsib.common.errors import OptionsIBError

    return isinstance(error, OptionsIBError)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    from optionsib import __version__

    parser = argparse.ArgumentParser(prog="optionsib", description="Options trading for Interactive Brokers.")
    parser.add_argument("--version", action="version", version=f"optionsib {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    _add_demo(add("demo", demo, "Play a day on the paper exchange and trade it; ends with a report."))
    _add_run(add("run", run, "Run the trading daemon against TWS, IB Gateway or a paper exchange."))
    _add_price(
        add(
            "price",
            price,
            "Price one option with Greeks, or find its volatility; or price a product under a model.",
        )
    )
    _add_train(add("train", train, "Train a model: data in; artefact, card and a page out."))
    for name, text in {
        "status": "Show what the running daemon does.",
        "halt": "No new risk from now on, across restarts, until resume.",
        "resume": "Lift a halt.",
        "cancel-all": "Halt and cancel every working order.",
        "flatten": "Halt, cancel every working order, and close every position at the market.",
    }.items():
        command = add(name, operate, text)
        command.set_defaults(command=name)
        _add_config(command)
        command.add_argument("--reason", default="operator", help="written in the journal (halt, resume)")
        command.add_argument(
            "--timeout", type=_positive, default=10.0, help="seconds to wait for the daemon (default: 10)"
        )
        command.add_argument("--json", action="store_true", help="for machines")
        if name in ("cancel-all", "flatten"):
            command.add_argument(
                "--own-process",
                action="store_true",
                help="do not ask the daemon: connect to the broker as client gateway.rescue_client_id",
            )
    _add_limits(
        add("limits", limits, "Show or change the limits of the running daemon; a change takes two people.")
    )
    _add_model(add("model", model, "Show, swap, shadow, freeze or thaw the models of the running daemon."))
    _add_order(add("order", lambda options: 2, "List, change or cancel the working orders of the daemon."))
    _add_book(add("book", book, "Show, or book by hand, a fill that the broker no longer reports."))
    doctor_command = add("doctor", doctor, "Check build, libraries, ports, clock, data and configuration.")
    _add_config(doctor_command)
    _add_ib(add("ib", lambda options: 2, "Look at the connection to TWS, IB Gateway or a paper exchange."))
    audit = add("audit", lambda options: 2, "Audit a journal.")
    verbs = audit.add_subparsers(required=True, metavar="VERB")
    verify = verbs.add_parser("verify", help="Recompute the hash chain and name the first bad record.")
    verify.add_argument("journal", type=Path)
    verify.add_argument("--expected-head", default=None, help="hash noted elsewhere: finds a cut tail too")
    verify.set_defaults(run=audit_verify)
    report_command = add("report", report, "Write the HTML report of a session from its state folder.")
    report_command.add_argument("state", type=Path, help="folder with journal.sqlite and ticks.tape")
    report_command.add_argument("--out", type=Path, help="file to write (default: report.html in the folder)")
    vault = add("vault", lambda options: 2, "Funds in a program on Solana.")
    vault_verbs = vault.add_subparsers(required=True, metavar="VERB")
    _add_localnet(vault_verbs.add_parser("localnet", help="A Solana chain of one's own, on this machine."))
    _add_vault(vault_verbs)
    _add_exchange(add("paper-exchange", paper_exchange, "A local exchange that speaks the TWS protocol."))
    fault = add("paper-fault", paper_fault, "Make something go wrong at a running paper exchange.")
    fault.add_argument("output", type=Path, help="file with the standard output of paper-exchange")
    fault.add_argument("name", help="the fault, e.g. drop")
    fault.add_argument("arguments", nargs="*", metavar="ARGUMENT=VALUE", help="e.g. message=execDetails")
    return parser


def _add_ib(command: argparse.ArgumentParser) -> None:
    verbs = command.add_subparsers(required=True, metavar="VERB")
    status = verbs.add_parser("status", help="Connection, farms, lines, message rate and last error.")
    status.set_defaults(run=ib_status)
    _add_config(status)
    status.add_argument("--timeout", type=_positive, default=10.0, help="seconds to wait (default: 10)")
    status.add_argument("--json", action="store_true", help="for machines")
    examination = verbs.add_parser("doctor", help="Name each setting of TWS that is wrong; sends no order.")
    examination.set_defaults(run=ib_doctor)
    examination.add_argument("--host", default="127.0.0.1")
    examination.add_argument("--port", type=_port, default=7497, help="TWS paper 7497, IB Gateway paper 4002")
    examination.add_argument("--client-id", type=_count, default=8, help="must be free (default: 8)")
    examination.add_argument(
        "--symbol", action="append", default=[], metavar="SYMBOL", help="may be repeated (default: SPY)"
    )
    examination.add_argument("--timeout", type=_positive, default=10.0, help="seconds an answer may take")
    examination.add_argument("--log-messages", type=Path, help="write every message there, masked")


def _add_model(command: argparse.ArgumentParser) -> None:
    _add_config(command)
    command.add_argument("verb", choices=("show", "swap", "shadow", "freeze", "thaw"))
    command.add_argument("path", nargs="?", default="", help="swap, shadow: artefact to load, or `none`")
    command.add_argument("--reason", default="", help="why; written in the journal")
    command.add_argument("--operator", default="", help="who asks (default: the user of this machine)")
    command.add_argument(
        "--timeout", type=_positive, default=60.0, help="seconds to wait for the daemon (default: 60)"
    )
    command.add_argument("--json", action="store_true", help="for machines")


def _add_limits(command: argparse.ArgumentParser) -> None:
    _add_config(command)
    command.add_argument("verb", choices=("show", "propose", "approve", "switch"))
    command.add_argument(
        "words",
        nargs="*",
        help="propose: NAME=VALUE ... (no value: not set); approve: VERSION; switch: SWITCH=VALUE",
    )
    command.add_argument("--reason", default="", help="propose, switch: why; written in the journal")
    command.add_argument("--operator", default="", help="who asks (default: the user of this machine)")
    command.add_argument(
        "--timeout", type=_positive, default=10.0, help="seconds to wait for the daemon (default: 10)"
    )


def _add_order(command: argparse.ArgumentParser) -> None:
    verbs = command.add_subparsers(required=True, metavar="VERB")
    for name, text in {
        "list": "Show the working orders; reference, price and quantity as `change` takes them.",
        "change": "Ask for other terms of a working order; judged like any order at the daemon's next step.",
        "cancel": "Cancel a working order at once.",
    }.items():
        verb = verbs.add_parser(name, help=text, description=text)
        verb.set_defaults(run=order, verb=name)
        _add_config(verb)
        verb.add_argument("--json", action="store_true", help="for machines")
        wait = 150.0 if name == "change" else 10.0
        verb.add_argument(
            "--timeout",
            type=_positive,
            default=wait,
            help=f"seconds to wait for the daemon (default: {wait:g})",
        )
        if name == "list":
            continue
        verb.add_argument("ref", metavar="REF", help="reference of the order")
        verb.add_argument("--reason", default="", help="why; written in the journal")
        verb.add_argument("--operator", default="", help="who asks (default: the user of this machine)")
        if name == "change":
            verb.add_argument(
                "--price", default="", help="limit: of one contract; net debit of a combination, < 0 a credit"
            )
            verb.add_argument("--stop", default="", help="stop price, counted as --price")
            verb.add_argument("--quantity", default="", help="units in all, filled ones included")


def _add_book(command: argparse.ArgumentParser) -> None:
    _add_config(command)
    command.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="ORDER UNITS PRICE, one price a leg (none: show what differs)",
    )
    command.add_argument(
        "--commission", default="0", help="of the whole fill, from the statement (default: 0)"
    )
    command.add_argument("--reason", default="", help="why; written in the journal")
    command.add_argument("--operator", default="", help="who books (default: the user of this machine)")
    command.add_argument(
        "--timeout", type=_positive, default=10.0, help="seconds to wait for the daemon (default: 10)"
    )


def _positive(word: str) -> float:
    value = float(word) if _is_number(word) else math.nan
    if not (value > 0.0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{word!r}: expected a number above 0")
    return value


def _dividend(text: str) -> tuple[float, float]:
    years, colon, amount = text.partition(":")
    try:
        if colon:
            return float(years), float(amount)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r}: expected YEARS:AMOUNT such as 0.25:1.5")


def _demo_speed(word: str) -> float | None:
    """Return simulated seconds a second; None = lockstep."""
    if word == "max":
        return None
    if not _is_number(word):
        raise argparse.ArgumentTypeError(f"{word!r}: expected 'max' or a number above 0")
    return _positive(word)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _count(word: str) -> int:
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"{word!r}: expected a whole number, 0 or more")
    return int(word)


def _port(word: str) -> int:
    port = _count(word)
    if port > 65535:
        raise argparse.ArgumentTypeError(f"{word!r}: expected a port, 0 to 65535")
    return port


def _day(word: str) -> dt.date:
    try:
        return dt.date.fromisoformat(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r}: expected a day such as 2014-06-06") from None


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", default="paper", choices=("dev", "paper", "prod"), help="default: paper")
    parser.add_argument("--config", type=Path, default=None, help="folder with main_config.yaml")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override one setting"
    )


def _day_or_today(word: str) -> dt.date:
    """Return a day; ``today`` = the latest trading day by the clock."""
    if word != "today":
        return _day(word)
    from optionsib.data.calendars import NEW_YORK, last_session_on_or_before

    today = dt.datetime.now(NEW_YORK).date()  # wall-clock-ok: the user asks for today
    return last_session_on_or_before(today)


def _add_tape(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tape", help="folder .../option/usa/minute/<symbol> in LEAN's layout")
    parser.add_argument("--date", type=_day_or_today, help="day to play, or 'today' (default: the latest)")
    parser.add_argument("--seed", type=_count, default=7, help="of the simulated day and all random draws")
    parser.add_argument("--first-minute", type=_count, default=0, help="start the day that much later")
    parser.add_argument("--minutes", type=_count, default=0, help="play so many minutes only (0 = all)")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    _add_tape(parser)
    parser.add_argument(
        "--speed", type=_demo_speed, default="max", help="'max' (lockstep) or simulated seconds a second"
    )
    parser.add_argument("--market-data-lines", type=_count, default=250, help="quotes watched at a time")
    parser.add_argument(
        "--state", type=Path, default=Path("var/demo"), help="folder to write (emptied first)"
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON too")


def _add_run(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
    parser.add_argument("--pace", choices=("real", "lockstep"), default="real")
    parser.add_argument("--speed", type=_positive, default=1.0, help="of a paper exchange at real pace")
    parser.add_argument("--data-sha256", default="", help="digest of the day a paper exchange plays")
    parser.add_argument("--arm-live", action="store_true", help="needed for live trading, never the default")
    parser.add_argument("--confirm-account", default="", help="the live account, named once more")
    parser.add_argument(
        "--log-messages", action="store_true", help="write every broker message to messages.log, masked"
    )
    parser.add_argument("--metrics-port", type=_port, help="serve Prometheus metrics on this loopback port")


def _add_price(parser: argparse.ArgumentParser) -> None:
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
    exotic.add_argument("--paths", type=_count, help="of a simulation (default: 1048576)")
    exotic.add_argument("--steps", type=_count, help="refines the time steps of the model")
    exotic.add_argument("--seed", type=_count, help="of the random numbers (default: 1)")
    exotic.add_argument("--sampler", choices=("philox", "xoshiro", "sobol"), help="default: philox")
    exotic.add_argument("--dtype", choices=("float64", "float32"), help="of the paths (default: float64)")
    exotic.add_argument(
        "--control-variate", choices=("geometric", "european", "spot"), help="what the error is reduced by"
    )
    exotic.add_argument("--greeks", choices=("pathwise", "likelihood", "auto"), help="default: none")
    exotic.add_argument("--target-stderr", type=_positive, help="stop at this standard error")
    exotic.add_argument("--threads", type=_count, help="of this process, 0 = every CPU (default: 1)")
    exotic.add_argument(
        "--cluster", metavar="ADDRESS", help="Dask scheduler to do the work: tcp://HOST:PORT, tls://HOST:PORT"
    )
    for name, text in {"ca": "authority", "cert": "client's certificate", "key": "client's key"}.items():
        exotic.add_argument(f"--tls-{name}", type=Path, metavar="FILE", help=f"{text} (PEM), of tls://")


_ONE_OPTION = ("kind", "spot", "strike", "years")
_EXOTIC = (
    "product", "model", "method", "paths", "steps", "seed", "sampler", "dtype", "control_variate", "greeks",
    "target_stderr", "threads", "cluster", "tls_ca", "tls_cert", "tls_key",
)  # fmt: skip


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


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="of the trainer; without it, all are listed")
    parser.add_argument("--config", type=Path, help="YAML file with the trainer's settings")
    parser.add_argument("--data", type=Path, help="folder of recorded data (default: what the trainer finds)")
    parser.add_argument("--out", type=Path, help="artefact to write (default: in var/models)")
    parser.add_argument("--seed", type=_count, default=7)
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")


def _add_exchange(parser: argparse.ArgumentParser) -> None:
    _add_tape(parser)
    parser.add_argument("--host", default="127.0.0.1", help="loopback unless you know what you do")
    parser.add_argument("--port", type=_port, default=7497, help="0 takes a free one")
    parser.add_argument("--pace", choices=("real", "lockstep"), default="real")
    parser.add_argument("--speed", type=_positive, default=1.0, help="simulated seconds a second")
    parser.add_argument("--owner-client-id", type=_count, default=1, help="who owns the time in lockstep")
    parser.add_argument("--market-data-lines", type=_count, default=100)
    parser.add_argument("--tape-only", action="store_true", help="no simulated market of all other symbols")
    parser.add_argument(
        "--market-data",
        choices=("live", "delayed", "api", "partial", "none"),
        default="live",
        help="what the account has subscribed to (default: live)",
    )
    parser.add_argument(
        "--limits", choices=("ib", "off"), default="ib", help="what IB enforces (default: ib)"
    )
    parser.add_argument("--queue", action="store_true", help="resting orders wait behind the displayed size")
    parser.add_argument("--scenario", type=Path, help="YAML file of faults to play")
    parser.add_argument("--control-port", type=_port, help="take faults as JSON lines there (0: a free port)")
    _add_config(parser)


def _add_localnet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="loopback unless you know what you do")
    parser.add_argument(
        "--port", type=_port, default=8899, help="the websocket takes the next one; 0 takes two free ones"
    )
    parser.add_argument(
        "--state", type=Path, default=Path("var/localnet"), help="folder to keep the chain in"
    )
    parser.add_argument("--reset", action="store_true", help="begin a new chain in that folder")
    parser.add_argument("--program", type=Path, help="ELF to deploy at genesis (default: the vault)")
    parser.add_argument("--seed", type=_count, default=7, help="of keys, genesis and faults")
    parser.add_argument("--slot-ms", type=_count, default=400, help="length of a slot")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="such as confirmed_ms=800 or drop=0.1; see docs/vault-localnet.md",
    )
    parser.set_defaults(run=vault_localnet)


def _add_vault(verbs: Any) -> None:
    def add(name: str, text: str, *, node: bool = True) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
        command.set_defaults(run=vault, vault_verb=name)
        if node:
            _add_config(command)
            command.add_argument("--rpc", default="", metavar="URL", help="else OPTIONSIB_VAULT__RPC_URL")
            command.add_argument("--program", default="", help="else vault.program")
            command.add_argument("--mint", default="", help="else vault.mint (USDT)")
            command.add_argument("--trader", default="", help="whose vault; else vault.trader")
        return command

    def signed(command: argparse.ArgumentParser, who: str, *, required: bool = True) -> None:
        command.add_argument(
            "--signer",
            default="",
            required=required,
            help=f"{who}: file:PATH, environment:NAME or remote:URL#KEY",
        )

    key = add("key", "Make, import or show an encrypted key file.", node=False)
    key.add_argument(
        "key_verb",
        choices=("new", "import", "show", "account"),
        help="show: its public key; account: where its owner holds USDT",
    )
    key.add_argument("path", type=Path, help="the key file")
    key.add_argument("--from", dest="plain", type=Path, help="import: a key file of the Solana tools")
    create = add("create", "Open a vault; the trader signs and pays the rent.")
    create.add_argument(
        "words",
        nargs="*",
        metavar="NAME=VALUE",
        help="engine, attestor, settlement, fee_account, trade_cap ...",
    )
    signed(create, "trader")
    create.add_argument("--yes", action="store_true", help="do not ask before signing")
    deposit = add("deposit", "Put USDT into a vault.")
    deposit.add_argument("amount", help="USDT")
    deposit.add_argument("--source", default="", help="token account (default: the signer's own)")
    signed(deposit, "owner of the source")
    withdraw = add("withdraw", "Take free USDT out, to the payout account of the mandate; never paused.")
    withdraw.add_argument("amount", help="USDT, or 'all'")
    signed(withdraw, "trader")
    status = add("status", "Balances, open trades, and what is not as it should be.")
    history = add("history", "Every transaction of the vault, oldest first.")
    history.add_argument("journal", nargs="?", type=Path, help="tells what was acknowledged too")
    for command in (status, history):
        command.add_argument("--json", action="store_true", help="for machines")
    mandate = add("mandate", "Show or change what the engine may do; pause and unpause.")
    mandate.add_argument(
        "mandate_verb",
        choices=("show", "propose", "apply", "cancel", "pause", "unpause", "cancel-recovery"),
    )
    mandate.add_argument("words", nargs="*", metavar="NAME=VALUE", help="propose: what shall change")
    signed(mandate, "trader (pause: or engine)", required=False)
    mandate.add_argument("--yes", action="store_true", help="do not ask before signing")
    signed(add("pay", "Pay the profits that trades are owed."), "settlement authority")
    acknowledge = add("acknowledge", "Answer for an alarm of a trade that would stand for ever.", node=False)
    _add_config(acknowledge)
    acknowledge.add_argument("trade", help="as `optionsib status` names it")
    acknowledge.add_argument("--reason", required=True, help="why trading may go on; written in the journal")
    acknowledge.add_argument("--operator", default="", help="who answers (default: the user of this machine)")
    acknowledge.add_argument(
        "--timeout", type=_positive, default=10.0, help="seconds to wait for the daemon (default: 10)"
    )
    verify = add("verify", "Recompute the audit chain from the transaction log, and compare with a journal.")
    verify.add_argument("journal", nargs="?", type=Path, help="of the daemon that traded it")
    add("attestor", "Sign the results of closes that the broker's own executions confirm.")
    fund = add("fund", "Give SOL and USDT to an address, on a local chain only.", node=False)
    fund.add_argument("address", nargs="+", help="public key (base58)")
    fund.add_argument("--sol", default="10", help="default: 10")
    fund.add_argument("--usdt", default="10000", help="into its USDT account, which is made (default: 10000)")
    fund.add_argument("--rpc", default="", metavar="URL", help="else OPTIONSIB_VAULT__RPC_URL")
    _add_config(fund)


# --- commands ------------------------------------------------------------------------------------------


def _config(options: argparse.Namespace, **more: Any) -> Any:
    from optionsib.common.config import load_config
    from optionsib.common.errors import ConfigError

    overrides: dict[str, Any] = {}
    for word in options.set:
        key, equals, value = word.partition("=")
        if not equals or "." not in key:
            raise ConfigError(f"--set {word!r}: expected SECTION.KEY=VALUE")
        overrides[key] = value
    return load_config(options.env, options.config, overrides | more)


def demo(options: argparse.Namespace) -> int:
    """Play a day."""
    from optionsib.launchers.demo import DemoSettings, run_demo, summary_as_json

    run_demo(
        DemoSettings(
            tape=options.tape,
            date=options.date,
            seed=options.seed,
            speed=options.speed,
            market_data_lines=options.market_data_lines,
            state=options.state,
            first_minute=options.first_minute,
            minutes=options.minutes,
        ),
        before_hash=summary_as_json if options.json else None,
    )
    return 0


def run(options: argparse.Namespace) -> int:
    """Run the daemon."""
    import asyncio

    from optionsib.dashboard.terminal import TerminalView
    from optionsib.launchers.session import SessionSetup, run_session

    setup = SessionSetup(
        config=_config(options),
        pace=options.pace,
        speed=options.speed,
        data_sha256=options.data_sha256,
        arm_live=options.arm_live,
        confirm_account=options.confirm_account,
        log_messages=options.log_messages,
        metrics_port=options.metrics_port,
    )
    with TerminalView() as view:
        summary = asyncio.run(run_session(setup, view.update))
    print(f"ended: {summary.reason}; open trades {summary.trades_open}")
    print(f"journal sha256 {summary.head}")
    return 0


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


def train(options: argparse.Namespace) -> int:
    """Train a model, or list what can be trained."""
    from optionsib.launchers.training import show_trainers, train_by_name

    if options.name is None:
        return show_trainers()
    train_by_name(
        options.name,
        config=options.config,
        out=options.out,
        seed=options.seed,
        data=options.data,
        resume=options.resume,
    )
    return 0


def limits(options: argparse.Namespace) -> int:
    """Show or change the running daemon's limits."""
    from optionsib.launchers.operate import change_limits

    return change_limits(
        _config(options),
        options.verb,
        options.words,
        reason=options.reason,
        operator=options.operator,
        timeout=options.timeout,
    )


def model(options: argparse.Namespace) -> int:
    """Show or change the running daemon's models."""
    from optionsib.launchers.model_commands import work

    return work(
        _config(options),
        options.verb,
        options.path,
        reason=options.reason,
        operator=options.operator,
        timeout=options.timeout,
        as_json=options.json,
    )


def book(options: argparse.Namespace) -> int:
    """Show or book fills that the broker no longer reports."""
    from optionsib.launchers.booking import book as carry_out

    return carry_out(
        _config(options),
        options.words,
        commission=options.commission,
        reason=options.reason,
        operator=options.operator,
        timeout=options.timeout,
    )


def order(options: argparse.Namespace) -> int:
    """List, change or cancel working orders of the daemon."""
    from optionsib.launchers import order_commands as work

    config = _config(options)
    if options.verb == "list":
        return work.show_orders(config, timeout=options.timeout, as_json=options.json)
    terms = (
        {"price": options.price, "stop": options.stop, "quantity": options.quantity}
        if options.verb == ("change")
        else {}
    )
    return work.ask_for(
        config,
        options.verb,
        options.ref,
        terms,
        reason=options.reason,
        operator=options.operator,
        timeout=options.timeout,
        as_json=options.json,
    )


def operate(options: argparse.Namespace) -> int:
    """Send an operator's command to the daemon, or do it without one."""
    from optionsib.launchers.operate import operate as carry_out

    return carry_out(
        _config(options),
        options.command,
        reason=options.reason,
        timeout=options.timeout,
        own_process=getattr(options, "own_process", False),
        as_json=options.json,
    )


def doctor(options: argparse.Namespace) -> int:
    """Check the installation."""
    from optionsib.launchers.doctor import examine

    return examine(lambda: _config(options))


def ib_status(options: argparse.Namespace) -> int:
    """Show the daemon's connection to the broker."""
    from optionsib.launchers.operate import show_gateway

    return show_gateway(_config(options), timeout=options.timeout, as_json=options.json)


def ib_doctor(options: argparse.Namespace) -> int:
    """Examine a TWS, IB Gateway or paper exchange."""
    from optionsib.launchers.ib_doctor import DoctorSettings, examine_broker

    return examine_broker(
        DoctorSettings(
            host=options.host,
            port=options.port,
            client_id=options.client_id,
            symbols=tuple(options.symbol) or ("SPY",),
            timeout=options.timeout,
            log_messages=options.log_messages,
        )
    )


def report(options: argparse.Namespace) -> int:
    """Write a report."""
    from optionsib.launchers.report import report_of

    print(report_of(options.state, options.out))
    return 0


def audit_verify(options: argparse.Namespace) -> int:
    """Verify a journal."""
    from optionsib.governance.audit import main_verify

    return main_verify(options.journal, options.expected_head)


def paper_fault(options: argparse.Namespace) -> int:
    """Arm a fault of a running paper exchange."""
    from optionsib.launchers.paper_fault import arm_fault

    result = arm_fault(options.output, options.name, options.arguments)
    print("ok" if result is None else f"ok {result}")
    return 0


def vault(options: argparse.Namespace) -> int:
    """Carry out a verb of ``optionsib vault``."""
    verb = options.vault_verb
    if verb == "key":
        from optionsib.launchers import vault as work

        if options.key_verb == "show":
            return work.show_key(options.path)
        if options.key_verb == "account":
            return work.show_usdt_account(options.path)
        if (options.key_verb == "import") != (options.plain is not None):
            print("optionsib: import takes --from FILE, new does not", file=sys.stderr)
            return 2
        return work.new_key(options.path, options.plain)
    if verb == "acknowledge":
        from optionsib.launchers.acknowledging import acknowledge

        return acknowledge(
            _config(options),
            options.trade,
            reason=options.reason,
            operator=options.operator,
            timeout=options.timeout,
        )
    if verb == "fund":
        from optionsib.launchers.localnet import fund

        config = _config(options, **({"vault.rpc_url": options.rpc} if options.rpc else {}))
        return fund(config, options.address, sol=options.sol, usdt=options.usdt)
    return _vault_on_chain(verb, options)


def _vault_on_chain(verb: str, options: argparse.Namespace) -> int:
    from optionsib.launchers import vault as work
    from optionsib.launchers import vault_status

    names = {"rpc": "rpc_url", "program": "program", "mint": "mint", "trader": "trader"}
    given = {f"vault.{key}": getattr(options, name) for name, key in names.items() if getattr(options, name)}
    config = _config(options, **given)
    match verb:
        case "create":
            return work.create(config, options.signer, options.words, yes=options.yes)
        case "deposit":
            return work.deposit(config, options.signer, options.amount, options.source)
        case "withdraw":
            return work.withdraw(config, options.signer, options.amount)
        case "mandate":
            return work.mandate(config, options.mandate_verb, options.words, options.signer, yes=options.yes)
        case "pay":
            return work.pay(config, options.signer)
        case "status":
            return vault_status.status(config, as_json=options.json)
        case "history":
            return vault_status.history(config, options.journal, as_json=options.json)
        case "verify":
            return vault_status.verify(config, options.journal)
        case _:
            import asyncio

            from optionsib.launchers.attestor import serve

            asyncio.run(serve(config))
            return 0


def vault_localnet(options: argparse.Namespace) -> int:
    """Serve a local chain."""
    import asyncio

    from optionsib.launchers.localnet import serve, settings_of

    try:
        settings = settings_of(
            options.fault,
            seed=options.seed,
            state=options.state,
            program=options.program,
            host=options.host,
            port=options.port,
            slot_ms=options.slot_ms,
        )
    except ValueError as error:
        print(f"optionsib: {error}", file=sys.stderr)
        return 2
    asyncio.run(serve(settings, reset=options.reset))
    return 0


def paper_exchange(options: argparse.Namespace) -> int:
    """Serve a paper exchange."""
    import asyncio

    from optionsib.launchers.exchange import ExchangeSettings, serve

    settings = ExchangeSettings(
        tape=options.tape,
        date=options.date,
        seed=options.seed,
        pace=options.pace,
        speed=options.speed,
        host=options.host,
        port=options.port,
        owner_client_id=options.owner_client_id,
        market_data_lines=options.market_data_lines,
        first_minute=options.first_minute,
        minutes=options.minutes,
        tape_only=options.tape_only,
        market_data=options.market_data,
        limits=options.limits,
        queue=options.queue,
        scenario=options.scenario,
        control_port=options.control_port,
    )
    asyncio.run(serve(settings, _config(options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
