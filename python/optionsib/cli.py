"""The one command: ``optionsib``. Needs the standard library alone; names the extra that is missing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from optionsib.commands import broker, operations, pricing, session, training, vault
from optionsib.commands.arguments import add_config

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

    session.add_demo(
        add("demo", session.demo, "Play a day on the paper exchange and trade it; ends with a report.")
    )
    session.add_run(
        add("run", session.run, "Run the trading daemon against TWS, IB Gateway or a paper exchange.")
    )
    pricing.add_price(
        add(
            "price",
            pricing.price,
            "Price one option with Greeks, or find its volatility; or price a product under a model.",
        )
    )
    training.add_train(add("train", training.train, "Train a model: data in; artefact, card and a page out."))
    for name, text in operations.OPERATIONS.items():
        operations.add_operation(add(name, operations.operate, text), name)
    operations.add_limits(
        add(
            "limits",
            operations.limits,
            "Show or change the limits of the running daemon; a change takes two people.",
        )
    )
    training.add_model(
        add("model", training.model, "Show, swap, shadow, freeze or thaw the models of the running daemon.")
    )
    operations.add_order(add("order", only_verbs, "List, change or cancel the working orders of the daemon."))
    operations.add_book(
        add("book", operations.book, "Show, or book by hand, a fill that the broker no longer reports.")
    )
    add_config(add("doctor", session.doctor, "Check build, libraries, ports, clock, data and configuration."))
    broker.add_ib(add("ib", only_verbs, "Look at the connection to TWS, IB Gateway or a paper exchange."))
    session.add_audit(add("audit", only_verbs, "Audit a journal."))
    session.add_report(
        add("report", session.report, "Write the HTML report of a session from its state folder.")
    )
    vault.add_vault(add("vault", only_verbs, "Funds in a program on Solana."))
    broker.add_exchange(
        add("paper-exchange", broker.paper_exchange, "A local exchange that speaks the TWS protocol.")
    )
    broker.add_fault(
        add("paper-fault", broker.paper_fault, "Make something go wrong at a running paper exchange.")
    )
    return parser


def only_verbs(options: argparse.Namespace) -> int:
    """Stand for a command whose verbs do the work; the parser asks for one."""
    return 2


if __name__ == "__main__":
    sys.exit(main())
