"""Which chain a session settles on: that of ``vault.rpc_url``, or a simulated one in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from optionsib.bus.local import LocalBus
from optionsib.common.clock import SteppedClock, SystemClock
from optionsib.common.config import Config, VaultConfig
from optionsib.common.errors import ConfigError, SettlementError
from optionsib.common.events import AnyEvent, CommissionReport, Event, Execution
from optionsib.common.types import Contract
from optionsib.launchers.attestor import attestor_endpoint, attestor_keys
from optionsib.launchers.vault import opened, prompted_signer
from optionsib.vault.attestor import Attestor, AttestorPort
from optionsib.vault.attestor_link import AttestorClient
from optionsib.vault.attestor_store import AttestorStore
from optionsib.vault.client import SolanaVault
from optionsib.vault.conditions import Limits
from optionsib.vault.embedded import PUBLIC_NETWORK, EmbeddedChain
from optionsib.vault.ledger import VaultLedger
from optionsib.vault.mandates import base_units, refuse_other_symbol, terms_of
from optionsib.vault.service import SettlementService
from optionsib.vault.signers import Signer

SIMULATED_NOTE = "vault on a simulated chain; all its keys follow from the seed and are in one process"
CHAIN_FOLDER, ATTESTOR_FILE = "chain", "attestor.sqlite"
_LAMPORTS_A_SOL = 10**9


@asynccontextmanager
async def settlement(
    config: Config,
    *,
    clock: SteppedClock | SystemClock,
    bus: LocalBus,
    commit: Callable[[], None],
    contracts: Sequence[Contract],
    journaled: Sequence[AnyEvent],
) -> AsyncIterator[SettlementService]:
    """Give the settlement service of a session; everything it opened is closed on leaving.

    Parameters
    ----------
    config
        ``vault`` and where the state is.
    clock, bus, commit
        The session's: events go out by ``bus`` and are durable after ``commit``. A node lives in real time,
        whatever pace the session has: what is settled there goes by this machine's clock.
    contracts
        Whatever may be traded.
    journaled
        What an earlier run left.

    Raises
    ------
    ConfigError, SettlementError
        If chain, signers or vault cannot be had.
    """
    if config.vault.rpc_url.get_secret_value():
        async with opened(config) as vault:
            if not config.vault.engine_signer:
                raise ConfigError("vault.engine_signer is not set: expected file:PATH or another signer")
            paying = config.vault.settlement_signer
            account = (await vault.read()).vault
            if account is not None:
                refuse_other_symbol(account.mandate, config.vault, config.session.symbol)
            service = await _service(
                config.vault,
                vault,
                in_background=True,
                clock=SystemClock(),
                publish=bus.publish,
                commit=commit,
                engine=prompted_signer(config.vault.engine_signer),
                paying=prompted_signer(paying) if paying else None,
                attestor=AttestorClient(attestor_endpoint(config), keys=attestor_keys(config)),
            )
            try:
                yield service
            finally:
                await service.aclose()
        return
    state = Path(config.paths.state)
    chain = EmbeddedChain(config.session.seed, clock, state=state / CHAIN_FOLDER, faults=PUBLIC_NETWORK)
    try:
        mandate = chain.mandate(**terms_of(config.vault, [config.session.symbol]))
        vault = await chain.set_up(
            mandate,
            deposit=base_units(config.vault.deposit),
            settlement=base_units(config.vault.clearing_deposit),
        )
        signer, place = chain.signer("attestor"), await _place(vault)
        store = AttestorStore(state / ATTESTOR_FILE, " ".join((str(signer.public_key), *place)))
        try:
            attestor = Attestor(signer, store, clock, cluster=place[0], program=place[1], vault=place[2])
            attestor.learn(contracts)
            for event in journaled:
                attestor.observe(event)
            for kind in (Execution, CommissionReport):
                bus.subscribe(kind, attestor.observe)
            yield await _service(
                config.vault,
                vault,
                clock=clock,
                publish=bus.publish,
                commit=commit,
                engine=chain.signer("engine"),
                paying=chain.signer("settlement"),
                attestor=attestor,
            )
        finally:
            store.close()
    finally:
        await chain.close()


async def _service(
    settings: VaultConfig,
    vault: SolanaVault,
    *,
    clock: SteppedClock | SystemClock,
    publish: Callable[[Event], object],
    commit: Callable[[], None],
    engine: Signer,
    paying: Signer | None,
    attestor: AttestorPort,
    in_background: bool = False,
) -> SettlementService:
    """Hold the chain's facts against the mandate, and join the parts."""
    await vault.check()
    reading = await vault.read()
    if reading.vault is None:
        raise SettlementError(f"{vault.trader} has no vault: expected `optionsib vault create` first")
    if reading.vault.mandate.engine != engine.public_key:
        raise SettlementError(
            f"the mandate's engine is {reading.vault.mandate.engine}, this signer's {engine.public_key}"
        )
    trade_seconds = min(round(settings.trade_hours * 3_600), reading.vault.mandate.max_duration)
    limits = Limits(
        trade_seconds=trade_seconds,
        extend_before=round(settings.extend_before_minutes * 60),
        heartbeat_every=round(settings.heartbeat_hours * 3_600),
        reading_age=settings.reading_age_seconds,
        clock_skew=settings.clock_skew_seconds,
        slow_confirmation=settings.slow_confirmation_seconds,
        commission_wait=settings.commission_wait_seconds,
        low_lamports=int(settings.low_sol * _LAMPORTS_A_SOL),
    )
    ledger = VaultLedger(clock, publish, place=await _place(vault), trade_seconds=trade_seconds)
    return SettlementService(
        ledger,
        vault,
        engine=engine,
        settlement=paying,
        attestor=attestor,
        commit=commit,
        clock=clock,
        limits=limits,
        in_background=in_background,
    )


async def _place(vault: SolanaVault) -> tuple[str, str, str]:
    return (
        (await vault.check()).genesis_hash,
        str(vault.program.program),
        str(vault.addresses.vault),
    )
