"""The chain inside this process: the same client, no socket, the session's clock.

Its keys come from the session's seed and are all in this process; that is said wherever its balances are
shown. With a clock that stands still no call waits, so equal seeds give equal transactions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solana.rpc.core import _ClientCore
from solana.rpc.jsonrpc import JsonRpcRequestSerializer
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from optionsib.common.errors import SettlementError
from optionsib.common.ports import Clock
from optionsib.vault.client import SolanaVault
from optionsib.vault.localnet import Faults, Localnet, LocalnetSettings
from optionsib.vault.program_client import Mandate
from optionsib.vault.rpc import RpcUnavailableError
from optionsib.vault.schema import PROGRAM_FILE, program_file
from optionsib.vault.signers import DemoSigner
from optionsib.vault.tokens import USDT_MINT, associated_account

Role = Literal["trader", "engine", "attestor", "settlement", "fees"]
# Delays of something like the public network, milliseconds of simulated time.
PUBLIC_NETWORK = Faults(processed_ms=400, jitter_ms=400, confirmed_ms=800, finalized_ms=12_800)
_LAMPORTS = 10 * 10**9


class EmbeddedChain:
    """A local chain that is called in the process.

    Parameters
    ----------
    seed
        Of genesis, keys and faults.
    clock
        The time of the chain.
    state
        Folder that keeps the chain (it survives SIGKILL); None keeps it in memory.
    faults
        Delays and faults from the start; they hold for ``rpc``, not for ``call``.

    Raises
    ------
    SettlementError
        If the state cannot be opened or belongs to another chain.
    """

    def __init__(
        self, seed: int, clock: Clock, *, state: Path | None = None, faults: Faults | None = None
    ) -> None:
        self._seed, self._clock = seed, clock
        self._faults = faults or Faults()
        if state is not None:
            state.mkdir(parents=True, exist_ok=True)
        settings = LocalnetSettings(
            seed=seed, state=state, program=program_file(PROGRAM_FILE), faults=self._faults
        )
        self._chain = Localnet(settings, clock)
        self.rpc: AsyncClient = _EmbeddedClient(self._chain)

    @property
    def program(self) -> Pubkey:
        """Address of the vault's program."""
        return self._chain.program

    def call(self, method: str, *values: Any) -> Any:
        """Carry out one of the chain's methods, ``localnet_*`` included.

        Raises
        ------
        RpcError
            As over the network.
        """
        return self._chain.call(method, *values)

    def confirmed_ns(self, signature: str) -> int | None:
        """Return when a transaction was or will be confirmed, chain time; None where it has not landed."""
        return self._chain.confirmed_ns(signature)

    def signer(self, role: Role) -> DemoSigner:
        """Return a demo key."""
        return DemoSigner(self._seed, role)

    def usdt_account(self, role: Role) -> Pubkey:
        """Return the USDT account of a role."""
        return associated_account(self.signer(role).public_key)

    def vault(self) -> SolanaVault:
        """Return the client of the demo trader's vault, whether it exists yet or not."""
        return SolanaVault(
            self.rpc,
            program=self.program,
            mint=USDT_MINT,
            trader=self.signer("trader").public_key,
            clock=self._clock,
            confirmed_at=self.confirmed_ns,
        )

    def mandate(self, **terms: Any) -> Mandate:
        """Return a mandate over the demo keys; ``terms`` are its caps, fee, durations and symbols."""
        authority = Pubkey.from_string(self.call("localnet_info")["usdtAuthority"])
        return Mandate(
            engine=self.signer("engine").public_key,
            attestor=self.signer("attestor").public_key,
            settlement=self.usdt_account("settlement"),
            fee_account=self.usdt_account("fees"),
            payout=self.usdt_account("trader"),
            mint_authority=authority,
            freeze_authority=authority,
            **terms,
        )

    async def set_up(self, mandate: Mandate, *, deposit: int, settlement: int) -> SolanaVault:
        """Give every role SOL, trader and settlement their USDT, create the vault and deposit.

        What is done already is not done again, so an interrupted set-up is finished. It takes place on a
        perfect network: with a clock that stands still, nothing that is delayed would ever land.

        Parameters
        ----------
        mandate
            Of the new vault.
        deposit, settlement
            Base units for the vault, and for the account that losses go to and profits come from.

        Raises
        ------
        SettlementError
            If the chain refuses.
        """
        self.call("localnet_setFault", None)
        try:
            await self._set_up(self.vault(), mandate, deposit, settlement)
        finally:
            self._chain.set_faults(self._faults)
        return self.vault()  # what the perfect network has shown is ahead of this one

    async def _set_up(self, vault: SolanaVault, mandate: Mandate, deposit: int, settlement: int) -> None:
        reading = await vault.read()
        if reading.vault is None:
            roles: tuple[Role, ...] = ("trader", "engine", "settlement", "fees")
            keys = [self.signer(role).public_key for role in roles]
            for role, key, held in zip(roles, keys, (await vault.read(*keys)).lamports, strict=True):
                if not held:
                    self.call("requestAirdrop", str(key), _LAMPORTS)
                wanted = {"trader": deposit, "settlement": settlement, "fees": 1}.get(role, 0)
                token = await vault.token(self.usdt_account(role))
                if wanted and (token is None or token.amount < wanted):
                    self.call("localnet_mint", str(key), wanted - (token.amount if token else 0))
            cluster = await vault.cluster()
            await self._run(vault, [vault.program.create(vault.trader, cluster, mandate)])
            reading = await vault.read()
        if deposit and reading.vault is not None and reading.vault.sequence == 1:
            source = self.usdt_account("trader")
            await self._run(vault, [vault.program.deposit(vault.trader, vault.trader, source, deposit)])

    async def _run(self, vault: SolanaVault, instructions: Sequence[Instruction]) -> None:
        prepared = await vault.prepare(instructions, signers=[self.signer("trader")])
        await vault.submit(prepared)
        (status,) = await vault.status([prepared.signature])
        if status is None or status.error:
            raise SettlementError(f"set-up of the embedded vault: {status.error if status else 'not landed'}")

    async def close(self) -> None:
        """Close the state."""
        await self._chain.close()


class _EmbeddedClient(AsyncClient):
    """The library's client on a chain in this process."""

    def __init__(self, chain: Localnet) -> None:
        _ClientCore.__init__(self, Confirmed)
        self._provider: Any = _Provider(chain)


class _Provider:
    """Stands where the library's HTTP provider stands."""

    def __init__(self, chain: Localnet) -> None:
        self._chain = chain

    async def make_request_unparsed(self, body: JsonRpcRequestSerializer) -> str:
        reply = await self._chain.answer(body.to_json().encode())
        if reply.status != 200 or reply.close:
            raise RpcUnavailableError(f"no answer from the chain in this process (status {reply.status})")
        return reply.body.decode()

    async def make_request(self, body: Any, parser: Any) -> Any:
        return parser.from_json(await self.make_request_unparsed(body))

    async def close(self) -> None:
        """Do nothing: the chain belongs to ``EmbeddedChain``."""
