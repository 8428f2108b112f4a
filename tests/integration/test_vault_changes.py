"""What an opening order may become once its trade is on the chain: cheaper, never dearer."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

pytest.importorskip("solders")

from tests.vault_desk import DEPOSIT, USDT, Desk

PRICES = (25_000, 11_000)


def test_an_order_on_the_chain_gets_cheaper_and_not_dearer() -> None:
    async def scenario() -> None:
        desk = await Desk().begin(total_cap=980 * USDT)
        assert desk.order("O1", "T1", 2, loss=600) is None
        order = desk.manager.records["O1"].order
        free: Any = msgspec.structs.replace(order, order_ref="O9", trade_id="T9")
        assert "it cannot lose at 100" in (desk.settlement.approve(free, 0) or "")
        # Not filled yet: as far as the caps allow.
        assert desk.settlement.approve(order, 640 * USDT) is None
        assert desk.ledger.books.balances["reserved"] == 640 * USDT
        assert "total_cap 980.00" in (desk.settlement.approve(order, 981 * USDT) or "")
        desk.fill("O1", 1, 1, PRICES)
        await desk.settle(rounds=5)
        assert desk.ledger.books.balances["escrow"] == 640 * USDT
        # One unit is left: 320 is what it has.
        for loss in (320, 200, 320):
            assert desk.settlement.approve(order, loss * USDT, 1) is None
        refusal = desk.settlement.approve(order, 330 * USDT, 1)
        assert refusal == (
            "order O1 is open on the chain with 640.00 USDT, as changed it needs 650.00: its maximum loss "
            "cannot rise; it stays as it was. Cancel it, and order the rest anew"
        )
        more: Any = msgspec.structs.replace(order, quantity=3)
        assert "as changed it needs 960.00" in (desk.settlement.approve(more, 340 * USDT, 1) or "")
        await desk.start()
        assert desk.settlement.approve(order, 320 * USDT, 1) is None
        # Cancelled, the rest comes back and can be ordered anew.
        desk.cancel("O1")
        await desk.settle(rounds=5)
        assert desk.ledger.books.balances["escrow"] == 320 * USDT
        assert "order O1 has ended" in (desk.settlement.reserve_again(order, 1, 1) or "")
        assert desk.order("O2", "T2", 1, loss=330) is None
        desk.fill("O2", 1, 1, PRICES)
        await desk.settle(rounds=5)
        books = desk.ledger.books.balances
        assert (books["escrow"], books["reserved"]) == (650 * USDT, 0)
        assert books["free"] == DEPOSIT - 650 * USDT

    asyncio.run(scenario())


def test_a_trade_that_ended_on_the_chain_opens_nothing_more() -> None:
    async def scenario() -> None:
        desk = await Desk().begin()
        assert desk.order("O1", "T1", 2, loss=600) is None
        desk.fill("O1", 1, 1, PRICES)
        await desk.settle(rounds=5)
        desk.pass_seconds(90_000)
        found = await desk.vault.trade(1)
        assert found is not None
        stranger = desk.chain.signer("fees")
        await desk.vault.run([desk.vault.program.expire(desk.vault.trader, found)], signers=[stranger])
        await desk.settle(rounds=3)
        order = desk.manager.records["O1"].order
        assert "ended on the chain" in (desk.ledger.reserve(order, 300 * USDT) or "")

    asyncio.run(scenario())
