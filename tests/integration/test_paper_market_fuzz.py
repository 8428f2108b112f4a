"""Market requests with wrong, odd and enormous fields: answered or refused, never the end of the exchange."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from typing import Any

from optionsib.brokers.paper.wire import WireError
from optionsib.common.ports import ContractQuery
from optionsib.data.synthetic.universe import SimulatedUniverse

MESSAGES = (1, 2, 9, 10, 11, 20, 25, 50, 51, 54, 55, 59, 78, 81, 82, 83, 87, 88, 91, 96, 97, 98)
CASES = 4_000
CONTRACTS = (
    ("STK", "SPY", "", "", "", ""),
    ("STK", "TWX", "", "", "", ""),
    ("IND", "SPX", "", "", "", ""),
    ("FUT", "ES", "201406", "", "", "50"),
    ("OPT", "SPY", "20140718", "690", "C", "100"),
    ("OPT", "SPY", "20140613", "", "", ""),
    ("FOP", "ES", "20140620", "6500", "P", "50"),
    ("CASH", "EUR", "", "", "", ""),
    ("BAG", "SPY", "", "", "", ""),
    ("STK", "ZZZZ", "", "", "", ""),
)
WORDS = [
    *("", "0", "1", "2", "-1", "5", "7", "11", "0.3", "690", "1e9", "2147483647", "1.7976931348623157E308"),
    *("SPY", "ES", "FUT", "SMART", "TRADES", "BID_ASK", "MIDPOINT", "SCHEDULE", "OPTION_IMPLIED_VOLATILITY"),
    *("1 D", "2 W", "99999 Y", "60 S", "1 day", "1 min", "30 mins", "1 month", "19000101 00:00:00"),
    *("20140606 09:31:00 America/New_York", "29991231-00:00:00", "20140606 10:00:00 ../../etc/passwd"),
    *("AllLast", "BidAsk", "Last", "100,101,233", "\u00e9", "A" * 300),
]


def contract_fields(rng: random.Random, ids: list[int]) -> list[object]:
    if rng.random() < 0.3:
        return [rng.choice([*ids, 1, 11, 999, -5, 2**31 - 1]), *[""] * 6, "SMART", "", "USD", "", ""]
    kind, symbol, expiry, strike, right, multiplier = rng.choice(CONTRACTS)
    exchange = rng.choice(["", "SMART", "CME", "CBOE", "IDEALPRO"])
    return [0, symbol, kind, expiry, strike, right, multiplier, exchange, "", rng.choice(["USD", ""]), "", ""]


def request(rng: random.Random, ids: list[int]) -> list[object]:
    number = rng.choice(MESSAGES)
    head: list[object] = [number] if number in (20, 87, 88, 96, 97, 78, 81, 83, 98) else [number, 5]
    fields = [*head, rng.randrange(40)]
    if number in (1, 9, 10, 20, 50, 54, 55, 87, 88, 96, 97):
        fields += contract_fields(rng, ids)
    plausible: dict[int, list[object]] = {
        1: [0, rng.choice(WORDS), rng.randrange(2), 0, ""],
        9: [0, "", "", ""],
        10: [rng.choice([1, 5, 10**9, -1]), rng.randrange(2), ""],
        20: [
            0,
            rng.choice(WORDS),
            rng.choice(WORDS),
            rng.choice(WORDS),
            1,
            rng.choice(WORDS),
            2,
            rng.randrange(2),
            "",
        ],
        50: [5, rng.choice(WORDS), 1, ""],
        54: [rng.choice(["1", "0.0001", "1e9", "-3"]), rng.choice(["700", "0", "1e9"]), 0, ""],
        87: [0, 1, rng.choice(WORDS), 1],
        88: [0, 1, rng.choice(WORDS)],
        96: [
            0,
            rng.choice(WORDS),
            rng.choice(WORDS),
            rng.choice([0, 10, 1000, 10**6]),
            rng.choice(WORDS),
            1,
            0,
            "",
        ],
        97: [rng.choice(WORDS), rng.choice([0, 5, 10**6]), 0],
        78: [rng.choice(["SPX", "SPY", "ES"]), "", rng.choice(["IND", "STK", "FUT"]), rng.choice(ids)],
        81: [rng.choice(WORDS)],
    }
    plausible[55] = plausible[54]
    fields += plausible.get(number, [])
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        fields[rng.randrange(1, len(fields))] = rng.choice(WORDS)
    return fields[: rng.randrange(1, len(fields) + 1)] if rng.random() < 0.05 else fields


def test_no_market_request_ends_the_exchange(laboratory: Any) -> None:
    """Only ``WireError`` leaves a handler: it costs the client its connection, not us ours."""

    async def scenario() -> None:
        rng = random.Random(20140606)
        universe = SimulatedUniverse(7, dt.date(2014, 6, 6))
        exchange = await laboratory.start(laboratory.tape(*[{} for _ in range(10)]), market=universe)
        owner, client = await laboratory.raw(exchange, 1), await laboratory.raw(exchange, 2)
        await client.until(9)
        reading = asyncio.create_task(client.rest())
        session = exchange.session_of(2)
        assert session is not None
        named = (("SPY", "STK"), ("SPX", "IND"))
        ids = [
            universe.find(ContractQuery(symbol=symbol, security_type=kind))[0].contract.con_id
            for symbol, kind in named
        ]
        unreadable = 0
        for case in range(CASES):
            message = [str(field) for field in request(rng, ids)]
            try:
                exchange.handle(session, message)
            except WireError:
                unreadable += 1
            except Exception as error:
                raise AssertionError(f"case {case}: {message}") from error
            if case % 20 == 0:
                exchange.flush()
                await asyncio.sleep(0)
            if case % 1000 == 500:
                owner.send(49, 1)
                await owner.until(49)
        assert CASES * 0.1 < unreadable < CASES * 0.6
        assert exchange.session_of(2) is session
        client.writer.close()
        reading.cancel()

    laboratory.run(scenario())
