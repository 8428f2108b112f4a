"""Metrics in Prometheus' text format, and over a real socket."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec

from optionsib.brokers.ib import codes
from optionsib.brokers.ib.advice import advice
from optionsib.brokers.ib.health import FarmState, GatewayHealth, LastError, QuoteHealth
from optionsib.brokers.ib.metrics import CONTENT_TYPE, MetricsServer, exposition
from optionsib.execution.unreported import BOOKED_BY_HAND
from optionsib.launchers.gateway_text import describe_gateway

HEALTH = GatewayHealth(
    state="ready",
    host="127.0.0.1",
    port=4002,
    client_id=1,
    account="DU1234567",
    server_version=178,
    epoch=3,
    reconnects=2,
    down_because="",
    order_block='the link "is" down\nfor now',
    farms=(FarmState("usopt", "market data", up=False, since_ns=1_402_063_200 * 10**9, flaps=4),),
    lines_used=90,
    lines_limit=100,
    lines_waiting=7,
    messages_per_second=12.5,
    messages_limit=45,
    queued_messages=3,
    last_error=LastError(10197, "No market data during competing live session", 1_402_063_201 * 10**9),
    working_orders=2,
    unconfirmed_orders=("O7",),
    quotes=QuoteHealth(watched=90, live=80, stale={"farm down": 10}, oldest_seconds=61.0),
    heartbeat_seconds=0.4,
    quiet_window="",
    next_quiet_ns=1_402_113_600 * 10**9,
)
SAMPLE = re.compile(r'^(optionsib_ib_\w+)(\{\w+="(?:[^"\\\n]|\\.)*"(?:,\w+="(?:[^"\\\n]|\\.)*")*\})? (\S+)$')


def samples(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    kinds: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            match = SAMPLE.match(line)
            assert match, line
            assert kinds[match[1]] == ("counter" if match[1].endswith("_total") else "gauge")
            assert match[1] + (match[2] or "") not in found
            found[match[1] + (match[2] or "")] = float(match[3])
    return found


def test_every_item_of_the_health_is_a_metric() -> None:
    base = samples(exposition(HEALTH))
    changes: dict[str, object] = {
        "state": "quiet",
        "host": "::1",
        "port": 1,
        "client_id": 2,
        "server_version": 1,
        "epoch": 9,
        "reconnects": 9,
        "down_because": "x",
        "order_block": "",
        "farms": (),
        "lines_used": 9,
        "lines_limit": 9,
        "lines_waiting": 9,
        "messages_per_second": 9.0,
        "messages_limit": 9,
        "queued_messages": 9,
        "last_error": None,
        "working_orders": 9,
        "unconfirmed_orders": (),
        "quotes": QuoteHealth(watched=1, live=1, stale={}, oldest_seconds=None),
        "heartbeat_seconds": None,
        "quiet_window": "nightly",
        "next_quiet_ns": None,
    }
    # The account is the one thing that is not published.
    assert set(changes) == set(GatewayHealth.__struct_fields__) - {"account"}
    for name, value in changes.items():
        assert samples(exposition(msgspec.structs.replace(HEALTH, **{name: value}))) != base, name
    assert "1234567" not in exposition(HEALTH)


def test_values_and_escapes() -> None:
    text = exposition(HEALTH, {"broker_notices": 5})
    found = samples(text)
    assert found['optionsib_ib_farm_up{farm="usopt",kind="market data"}'] == 0
    assert found['optionsib_ib_farm_flaps_total{farm="usopt",kind="market data"}'] == 4
    assert found['optionsib_ib_connection_state{state="ready"}'] == 1
    assert sum(value for name, value in found.items() if "connection_state" in name) == 1
    assert found['optionsib_ib_quotes_stale{reason="farm down"}'] == 10
    assert found["optionsib_ib_last_error_code"] == 10197
    assert found["optionsib_ib_broker_notices_total"] == 5
    assert r'order_block="the link \"is\" down\nfor now"' in text


def test_metrics_are_served_to_whoever_asks_right() -> None:
    async def ask(port: int, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer

    async def scenario() -> None:
        async with MetricsServer(lambda: exposition(HEALTH), 0) as server:
            answer = await ask(server.port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert CONTENT_TYPE.encode() in head
            assert body.decode() == exposition(HEALTH)
            for wrong in (b"GET / HTTP/1.1\r\n\r\n", b"POST /metrics HTTP/1.1\r\n\r\n", b"\r\n\r\n"):
                assert b" 404 " in (await ask(server.port, wrong)).partition(b"\r\n")[0]
            assert await ask(server.port, b"x" * 10_000 + b"\r\n\r\n") == b""  # too long: hung up on

    asyncio.run(scenario())


def test_status_for_people_says_what_to_do() -> None:
    text = describe_gateway(HEALTH)
    assert "90 of 100 used, 7 contracts wait" in text
    assert "usopt (market data) DOWN" in text
    assert "log the other one out" in text
    assert "unconfirmed  O7" in text
    assert "DU1234567" not in text


def test_every_code_that_means_something_has_advice() -> None:
    known = {value for value in vars(codes).values() if isinstance(value, int)} | {BOOKED_BY_HAND}
    for value in (codes.NEEDS_QUERY, codes.DATA_REFUSALS, codes.FARM_DOWN):
        known |= value
    silent = {2157}  # a farm of definitions: nothing stands still for it
    assert {code for code in known - silent if not advice(code)} == set()
    page = (Path(__file__).parents[2] / "docs" / "interactive-brokers.md").read_text()
    table = page.partition("| code | what it is |")[2]
    cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("|")]
    listed = {int(number) for cell in cells for number in re.findall(r"\d{3,5}", cell)}
    assert {code for code in listed if code not in (2104, 2106, 2158) and not advice(code)} == set()
    assert listed >= {326, 1100, 1101, 1102, 2103, 100, 101, 110, 135, 201, 202, 321, 354, 10197, 10349, 2148}
