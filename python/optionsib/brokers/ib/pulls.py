"""Market data that is asked for once: snapshots and historical bars."""

# Much of the client library is untyped:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from optionsib.brokers.ib.conversions import contract_to_wire
from optionsib.brokers.ib.history import Bar, HistoryQueue
from optionsib.brokers.ib.inbox import Inbox
from optionsib.brokers.ib.market_data import check_contract
from optionsib.brokers.ib.session import TwsSession
from optionsib.common.events import Quote
from optionsib.common.types import Contract

SNAPSHOTS_AT_ONCE = 20  # each takes a market data line until it is complete


async def snapshot(
    session: TwsSession, inbox: Inbox, contracts: Sequence[Contract], timeout: float
) -> list[Quote]:
    """Return one picture of each contract, by its order in ``contracts``.

    Values count only after the broker's word that the picture is complete: what arrived before a time-out
    or a refusal is thrown away.

    Raises
    ------
    BrokerError
        If one of them is refused or not completed in time.
    """
    for contract in contracts:
        check_contract(contract)
    lines = inbox.market.lines
    turn = asyncio.Semaphore(max(1, min(SNAPSHOTS_AT_ONCE, lines.budget - lines.used)))

    async def one(contract: Contract) -> Quote:
        async with turn:
            request_id = session.client.getReqId()
            board = inbox.market.begin_snapshot(request_id, contract.con_id)
            try:
                await session.ask(
                    f"a snapshot of contract {contract.con_id}",
                    lambda: session.request_snapshot(request_id, contract_to_wire(contract)),
                    timeout,
                )
            finally:
                inbox.market.end_snapshot(request_id)
        if contract.con_id not in board:
            return Quote(con_id=contract.con_id, bid=None, ask=None, source="snapshot")
        board.stamp(0)  # ticks of a step whose time is not known yet
        quote = board.quote(contract.con_id)
        live = quote.source == "live"
        return msgspec.structs.replace(quote, source="snapshot" if live else quote.source)

    return list(await asyncio.gather(*(one(contract) for contract in contracts)))


async def historical_bars(
    session: TwsSession,
    queue: HistoryQueue,
    contract: Contract,
    question: tuple[str, str, str, str, bool],
    timeout: float,
) -> tuple[Bar, ...]:
    """Return bars; ``question``: end, duration, bar size, what to show, regular hours only.

    Raises
    ------
    BrokerError
        If the broker refuses or stays silent.
    """
    check_contract(contract)
    what = question[3]
    return await queue.get(
        request=(contract.con_id, contract.exchange, *question),
        stream=(contract.con_id, contract.exchange, what),
        cost=2 if what == "BID_ASK" else 1,
        ask=lambda: session.ask(
            f"history of contract {contract.con_id}",
            lambda: session.request_bars(contract_to_wire(contract), *question),
            timeout,
        ),
    )
