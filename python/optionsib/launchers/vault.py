"""``optionsib vault``: what trader and settlement authority do, over any RPC node."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import SecretStr

from optionsib.common.clock import SystemClock
from optionsib.common.config import Config
from optionsib.common.errors import ConfigError, SettlementError
from optionsib.vault.client import Instructions, SolanaVault, VaultReading
from optionsib.vault.fees import FeePolicy
from optionsib.vault.mandates import address, allowed_symbols, base_units, changed, shown, terms_of, usdt
from optionsib.vault.program_client import NO_KEY, Mandate, VaultAccount
from optionsib.vault.rpc import connect
from optionsib.vault.signer_files import PASSPHRASE_VARIABLE, make_key_file, public_key_of, signer_of
from optionsib.vault.signers import Signer
from optionsib.vault.tokens import associated_account

T = TypeVar("T")


@asynccontextmanager
async def opened(config: Config, trader: str = "") -> AsyncIterator[SolanaVault]:
    """Connect to the configured node as the client of one trader's vault.

    Raises
    ------
    ConfigError
        If node, program or trader are not configured.
    """
    settings = config.vault
    url = settings.rpc_url.get_secret_value()
    if not url:
        raise ConfigError("no RPC node: expected --rpc URL or OPTIONSIB_VAULT__RPC_URL")
    if not settings.program:
        raise ConfigError("vault.program is not set: expected the address of the program (--program)")
    if not (trader or settings.trader):
        raise ConfigError("vault.trader is not set: expected whose vault (--trader)")
    vault = SolanaVault(
        connect(url),
        program=address(settings.program, "vault.program"),
        mint=address(settings.mint, "vault.mint"),
        trader=address(trader or settings.trader, "vault.trader"),
        clock=SystemClock(),
        commitment=settings.commitment,
        fees=FeePolicy(floor=settings.priority_fee_floor, ceiling=settings.priority_fee_ceiling),
    )
    try:
        yield vault
    finally:
        await vault.close()


def prompted_signer(words: str) -> Signer:
    """Return the signer that ``words`` name; asks for a passphrase where there is a terminal."""
    return signer_of(words, prompt=getpass.getpass if sys.stdin.isatty() else None)


# --- keys ----------------------------------------------------------------------------------------------


def new_key(path: Path, plain: Path | None) -> int:
    """Make an encrypted key file: of a new key, or of one in the format of the Solana tools."""
    print(f"wrote {path}: public key {make_key_file(path, _new_passphrase(), plain)}")
    if plain is not None:
        print(f"{plain} holds the same key in the clear: delete it once you have tried the new file")
    return 0


def show_key(path: Path) -> int:
    """Print the public key of a key file."""
    print(public_key_of(path))
    return 0


def show_usdt_account(path: Path) -> int:
    """Print the address at which the owner of a key file holds USDT."""
    print(associated_account(public_key_of(path)))
    return 0


def _new_passphrase() -> SecretStr:
    if given := os.environ.get(PASSPHRASE_VARIABLE):
        return SecretStr(given)
    if not sys.stdin.isatty():
        raise ConfigError(f"no terminal to ask for a passphrase: expected it in {PASSPHRASE_VARIABLE}")
    first = getpass.getpass("new passphrase: ")
    if getpass.getpass("once more: ") != first:
        raise ConfigError("the two differ; nothing was written")
    return SecretStr(first)


# --- the trader ----------------------------------------------------------------------------------------


def create(config: Config, signer: str, words: Sequence[str], *, yes: bool) -> int:
    """Open a vault under a first mandate: that of the configuration, with the changes NAME=VALUE."""

    async def work() -> None:
        trader = prompted_signer(signer)
        async with opened(config, str(trader.public_key)) as vault:
            await vault.check()
            reading = await vault.read()
            if reading.vault is not None:
                raise SettlementError(f"{trader.public_key} has a vault already: {vault.addresses.vault}")
            mandate = _first_mandate(config, vault, reading, words)
            _agree("a new vault under this mandate", mandate, yes=yes)
            cluster = await vault.cluster()
            await _send(vault, [vault.program.create(vault.trader, cluster, mandate)], trader)
            print(f"vault {vault.addresses.vault}, deposits go to {vault.addresses.funds}")

    return _run(work)


def _first_mandate(
    config: Config, vault: SolanaVault, reading: VaultReading, words: Sequence[str]
) -> Mandate:
    blank = Mandate(
        engine=NO_KEY,
        attestor=NO_KEY,
        settlement=NO_KEY,
        fee_account=NO_KEY,
        payout=associated_account(vault.trader, vault.program.mint),
        mint_authority=reading.mint_authority or NO_KEY,
        freeze_authority=reading.freeze_authority or NO_KEY,
        **terms_of(config.vault, allowed_symbols(config.vault, config.session.symbol)),
    )
    mandate = changed(blank, words)
    for name in ("engine", "attestor", "settlement", "fee_account"):
        if getattr(mandate, name) == NO_KEY:
            raise ConfigError(f"the mandate names no {name}: expected {name}=ADDRESS")
    return mandate


def deposit(config: Config, signer: str, amount: str, source: str) -> int:
    """Put USDT of the signer's account into a vault."""

    async def work() -> None:
        depositor = prompted_signer(signer)
        units = base_units(amount)
        async with opened(config, config.vault.trader or str(depositor.public_key)) as vault:
            await _existing(vault)
            account = (
                address(source, "source")
                if source
                else associated_account(depositor.public_key, vault.program.mint)
            )
            instruction = vault.program.deposit(vault.trader, depositor.public_key, account, units)
            await _send(vault, [instruction], depositor)
            print(f"free now: {usdt(_amount(await vault.read()))} USDT")

    return _run(work)


def withdraw(config: Config, signer: str, amount: str) -> int:
    """Take free USDT out, to the mandate's payout account; ``all`` takes everything that is free."""

    async def work() -> None:
        trader = prompted_signer(signer)
        async with opened(config, str(trader.public_key)) as vault:
            reading = await vault.read()
            account = _account_of(vault, reading)
            units = _amount(reading) if amount == "all" else base_units(amount)
            instruction = vault.program.withdraw(vault.trader, account.mandate.payout, units)
            await _send(vault, [instruction], trader)
            print(f"{usdt(units)} USDT to {account.mandate.payout}")

    return _run(work)


def mandate(config: Config, verb: str, words: Sequence[str], signer: str, *, yes: bool) -> int:
    """Show the mandate, propose another one, put it in force or drop it; pause, unpause."""

    async def work() -> None:
        if verb == "show":
            async with opened(config) as vault:
                _print_mandates(await _existing(vault))
            return
        if not signer:
            raise ConfigError(f"mandate {verb} must be signed: expected --signer")
        key = prompted_signer(signer)
        own = config.vault.trader if verb == "pause" else ""  # the engine may pause too
        async with opened(config, own or str(key.public_key)) as vault:
            account = await _existing(vault)
            program, trader = vault.program, vault.trader
            match verb:
                case "propose":
                    wanted = changed(account.mandate, words)
                    _agree("a proposal of this mandate", wanted, yes=yes)
                    instruction = program.propose(trader, wanted)
                case "pause":
                    instruction = program.pause(trader, key.public_key)
                case "unpause":
                    instruction = program.unpause(trader)
                case "apply":
                    instruction = program.apply(trader)
                case "cancel":
                    instruction = program.cancel(trader)
                case _:
                    instruction = program.cancel_recovery(trader)
            await _send(vault, [instruction], key)
            _print_mandates(await _existing(vault))

    return _run(work)


def pay(config: Config, signer: str) -> int:
    """Pay what trades are owed, as far as the settlement account holds it."""

    async def work() -> None:
        authority = prompted_signer(signer)
        async with opened(config) as vault:
            await _existing(vault)
            owed = [trade for trade in await vault.open_trades() if trade.receivable]
            for trade in owed:
                account = await vault.token(trade.settlement)
                if account is None or account.owner != authority.public_key:
                    print(f"trade {trade.trade_id}: paid from {trade.settlement}, which is not this signer's")
                    continue
                amount = min(trade.receivable, account.amount)
                if not amount:
                    raise SettlementError(
                        f"{trade.settlement} is empty; {usdt(trade.receivable)} USDT are owed"
                    )
                instruction = vault.program.pay_profit(vault.trader, trade, authority.public_key, amount)
                await _send(vault, [instruction], authority)
                print(f"trade {trade.trade_id}: paid {usdt(amount)} of {usdt(trade.receivable)} USDT")
            if not owed:
                print("nothing is owed")

    return _run(work)


# --- parts ---------------------------------------------------------------------------------------------


async def _send(vault: SolanaVault, instructions: Instructions, signer: Signer) -> None:
    signature, status = await vault.run(instructions, signers=[signer])
    print(f"{status.commitment} in slot {status.slot}: {signature}")


async def _existing(vault: SolanaVault) -> VaultAccount:
    return _account_of(vault, await vault.read())


def _account_of(vault: SolanaVault, reading: VaultReading) -> VaultAccount:
    if reading.vault is None:
        raise SettlementError(f"{vault.trader} has no vault of program {vault.program.program}")
    return reading.vault


def _amount(reading: VaultReading) -> int:
    return 0 if reading.funds is None else reading.funds.amount


def _print_mandates(account: VaultAccount) -> None:
    print(f"mandate {account.mandate_version}{', paused' if account.paused else ''}")
    _print(account.mandate)
    if account.pending_ready:
        print(f"pending, may be applied from Unix time {account.pending_ready} on; differs in")
        now, then = shown(account.mandate), shown(account.pending)
        for name, value in then.items():
            if now[name] != value:
                print(f"  {name:18}{value}")


def _print(mandate: Mandate) -> None:
    for name, value in shown(mandate).items():
        print(f"  {name:18}{value}")


def _agree(what: str, mandate: Mandate, *, yes: bool) -> None:
    """Show what will be signed, and ask; without a terminal only ``--yes`` goes on."""
    print(f"{what}:")
    _print(mandate)
    if yes:
        return
    if not sys.stdin.isatty() or input("sign this? (yes/no) ").strip() != "yes":
        raise ConfigError("not agreed to (--yes agrees without a terminal); nothing was sent")


def _run(work: Callable[[], Awaitable[None]]) -> int:
    async def whole() -> None:
        await work()

    asyncio.run(whole())
    return 0
