"""One trader's vault as a chain shows it: accounts, clock, history. Signs and sends nothing."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from solana.rpc.async_api import AsyncClient
from solders.account import Account
from solders.hash import Hash
from solders.pubkey import Pubkey

from optionsib.common.errors import SettlementError
from optionsib.common.ports import Clock
from optionsib.vault.cut_logs import completed, vault_calls
from optionsib.vault.deploy import program_data_address
from optionsib.vault.program_client import TradeAccount, VaultAddresses, audit_events, first_audit
from optionsib.vault.program_instructions import VaultProgram
from optionsib.vault.readings import (
    CLOCK_SYSVAR,
    AccountsShape,
    ChainFacts,
    Commitment,
    HistoryEntry,
    ProgramAccountShape,
    SignatureShape,
    TipShape,
    TokenReading,
    TransactionShape,
    VaultReading,
    account_of,
    chain_time_of,
    mint_of,
    program_code,
    refuse_late,
    token_of,
    trade_of,
    vault_of,
)
from optionsib.vault.rpc import RpcUnavailableError, call, decoding, error_name
from optionsib.vault.schema import size_of

_MAXIMUM_ACCOUNTS = 100
_PAGE = 1_000


class VaultReader:
    """Reads a trader's vault.

    Parameters
    ----------
    rpc
        Connection to a node (``rpc.connect``); for the chain in this process ``EmbeddedChain.rpc``.
    program, mint, trader
        Address of the program, the token, and whose vault it is.
    clock
        Stamps readings.
    commitment
        The state that is read.
    """

    def __init__(
        self,
        rpc: AsyncClient,
        *,
        program: Pubkey,
        mint: Pubkey,
        trader: Pubkey,
        clock: Clock,
        commitment: Commitment = "confirmed",
    ) -> None:
        self.program = VaultProgram(program, mint)
        self.trader = trader
        self.addresses: VaultAddresses = self.program.addresses(trader)
        self.commitment = commitment
        self._rpc, self._clock = rpc, clock
        self._cluster: bytes | None = None
        self._anchor: tuple[str, int, bytes] | None = None  # signature; number and audit hash after it
        self._slot = 0  # of the newest reading; what shows less is past

    async def cluster(self) -> bytes:
        """Return the genesis hash, 32 bytes (asked once)."""
        if self._cluster is None:
            shown = await call(self._rpc, str, "getGenesisHash")
            with decoding("getGenesisHash"):
                self._cluster = bytes(Hash.from_string(shown))
        return self._cluster

    async def check(self) -> ChainFacts:
        """Compare chain, program and mint with what this vault needs.

        Raises
        ------
        SettlementError
            If the program or the mint is not there, or the vault belongs to another cluster or mint.
        """
        program, mint = self.program.program, self.program.mint
        cluster = await self.cluster()
        code, data, token, own = (
            await self._accounts(program, program_data_address(program), mint, self.addresses.vault)
        )[1]
        if code is None or not code.executable:
            raise SettlementError(f"{program} is no program on this chain (genesis {Hash(cluster)})")
        sha256, committed, immutable = program_code(data)
        minter, freezer, _ = mint_of(token, mint)
        vault = vault_of(own, self.program)
        if vault is not None and (vault.cluster, vault.mint) != (cluster, mint):
            raise SettlementError(
                f"the vault was made for genesis {Hash(vault.cluster)} and mint {vault.mint}; this is "
                f"{Hash(cluster)} and {mint}"
            )
        return ChainFacts(
            genesis_hash=str(Hash(cluster)),
            program_sha256=sha256,
            program_committed=committed,
            program_immutable=immutable,
            mint_authority=minter,
            freeze_authority=freezer,
        )

    async def read(self, *lamports_of: Pubkey) -> VaultReading:
        """Read the vault, its token accounts, its mint and the chain's clock, all at one slot.

        Raises
        ------
        RpcUnavailableError
            Also if the node shows an older slot than one before it did: behind one address there may be
            several, and what a late one shows is past.
        SettlementError
            If the mint is none, or something else stands at the vault's address.
        """
        own, mint = self.addresses, self.program.mint
        slot, found = await self._accounts(own.vault, own.funds, own.escrow, mint, CLOCK_SYSVAR, *lamports_of)
        minter, freezer, decimals = mint_of(found[3], mint)
        return VaultReading(
            at_ns=self._clock.now_ns(),
            slot=slot,
            chain_time=chain_time_of(found[4]),
            vault=vault_of(found[0], self.program),
            funds=token_of(found[1]),
            escrow=token_of(found[2]),
            mint_authority=minter,
            freeze_authority=freezer,
            decimals=decimals,
            lamports=tuple(0 if account is None else account.lamports for account in found[5:]),
        )

    async def trade(self, number: int) -> TradeAccount | None:
        """Read an open trade; None where there is none (never opened, or ended)."""
        return (await self.trades([number]))[0]

    async def trades(self, numbers: Sequence[int]) -> list[TradeAccount | None]:
        """Read several trades, 100 at one slot."""
        found: list[TradeAccount | None] = []
        for at in range(0, len(numbers), _MAXIMUM_ACCOUNTS):
            part = numbers[at : at + _MAXIMUM_ACCOUNTS]
            keys = [self.program.trade_address(self.addresses.vault, number) for number in part]
            found += [trade_of(account, self.program) for account in (await self._accounts(*keys))[1]]
        return found

    async def open_trades(self) -> list[TradeAccount]:
        """Find all open trades of the vault, by number.

        Raises
        ------
        RpcRefusedError
            If the node does not search for accounts.
        """
        filters = [
            {"dataSize": size_of("Trade")},
            {"memcmp": {"offset": size_of("u64"), "bytes": str(self.addresses.vault)}},
        ]
        options = {"commitment": self.commitment, "encoding": "base64", "filters": filters}
        shown = await call(
            self._rpc,
            list[ProgramAccountShape],
            "getProgramAccounts",
            str(self.program.program),
            options,
        )
        with decoding("getProgramAccounts"):
            accounts = [account_of(item.account) for item in shown]
        found = [trade_of(account, self.program) for account in accounts]
        return sorted((trade for trade in found if trade is not None), key=lambda trade: trade.trade_id)

    async def token(self, address: Pubkey) -> TokenReading | None:
        """Read any token account; None where there is none."""
        return token_of((await self._accounts(address))[1][0])

    async def tip(self) -> TipShape:
        """Return slot and height of the newest block of this commitment."""
        return await call(self._rpc, TipShape, "getEpochInfo", {"commitment": self.commitment})

    async def _accounts(self, *keys: Pubkey) -> tuple[int, list[Account | None]]:
        method = "getMultipleAccounts"
        options, least = {"commitment": self.commitment, "encoding": "base64"}, self._slot
        answer = await call(self._rpc, AccountsShape, method, [str(key) for key in keys], options)
        if len(answer.value) != len(keys):
            raise RpcUnavailableError(f"{method} answers with {len(answer.value)} of {len(keys)} accounts")
        slot = answer.context.slot
        if self.commitment != "processed":
            refuse_late(slot, least)
        with decoding(method):
            found = [account_of(shown) for shown in answer.value]
        self._slot = max(self._slot, slot)
        return slot, found

    async def history(self, after: str | None = None) -> list[HistoryEntry]:
        """Return all transactions that name the vault, oldest first; only those after a signature if given.

        Events that a node's log left out are there where they are proven (``cut_logs``).

        Raises
        ------
        SettlementError
            If the node has no longer one of them.
        """
        found = await self._fetched(after)
        first = self._anchor if self._anchor is not None and self._anchor[0] == after else None
        if not all(entry.is_whole for entry in found):
            if after is not None and first is None:
                earlier = {entry.signature for entry in found}
                return [entry for entry in await self.history() if entry.signature in earlier]
            reading = await self.read()
            if reading.vault is not None:
                place = (self.program.program, self.addresses.vault)
                sequence, audit = first[1:] if first else (0, first_audit(*place, reading.vault.cluster))
                found = completed(
                    found, reading.vault, self.program, place[1], sequence=sequence, audit=audit
                )
        events = [event for entry in found for event in entry.events]
        if found and events and all(entry.is_whole for entry in found):
            self._anchor = (found[-1].signature, events[-1].record.sequence + 1, events[-1].audit)
        return found

    async def _fetched(self, after: str | None) -> list[HistoryEntry]:
        found: list[str] = []
        commitment: Commitment = "confirmed" if self.commitment == "processed" else self.commitment
        while True:
            options: dict[str, Any] = {"limit": _PAGE, "commitment": commitment}
            options |= {"before": found[-1]} if found else {}
            options |= {"until": after} if after else {}
            page = await call(
                self._rpc,
                list[SignatureShape],
                "getSignaturesForAddress",
                str(self.addresses.vault),
                options,
            )
            found += [item.signature for item in page]
            if len(page) < _PAGE:
                break
        return [await self._entry(signature, commitment) for signature in reversed(found)]

    async def _entry(self, signature: str, commitment: Commitment) -> HistoryEntry:
        options = {"encoding": "base64", "commitment": commitment, "maxSupportedTransactionVersion": 0}
        whole = await call(self._rpc, TransactionShape | None, "getTransaction", signature, options)  # type: ignore[arg-type]
        if whole is None:
            raise SettlementError(
                f"the RPC node no longer has transaction {signature}: use one with full history"
            )
        error = whole.meta.err
        with decoding("getTransaction"):
            events = () if error else tuple(audit_events(whole.meta.logMessages or (), self.program.program))
            wire = base64.b64decode(whole.transaction[0], validate=True)
            place = (self.program.program, self.addresses.vault)
            calls = () if error else tuple(vault_calls(wire, whole.meta, *place))
        return HistoryEntry(
            signature=signature,
            slot=whole.slot,
            block_time=whole.blockTime,
            error=error_name(error)[0] if error else "",
            fee=whole.meta.fee,
            wire=wire,
            calls=calls,
            events=tuple(event for event in events if event.vault == self.addresses.vault),
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._rpc.close()
