"""``optionsib ib doctor`` against the paper exchange: what is right, and each thing that can be wrong."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from optionsib.brokers.paper import PaperExchange
from optionsib.launchers.doctor import Finding
from optionsib.launchers.ib_doctor import DoctorSettings, findings

from .conftest import Laboratory


async def examine(exchange: PaperExchange, **more: Any) -> list[Finding]:
    settings = DoctorSettings("127.0.0.1", exchange.port, **{"symbols": ("TWX",), "timeout": 2.0, **more})
    return [finding async for finding in findings(settings)]


def of(found: list[Finding], subject: str) -> Finding:
    (one,) = [finding for finding in found if finding.subject == subject]
    return one


async def started(laboratory: Laboratory) -> PaperExchange:
    """Start an exchange that has played its first minute: everything is quoted."""
    exchange = await laboratory.start(laboratory.tape())
    owner = await laboratory.raw(exchange)
    owner.send(49, 1)
    await owner.until(49)
    return exchange


def test_a_sound_exchange_has_nothing_bad_and_gets_no_order(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario() -> None:
        exchange = await started(laboratory)
        log = tmp_path / "messages.log"
        found = await examine(exchange, log_messages=log)
        assert [finding for finding in found if finding.state == "bad"] == []
        assert of(found, "handshake").state == "ok"
        assert "paper" in of(found, "account").text
        assert "days from this machine's" in of(found, "clock").text
        assert "live, 68.99 / 69.01" in of(found, "TWX data").text
        assert "2 expiries" in of(found, "TWX chain").text
        assert "changes the initial margin" in of(found, "what-if").text
        assert of(found, "read-only").state == of(found, "pacing").state == "ok"
        client = await laboratory.connect(exchange, 2)
        assert await client.reqAllOpenOrdersAsync() == await client.reqCompletedOrdersAsync(False) == []
        written = log.read_text()
        messages = [json.loads(line) for line in written.splitlines()]
        assert {line["message"] for line in messages} >= {
            "placeOrder",
            "openOrder",
            "positionEnd",
            "tickPrice",
        }
        placed = [line["fields"] for line in messages if line["message"] == "placeOrder"]
        assert len(placed) == 1
        (account,) = client.managedAccounts()
        assert account not in written
        assert not re.search(r"\bD[UFI]\w*\d{4}", written)
        assert "DU***" in written

    laboratory.run(scenario())


def test_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    from optionsib.cli import main

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert main(["ib", "doctor", "--port", str(port)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("BAD   reachable")
    assert "Enable ActiveX and Socket Clients" in said


def test_a_port_that_speaks_nothing_is_named(laboratory: Laboratory) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            settings = DoctorSettings("127.0.0.1", silent.getsockname()[1], timeout=0.3)
            found = [finding async for finding in findings(settings)]
        assert [finding.state for finding in found] == ["ok", "bad"]
        assert "Trusted IPs" in found[1].text

    laboratory.run(scenario())


def test_a_client_id_in_use_is_named(laboratory: Laboratory) -> None:
    async def scenario() -> None:
        exchange = await started(laboratory)
        await laboratory.raw(exchange, 8)
        found = await examine(exchange)
        assert (found[-1].subject, found[-1].state) == ("client id", "bad")

    laboratory.run(scenario())


@pytest.mark.parametrize(
    ("fault", "subject", "words"),
    [
        (lambda faults: faults.silence("positions"), "state", "did not answer positions"),
        (lambda faults: faults.silence("completedOrders"), "state", "did not answer completed orders"),
        (lambda faults: faults.silence("placeOrder"), "what-if", "did not answer a what-if order"),
        (
            lambda faults: faults.error(
                321,
                "placeOrder",
                text="Error validating request: The API interface is currently in Read-Only mode.",
            ),
            "read-only",
            "untick 'Read-Only API'",
        ),
        (
            lambda faults: faults.error(354, "marketData"),
            "TWX data",
            "Client Portal > Settings > Market Data",
        ),
        (
            lambda faults: faults.error(201, "placeOrder", text="Order rejected"),
            "what-if",
            "201 Order rejected",
        ),
        (lambda faults: faults.error(200, "chainParameters"), "TWX chain", "200"),
    ],
)
def test_each_wrong_thing_is_named(laboratory: Laboratory, fault: Any, subject: str, words: str) -> None:
    async def scenario() -> None:
        exchange = await started(laboratory)
        fault(exchange.faults)
        found = of(await examine(exchange, timeout=1.0), subject)
        assert found.state == "bad", found
        assert words in found.text

    laboratory.run(scenario())


def test_presets_that_change_an_order_are_noted(laboratory: Laboratory) -> None:
    async def scenario() -> None:
        exchange = await started(laboratory)
        exchange.faults.error(10349, "placeOrder")
        found = of(await examine(exchange), "presets")
        assert found.state == "note"
        assert "Presets" in found.text

    laboratory.run(scenario())


def test_precautions_that_refuse_are_named_with_their_place(laboratory: Laboratory) -> None:
    async def scenario() -> None:
        exchange = await started(laboratory)
        exchange.faults.error(383, "placeOrder", text="The order size violates the limit")
        found = of(await examine(exchange), "what-if")
        assert found.state == "bad"
        assert "Bypass Order Precautions for API Orders" in found.text

    laboratory.run(scenario())
