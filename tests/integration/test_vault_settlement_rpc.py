"""The settlement of a session on a chain in another process, the attestor asked over ZeroMQ."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("solders")

from optionsib.bus.local import LocalBus
from optionsib.common.clock import SystemClock
from optionsib.common.config import Config, load_config
from optionsib.common.errors import ConfigError, SettlementError
from optionsib.common.events import CommissionReport, Event, Execution, OrderSubmitted
from optionsib.common.types import Order
from optionsib.execution.orders import OrderManager
from optionsib.execution.settlement import Settlement
from optionsib.launchers.attestor import attestor_endpoint
from optionsib.launchers.settlement import settlement
from optionsib.vault.attestor import Attestor
from optionsib.vault.attestor_link import attestor_server
from optionsib.vault.attestor_store import AttestorStore
from optionsib.vault.signers import LocalSigner
from tests.integration.localnet_processes import chain, client
from tests.integration.test_vault_trade import prepared, trading_on
from tests.vault_desk import BACK, CONTRACTS, LEGS, USDT


def configured(state: Path, url: str, trading: Any, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("TEST_ENGINE", str(trading.engine))
    monkeypatch.setenv("TEST_PAYING", str(trading.settlement))
    monkeypatch.setenv("OPTIONSIB_VAULT__RPC_URL", url)
    return load_config(
        "paper",
        overrides={
            "paths.state": str(state),
            "vault.program": str(trading.program),
            "vault.trader": str(trading.trader.pubkey()),
            "vault.engine_signer": "environment:TEST_ENGINE",
            "vault.settlement_signer": "environment:TEST_PAYING",
        },
    )


def test_a_session_settles_on_the_chain_that_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(url: str, running: Any) -> None:
        trading = trading_on(running)
        async with client(running) as rpc:
            await prepared(rpc, trading)
        config = configured(tmp_path, url, trading, monkeypatch)
        place = {
            "cluster": str(trading.cluster), "program": str(trading.program), "vault": str(trading.vault),
        }  # fmt: skip
        store = AttestorStore(tmp_path / "attestor.sqlite", "test")
        attestor = Attestor(LocalSigner(trading.attestor), store, SystemClock(), **place)
        attestor.learn(CONTRACTS.values())
        journal: list[Event] = []
        bus = LocalBus(tap=lambda _number, event: journal.append(event))
        parts: dict[str, Any] = {
            "clock": SystemClock(), "bus": bus, "commit": lambda: None, "contracts": [], "journaled": [],
        }  # fmt: skip
        async with (
            attestor_server(attestor, attestor_endpoint(config)),
            settlement(config, **parts) as service,
        ):

            async def until(wanted: Any) -> None:
                async with asyncio.timeout(60):
                    while not wanted():
                        await service.advance()
                        await asyncio.sleep(0.02)

            manager, told = OrderManager(), Settlement(service, CONTRACTS)

            def tell(event: Any) -> None:
                attestor.observe(event)
                for effect in manager.apply(event):
                    told.apply(effect)

            await until(lambda: service.reading is not None)
            opening = Order("O1", "T1", LEGS, 1, 100, "open", "t")
            assert told.approve(opening, 300 * USDT) is None
            tell(OrderSubmitted(order=opening, at_ns=1))
            closing = Order("C1", "T1", BACK, 1, -100, "close", "t")
            for order, prices in ((opening, (25_000, 11_000)), (closing, (27_000, 11_000))):
                if order is closing:
                    tell(OrderSubmitted(order=order, at_ns=1))
                common: dict[str, Any] = {"order_ref": order.order_ref, "quantity": 1, "at_ns": 2}
                tell(
                    Execution(
                        execution_id=f"{order.order_ref}.01",
                        con_id=9,
                        side=1,
                        price=1,
                        is_combo=True,
                        **common,
                    )
                )
                for leg, price in zip(order.legs, prices, strict=True):
                    name = f"{order.order_ref}{leg.con_id}.01"
                    tell(
                        Execution(execution_id=name, con_id=leg.con_id, side=leg.ratio, price=price, **common)
                    )
                    tell(CommissionReport(execution_id=name, amount=650_000))
                await service.finish()  # one call sees it through, however far apart the session's steps are
                assert not service.ledger.waiting()
            await until(lambda: service.state(0).settled)
            state = service.state(0)
            assert (state.settled, state.escrow, state.reserved) == (20 * USDT - 4 * 650_000, 0, 0)
            assert service.conditions() == {}
            assert state.submit_ns > 0
            assert state.confirmation_ns > 0
        other = config.model_copy(
            update={"vault": config.vault.model_copy(update={"engine_signer": "environment:TEST_PAYING"})}
        )
        with pytest.raises(SettlementError, match="the mandate's engine is"):
            async with settlement(other, **parts):
                pass
        nobody = config.model_copy(update={"vault": config.vault.model_copy(update={"engine_signer": ""})})
        with pytest.raises(ConfigError, match="engine_signer is not set"):
            async with settlement(nobody, **parts):
                pass
        store.close()

    with chain(tmp_path / "chain") as running:
        asyncio.run(scenario(running.url, running))
