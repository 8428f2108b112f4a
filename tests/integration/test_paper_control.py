"""Faults through the control port and from a scenario file."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from optionsib.brokers.paper.control import FAULTS, ControlPort, FaultRequestError, bind_fault
from optionsib.brokers.paper.scenario import play_scenario, read_scenario
from optionsib.common.errors import BrokerError, ConfigError
from optionsib.launchers.paper_fault import arm_fault

TOKEN = "a-token-of-many-characters"


class Controller:
    """One connection to the control port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, **request: object) -> dict[str, Any]:
        return await self.raw(json.dumps({"token": TOKEN, **request}).encode() + b"\n")

    async def raw(self, line: bytes) -> dict[str, Any]:
        self.writer.write(line)
        answer: dict[str, Any] = json.loads(await self.reader.readline())
        return answer


def test_faults_are_armed_by_json_lines(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        control = ControlPort(exchange.faults, TOKEN)
        client = await laboratory.raw(exchange)
        await client.until(9)
        asker = Controller(*await asyncio.open_connection("127.0.0.1", await control.start()))
        assert await asker.ask(fault="drop", message="nextValidId", count=2) == {"ok": True, "result": None}
        assert await asker.ask(fault="reorder", messages=["openOrder", "orderStatus"]) == {
            "ok": True,
            "result": None,
        }
        for _ in range(3):
            client.send(8, 1, 1)
        client.send(16, 1)
        assert [message[0] for message in await client.until(53)].count("9") == 1
        assert (await asker.ask(fault="fill_while_away"))["result"] == 0
        assert (await asker.ask(fault="cut", client_id=1))["result"] == 1
        for wrong, reason in (
            ({"fault": "drop"}, "missing: message"),
            ({"fault": "drop", "message": "x"}, "unknown"),
            ({"fault": "drop", "message": 9, "count": "many"}, "count"),
            ({"fault": "drop", "message": 9, "amount": 1}, "unknown: amount"),
            ({"fault": "__init__"}, "is unknown"),
            ({"fault": "watch"}, "is unknown"),
            ({"fault": 7}, "is unknown"),
            ({"fault": "connectivity", "code": 1}, "1100"),
            ({"fault": "restart", "order_id_rollback": -1}, "below 0"),
            ({"fault": "twin_order", "order_ref": "none"}, "no working order"),
        ):
            answer = await asker.ask(**wrong)
            assert not answer["ok"], wrong
            assert reason in answer["error"], answer
        asker.writer.close()
        await control.close()

    laboratory.run(scenario())


def test_without_the_token_nothing_is_done(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        control = ControlPort(exchange.faults, TOKEN)
        port = await control.start()
        client = await laboratory.raw(exchange)
        await client.until(9)
        lines = [
            b'{"fault": "cut"}\n',
            b'{"token": "x", "fault": "cut"}\n',
            b'{"token": 1, "fault": "cut"}\n',
        ]
        lines += [b"[]\n", b"cut\n", b"\xff\xfe\n", b"[" * 10_000 + b"\n"]
        for line in lines:
            asker = Controller(*await asyncio.open_connection("127.0.0.1", port))
            assert not (await asker.raw(line))["ok"]
            assert await asker.reader.read() == b""
            asker.writer.close()
        endless = Controller(*await asyncio.open_connection("127.0.0.1", port))
        endless.writer.write(b"x" * 200_000)
        with pytest.raises((ConnectionError, json.JSONDecodeError)):
            await endless.raw(b"\n")
        endless.writer.close()
        client.send(16, 1)
        await client.until(53)
        await control.close()

    laboratory.run(scenario())


@pytest.mark.parametrize(
    ("host", "token"), [("0.0.0.0", TOKEN), ("192.0.2.1", TOKEN), ("127.0.0.1", "short")]
)
def test_a_control_port_is_local_and_guarded(laboratory: Any, host: str, token: str) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        with pytest.raises(ValueError, match="control"):
            ControlPort(exchange.faults, token, host=host)

    laboratory.run(scenario())


def test_every_fault_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "paper-exchange.md").read_text()
    missing = [name for name, method in FAULTS.items() if f"`{name}" not in page or not method.__doc__]
    assert missing == []


def test_text_arguments_become_what_the_fault_takes() -> None:
    bind_fault("drop", {"message": "9", "count": "3", "probability": "0.5"})
    bind_fault("farm", {"name": "usfarm", "up": "false"})
    bind_fault("drop", {"message": "openOrder", "count": "null"})
    with pytest.raises(FaultRequestError, match="seconds"):
        bind_fault("commission_delay", {"seconds": "soon"})


def test_a_scenario_acts_at_its_times_and_after_its_conditions(laboratory: Any, tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(
        """
- {fault: clock, skew_seconds: 7}
- {at: "09:32", fault: connectivity, code: 1100}
- {at: 09:33:00, fault: connectivity, code: 1102}
- {after: {request: nextOrderId, count: 2}, fault: error, code: 2109}
- after: {message: managedAccounts, count: 3}
  fault: cut
"""
    )

    async def scenario() -> None:
        minutes = [{1: (689_900, 5, 690_100 + k * 100, 5)} for k in range(4)]
        exchange = await laboratory.start(laboratory.tape(*minutes))
        play_scenario(exchange, read_scenario(path))
        client = await laboratory.raw(exchange)
        await client.until(9)
        codes = []
        for _ in range(4):
            client.send(49, 1)
            told = await client.until(49)
            codes.append(
                [message[3] for message in told if message[0] == "4" and message[3] > "1000" < "2000"]
            )
        assert codes[1:3] == [["1100"], ["1102"]]
        assert int(told[-1][2]) % 60 == 7
        client.send(8, 1, 1)
        client.send(8, 1, 1)
        assert (await client.until(4))[-1][3] == "2109"
        client.send(17, 1)
        client.send(17, 1)
        assert [message[0] for message in await client.rest()].count("15") == 2

    laboratory.run(scenario())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fault: drop", "a list of faults"),
        ("- drop", "entry 1: a mapping"),
        ("- {fault: drop}", "missing: message"),
        ("- {fault: cut}\n- {fault: explode}", "entry 2: fault 'explode' is unknown"),
        ('- {at: "25:00", fault: cut}', "not a time of day"),
        ('- {at: "10:00", after: {message: 9}, fault: cut}', "exclude"),
        ("- {after: {message: 9, request: 8}, fault: cut}", "either"),
        ("- {after: {message: nothing}, fault: cut}", "unknown"),
        ("- {after: {message: 9, count: 0}, fault: cut}", "1 or more"),
        ("- {after: {message: 9, when: now}, fault: cut}", "when"),
        ("- [", "scenario"),
        ("- !!python/object/apply:os.system [ls]", "scenario"),
    ],
)
def test_a_scenario_that_is_wrong_is_refused_with_its_entry(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=reason):
        read_scenario(path)


def test_a_scenario_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_scenario(tmp_path / "none.yaml")


def test_the_command_line_arms_faults_of_a_running_exchange(tmp_path: Path) -> None:
    output, log = tmp_path / "exchange.json", tmp_path / "log"
    command = [sys.executable, "-m", "optionsib.cli", "paper-exchange", "--port", "0", "--control-port", "0"]
    with output.open("w") as out, log.open("w") as errors:
        process = subprocess.Popen(
            [*command, "--tape-only"], stdout=out, stderr=errors, stdin=subprocess.DEVNULL
        )
    try:
        deadline = time.monotonic() + 60
        while "\n" not in output.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert arm_fault(output, "drop", ["message=execDetails", "count=null"]) is None
        assert arm_fault(output, "cut", []) == 0
        with pytest.raises(BrokerError, match="names:"):
            arm_fault(output, "explode", [])
        with pytest.raises(ConfigError, match="argument=value"):
            arm_fault(output, "cut", ["7"])
    finally:
        process.terminate()
        process.wait(60)
    with pytest.raises(BrokerError, match="does not answer"):
        arm_fault(output, "cut", [])
    with pytest.raises(ConfigError, match="JSON line"):
        arm_fault(log, "cut", [])
