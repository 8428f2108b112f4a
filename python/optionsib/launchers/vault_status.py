"""``optionsib vault status`` and ``history``: what the chain says about a vault."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import time
from pathlib import Path
from typing import Any

import msgspec

from optionsib.bus.journal import JournalReader, writer_of
from optionsib.common.config import Config
from optionsib.common.errors import SettlementError
from optionsib.common.events import AnyEvent, VaultAcknowledged
from optionsib.common.types import SECOND_NS
from optionsib.governance import audit
from optionsib.launchers.vault import opened
from optionsib.vault.acknowledgements import described
from optionsib.vault.audit_trail import audit_trail
from optionsib.vault.client import ChainFacts, HistoryEntry, TokenReading, VaultReading
from optionsib.vault.mandates import usdt
from optionsib.vault.program_client import TradeAccount, VaultAccount
from optionsib.vault.schema import load_schema
from optionsib.vault.verify import ledger_differences

_LAMPORTS_PER_SOL = 10**9
_LOOKS, _PAUSE_SECONDS = 5, 1.0  # at a journal that is being written


def status(config: Config, *, as_json: bool) -> int:
    """Print balances, open trades, and everything about them that is not as it should be."""
    facts, reading, trades, addresses = asyncio.run(_read(config))
    found = _as_json(facts, reading, trades)
    found["addresses"] = addresses
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"vault            {addresses['vault']}")
    if reading.vault is None:
        print("                 there is none")
        return 1
    for name in ("free", "escrow", "receivable", "lifetime_loss"):
        print(f"{name:17}{usdt(found[name])} USDT")
    print(f"{'engine SOL':17}{found['engine_lamports'] / _LAMPORTS_PER_SOL:.6f}")
    print(f"{'chain time':17}{found['chain_time']} (ours {found['clock_skew_seconds']:+d} s)")
    print(f"{'program':17}{found['program']}")
    for trade in trades:
        print(
            f"trade {trade.trade_id:<11}{usdt(trade.remaining)} of {usdt(trade.amount)} USDT, "
            f"{trade.closes} closes, until {_time(trade.expiry)}"
            + (f", {usdt(trade.receivable)} USDT owed" if trade.receivable else "")
        )
    for word in found["warnings"]:
        print(f"warning: {word}")
    return 0


def history(config: Config, journal: Path | None, *, as_json: bool) -> int:
    """Print every transaction that named the vault, oldest first; then what a journal has acknowledged."""

    async def work() -> list[HistoryEntry]:
        async with opened(config) as vault:
            return await vault.history()

    names = {instruction.code: instruction.name for instruction in load_schema().instructions}
    for entry in asyncio.run(work()):
        records: list[dict[str, Any]] = [
            {
                "sequence": event.record.sequence,
                "kind": names.get(event.record.kind, str(event.record.kind)),
                "time": event.record.time,
                "trade_id": event.record.trade_id,
                "amount": event.record.amount,
                "pnl": event.record.pnl,
                "fee": event.record.fee,
            }
            for event in entry.events
        ]
        if as_json:
            print(json.dumps({"signature": entry.signature, "slot": entry.slot, "error": entry.error,
                              "fee_lamports": entry.fee, "records": records}))  # fmt: skip
            continue
        if entry.error:
            print(f"{_time(entry.block_time)}  failed: {entry.error}  {entry.signature}")
        for record in records:
            trade = f" trade {record['trade_id']}" if record["trade_id"] else ""
            result = f" result {usdt(record['pnl'])}" if record["pnl"] else ""
            fee = f" fee {usdt(record['fee'])}" if record["fee"] else ""
            print(
                f"{_time(record['time'])}  {record['sequence']:>5} {record['kind']:<16}"
                f"{usdt(record['amount'])}{result}{fee}{trade}  {entry.signature}"
            )
    for event in _acknowledgements(journal):
        if as_json:
            print(json.dumps({"acknowledged": msgspec.to_builtins(event)}))
        else:
            print(f"{_time(event.at_ns // SECOND_NS)}  {described(event)}")
    return 0


def _acknowledgements(journal: Path | None) -> list[VaultAcknowledged]:
    if journal is None:
        return []
    with JournalReader.open_read_only(journal) as reader:
        found = [event for _, _, event in reader.events(["VaultAcknowledged"])]
    return [event for event in found if isinstance(event, VaultAcknowledged)]


def verify(config: Config, journal: Path | None) -> int:
    """Recompute the audit chain from the transaction log, and hold a journal against it.

    Returns 0 where nothing differs, 1 with a line for each difference. A daemon that writes the journal may
    be a moment behind the chain: it is given time before anything counts.
    """
    records, differences = asyncio.run(_verify(config, journal))
    for _ in range(_LOOKS - 1):
        if not differences or journal is None or writer_of(journal) is None:
            break
        time.sleep(_PAUSE_SECONDS)
        records, differences = asyncio.run(_verify(config, journal))
    for words in differences:
        print(f"DIFFERENCE: {words}")
    if not differences:
        print(f"{records} records, each hash recomputed; the account holds the last one")
        if journal is not None:
            print(f"{journal}: the ledger has each of them once, with its amounts")
    return 1 if differences else 0


async def _verify(config: Config, journal: Path | None) -> tuple[int, list[str]]:
    """Return how many records the chain has, and every difference."""
    if journal is not None:
        audited = audit.verify(journal)
        if not audited.ok:
            return 0, [f"{journal} is bad at record {audited.first_bad_seq}: {audited.reason}"]
    # The journal is read before the chain, which a daemon that runs lets get ahead and never fall behind.
    ledger = None if journal is None else _events(journal)
    async with opened(config) as vault:
        reading = await vault.read()
        if reading.vault is None:
            raise SettlementError(f"{vault.trader} has no vault of program {vault.program.program}")
        account, own = reading.vault, vault.addresses.vault
        history = [
            entry
            for entry in await vault.history()
            if all(event.record.sequence < account.sequence for event in entry.events)  # the rest came after
        ]
        trail = audit_trail(history, account, program=vault.program.program, vault=own)
    others = [] if ledger is None else ledger_differences(history, ledger)
    return len(trail.records), [*trail.differences, *others]


def _events(journal: Path) -> list[AnyEvent]:
    with JournalReader.open_read_only(journal) as reader:
        return [event for _, _, event in reader.events()]


async def _read(config: Config) -> tuple[ChainFacts, VaultReading, list[TradeAccount], dict[str, str]]:
    async with opened(config) as vault:
        facts = await vault.check()
        reading = await vault.read()
        if reading.vault is not None:
            reading = await vault.read(reading.vault.mandate.engine)
        trades = await vault.open_trades()
        own = vault.addresses
        return (
            facts,
            reading,
            trades,
            {"vault": str(own.vault), "funds": str(own.funds), "escrow": str(own.escrow)},
        )


def _as_json(facts: ChainFacts, reading: VaultReading, trades: list[TradeAccount]) -> dict[str, Any]:
    account = reading.vault
    kind = "this package's" if facts.program_committed else "UNKNOWN"
    can = "nobody can replace it" if facts.program_immutable else "CAN BE REPLACED by its authority"
    return {
        "exists": account is not None,
        "free": _amount(reading.funds),
        "escrow": _amount(reading.escrow),
        "receivable": account.receivable if account else 0,
        "lifetime_loss": account.lifetime_loss if account else 0,
        "paused": bool(account.paused) if account else False,
        "mandate_version": account.mandate_version if account else 0,
        "sequence": account.sequence if account else 0,
        "audit": account.audit.hex() if account else "",
        "engine_lamports": reading.lamports[0] if reading.lamports else 0,
        "chain_time": reading.chain_time,
        "clock_skew_seconds": reading.chain_time - reading.at_ns // SECOND_NS,
        "slot": reading.slot,
        "genesis_hash": facts.genesis_hash,
        "program": f"{kind}, {can} (SHA-256 {facts.program_sha256})",
        "mint_authority": str(facts.mint_authority),
        "freeze_authority": str(facts.freeze_authority),
        "trades": [
            {
                "trade_id": trade.trade_id,
                "amount": trade.amount,
                "remaining": trade.remaining,
                "receivable": trade.receivable,
                "closes": trade.closes,
                "opened_at": trade.opened_at,
                "expiry": trade.expiry,
                "order_hash": trade.order_hash.hex(),
            }
            for trade in trades
        ],
        "warnings": [] if account is None else _warnings(facts, reading, account, trades),
    }


def _warnings(
    facts: ChainFacts, reading: VaultReading, account: VaultAccount, trades: list[TradeAccount]
) -> list[str]:
    """Return what a user should know before trusting the numbers."""
    found = []
    mandate = account.mandate
    for name, token in (("free", reading.funds), ("escrow", reading.escrow)):
        if token is not None and token.frozen:
            found.append(f"the issuer has frozen the {name} account: nothing moves until it thaws it")
    if account.paused:
        found.append("paused: nothing opens until the trader unpauses it")
    if account.receivable:
        found.append("a profit is unpaid: nothing opens until `optionsib vault pay`")
    if (reading.mint_authority, reading.freeze_authority) != (
        mandate.mint_authority,
        mandate.freeze_authority,
    ):
        found.append("the mint's authorities are not those of the mandate: nothing opens")
    if account.pending_ready:
        found.append(f"another mandate is pending, from {_time(account.pending_ready)} on it may be applied")
    if account.recovery_ready:
        found.append(f"a recovery runs and can be finished from {_time(account.recovery_ready)} on; "
                     "the trader can stop it with `optionsib vault mandate cancel-recovery`")  # fmt: skip
    if reading.chain_time - account.last_heartbeat > mandate.heartbeat_limit:
        found.append(
            "the engine is silent for longer than the heartbeat limit: the trader may release trades"
        )
    found += [f"trade {each.trade_id} has expired: anyone may return it" for each in trades
              if each.expiry <= reading.chain_time]  # fmt: skip
    if _amount(reading.escrow) != account.open_amount:
        found.append(f"escrow holds {usdt(_amount(reading.escrow))}, the trades {usdt(account.open_amount)}")
    if not facts.program_committed:
        found.append("the program is not the one of this package")
    if not facts.program_immutable:
        found.append("the program has an upgrade authority: whoever holds it can take everything")
    return found


def _amount(token: TokenReading | None) -> int:
    return 0 if token is None else token.amount


def _time(seconds: int | None) -> str:
    if seconds is None:
        return "?" * 20
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
