"""``optionsib vault attestor``: the attestor as a process, with its own key, broker connection and memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path

from optionsib.bus.endpoints import CurveKeys, state_endpoint
from optionsib.common.clock import SystemClock
from optionsib.common.config import Config
from optionsib.common.errors import BrokerError, ConfigError, MissingExtraError, SettlementError
from optionsib.launchers.vault import opened, prompted_signer
from optionsib.vault.attestor import Attestor
from optionsib.vault.attestor_link import attestor_server
from optionsib.vault.attestor_store import AttestorStore

_POLL_SECONDS = 1.0
_LONGEST_PAUSE = 30.0


def attestor_endpoint(config: Config) -> str:
    """Return where the attestor of this configuration listens."""
    return state_endpoint(Path(config.paths.state), "attestor", config.vault.attestor_endpoint)


def attestor_keys(config: Config) -> CurveKeys | None:
    """Return the CURVE keys of this side; None where none are configured."""
    settings = config.vault
    secret = settings.attestor_curve_secret_key.get_secret_value()
    if not secret:
        return None
    return CurveKeys(settings.attestor_curve_public_key, secret, (settings.attestor_curve_peer_key,))


async def serve(config: Config) -> None:
    """Serve until SIGINT or SIGTERM; the first line on stdout is JSON with key, vault and endpoint.

    Raises
    ------
    ConfigError, SettlementError, BrokerError
        If signer, node or broker cannot be had, or the vault's mandate names another attestor.
    """
    if not config.vault.attestor_signer:
        raise ConfigError(
            "vault.attestor_signer is not set: expected file:PATH, environment:VARIABLE or remote:URL#KEY"
        )
    signer = prompted_signer(config.vault.attestor_signer)
    async with opened(config) as vault:
        cluster = (await vault.check()).genesis_hash
        reading = await vault.read()
    if reading.vault is None or reading.vault.mandate.attestor != signer.public_key:
        named = "nobody: there is no vault" if reading.vault is None else reading.vault.mandate.attestor
        raise SettlementError(f"the mandate's attestor is {named}, this one's key is {signer.public_key}")
    place = {"cluster": cluster, "program": config.vault.program, "vault": str(vault.addresses.vault)}
    state = Path(config.paths.state)
    store = AttestorStore(state / "attestor.sqlite", " ".join((str(signer.public_key), *place.values())))
    try:
        attestor = Attestor(signer, store, SystemClock(), **place)
        endpoint = attestor_endpoint(config)
        async with attestor_server(attestor, endpoint, keys=attestor_keys(config)) as server:
            watching = asyncio.create_task(_watch(config, attestor), name="broker")
            stop = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            facts = {"endpoint": server.endpoint, "public_key": str(signer.public_key), **place}
            print(json.dumps(facts), flush=True)
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (watching, stopping):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
    finally:
        store.close()


async def _watch(config: Config, attestor: Attestor) -> None:
    """Ask the broker for executions, for ever; while it is away, the attestor goes by what it has seen."""
    try:
        from optionsib.brokers.ib.execution_watch import ExecutionWatch
    except ModuleNotFoundError as error:
        raise MissingExtraError("live", str(error.name)) from error
    gateway = config.gateway.model_copy(update={"client_id": config.vault.attestor_client_id})
    watch = ExecutionWatch(gateway, SystemClock(), config.session.account)
    pause = 0.0
    try:
        while True:
            try:
                if not watch.connected:
                    await watch.connect()
                events, contracts = await watch.poll()
                attestor.learn(contracts)
                for event in events:
                    attestor.observe(event)
                pause = 0.0
                await asyncio.sleep(_POLL_SECONDS)
            except BrokerError as error:
                pause = min(max(1.0, 2 * pause), _LONGEST_PAUSE)
                print(f"broker: {error}; again in {pause:g} s", file=sys.stderr, flush=True)
                await asyncio.sleep(pause)
    finally:
        await watch.disconnect()
