"""``optionsib vault``: funds in a program on Solana, and a local chain."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from optionsib.commands.arguments import (
    add_config,
    configuration,
    count,
    port,
    positive,
)


def _add_localnet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="loopback unless you know what you do")
    parser.add_argument(
        "--port", type=port, default=8899, help="the websocket takes the next one; 0 takes two free ones"
    )
    parser.add_argument(
        "--state", type=Path, default=Path("var/localnet"), help="folder to keep the chain in"
    )
    parser.add_argument("--reset", action="store_true", help="begin a new chain in that folder")
    parser.add_argument("--program", type=Path, help="ELF to deploy at genesis (default: the vault)")
    parser.add_argument("--seed", type=count, default=7, help="of keys, genesis and faults")
    parser.add_argument("--slot-ms", type=count, default=400, help="length of a slot")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="such as confirmed_ms=800 or drop=0.1; see docs/vault-localnet.md",
    )
    parser.set_defaults(run=vault_localnet)


def add_vault(vault_command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``vault``."""
    verbs = vault_command.add_subparsers(required=True, metavar="VERB")
    _add_localnet(verbs.add_parser("localnet", help="A Solana chain of one's own, on this machine."))

    def add(name: str, text: str, *, node: bool = True) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
        command.set_defaults(run=vault, vault_verb=name)
        if node:
            add_config(command)
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
    add_config(acknowledge)
    acknowledge.add_argument("trade", help="as `optionsib status` names it")
    acknowledge.add_argument("--reason", required=True, help="why trading may go on; written in the journal")
    acknowledge.add_argument("--operator", default="", help="who answers (default: the user of this machine)")
    acknowledge.add_argument(
        "--timeout", type=positive, default=10.0, help="seconds to wait for the daemon (default: 10)"
    )
    verify = add("verify", "Recompute the audit chain from the transaction log, and compare with a journal.")
    verify.add_argument("journal", nargs="?", type=Path, help="of the daemon that traded it")
    add("attestor", "Sign the results of closes that the broker's own executions confirm.")
    fund = add("fund", "Give SOL and USDT to an address, on a local chain only.", node=False)
    fund.add_argument("address", nargs="+", help="public key (base58)")
    fund.add_argument("--sol", default="10", help="default: 10")
    fund.add_argument("--usdt", default="10000", help="into its USDT account, which is made (default: 10000)")
    fund.add_argument("--rpc", default="", metavar="URL", help="else OPTIONSIB_VAULT__RPC_URL")
    add_config(fund)


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
            configuration(options),
            options.trade,
            reason=options.reason,
            operator=options.operator,
            timeout=options.timeout,
        )
    if verb == "fund":
        from optionsib.launchers.localnet import fund

        config = configuration(options, **({"vault.rpc_url": options.rpc} if options.rpc else {}))
        return fund(config, options.address, sol=options.sol, usdt=options.usdt)
    return _vault_on_chain(verb, options)


def _vault_on_chain(verb: str, options: argparse.Namespace) -> int:
    from optionsib.launchers import vault as work
    from optionsib.launchers import vault_status

    names = {"rpc": "rpc_url", "program": "program", "mint": "mint", "trader": "trader"}
    given = {f"vault.{key}": getattr(options, name) for name, key in names.items() if getattr(options, name)}
    config = configuration(options, **given)
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
