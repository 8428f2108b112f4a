"""The control socket over real sockets: commands, refusals, and a daemon that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq

from optionsib.bus.control import ControlClient, ControlServer
from optionsib.bus.endpoints import CurveKeys, make_curve_keys
from optionsib.common.errors import BusError, ConfigError, ExecutionError
from optionsib.common.types import Json


class Daemon:
    """What the handlers of a daemon do, in small."""

    def __init__(self) -> None:
        self.halted = False
        self.release = asyncio.Event()

    def handlers(self) -> dict[str, Callable[..., object]]:
        return {
            "status": lambda: {"halted": self.halted},
            "halt": self.halt,
            "flatten": self.flatten,
            "broken": self.broken,
            "refused": self.refused,
        }

    async def halt(self, reason: str, operator: str = "") -> Json:
        self.halted = True
        return {"reason": reason, "operator": operator}

    async def flatten(self) -> Json:
        await self.release.wait()
        return "flat"

    def broken(self) -> Json:
        raise ZeroDivisionError("oops")

    async def refused(self) -> Json:
        raise ExecutionError("position is flat already")


def serve(endpoint: str, act: Callable[[ControlServer, Daemon], None], keys: CurveKeys | None = None) -> None:
    """Run a server and, in a thread as another process would, the client's part."""

    async def run() -> None:
        daemon = Daemon()
        async with ControlServer(endpoint, daemon.handlers(), keys=keys) as server:  # type: ignore[arg-type]
            loop = asyncio.get_running_loop()
            daemon.free = lambda: loop.call_soon_threadsafe(daemon.release.set)  # type: ignore[attr-defined]
            await asyncio.to_thread(act, server, daemon)

    asyncio.run(asyncio.wait_for(run(), 30))


def test_commands_and_answers(tmp_path: Path) -> None:
    def act(server: ControlServer, daemon: Daemon) -> None:
        client = ControlClient(server.endpoint)
        assert client.request("status") == {"halted": False}
        assert client.request("halt", reason="drill", operator="me") == {"reason": "drill", "operator": "me"}
        assert client.request("status") == {"halted": True}
        assert (tmp_path / "c").stat().st_mode & 0o777 == 0o600  # nobody else on this machine

    serve(f"ipc://{tmp_path}/c", act)


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("explode", {}, "unknown command 'explode': expected broken, flatten, halt, refused, status"),
        ("halt", {}, "halt refused: BadRequest: halt: missing a required argument: 'reason'"),
        ("status", {"reason": "x"}, "unexpected keyword argument 'reason'"),
        ("refused", {}, "ExecutionError: position is flat already"),
        ("broken", {}, "ZeroDivisionError: internal error: oops"),
    ],
)
def test_refusals_say_why_and_the_server_lives_on(
    command: str, arguments: dict[str, str], message: str
) -> None:
    def act(server: ControlServer, daemon: Daemon) -> None:
        client = ControlClient(server.endpoint)
        with pytest.raises(BusError) as caught:
            client.request(command, **arguments)  # type: ignore[arg-type]
        assert message in str(caught.value)
        assert client.request("status") == {"halted": False}

    serve("tcp://127.0.0.1:0", act)


def test_status_answers_while_flatten_works_and_a_timeout_says_what_it_means() -> None:
    def act(server: ControlServer, daemon: Daemon) -> None:
        client = ControlClient(server.endpoint)
        with pytest.raises(BusError, match="may still be carried out"):
            client.request("flatten", timeout=0.2)
        assert client.request("status") == {"halted": False}
        daemon.free()  # type: ignore[attr-defined]
        assert client.request("flatten") == "flat"

    serve("tcp://127.0.0.1:0", act)


def test_no_daemon(tmp_path: Path) -> None:
    with pytest.raises(BusError, match="is the daemon running"):
        ControlClient(f"ipc://{tmp_path}/none").request("status", timeout=0.2)


def test_garbage_gets_an_answer() -> None:
    def act(server: ControlServer, daemon: Daemon) -> None:
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(server.endpoint)
            for body in (b"", b"\xff\xff", b"text", b"\x92\xa2\xff\xff\x80"):
                socket.send(body)
                assert socket.poll(60_000)
                assert b"not a control request" in socket.recv()

    serve("tcp://127.0.0.1:0", act)


def test_a_port_in_use_is_an_error_and_leaves_the_first_server_alone() -> None:
    def act(server: ControlServer, daemon: Daemon) -> None:
        async def second() -> None:
            await ControlServer(server.endpoint, {}).start()

        with pytest.raises(BusError, match="another process listens there"):
            asyncio.run(second())
        assert ControlClient(server.endpoint).request("status") == {"halted": False}

    serve("tcp://127.0.0.1:0", act)


def test_keys_off_the_loopback() -> None:
    with pytest.raises(ConfigError, match="CURVE keys"):
        serve("tcp://0.0.0.0:0", lambda server, daemon: None)
    with pytest.raises(ConfigError, match="CURVE keys"):
        ControlClient("tcp://192.0.2.1:5").request("status", timeout=0.1)
    ours, theirs, stranger = make_curve_keys(), make_curve_keys(), make_curve_keys()

    def act(server: ControlServer, daemon: Daemon) -> None:
        endpoint = server.endpoint.replace("0.0.0.0", "127.0.0.1")
        client = ControlClient(endpoint, keys=CurveKeys(*theirs, peers=(ours[0],)))
        assert client.request("status") == {"halted": False}
        for keys in (CurveKeys(*stranger, peers=(ours[0],)), None):
            with pytest.raises(BusError, match="no answer"):
                ControlClient(endpoint, keys=keys).request("halt", reason="attack", timeout=0.3)
        assert not daemon.halted

    serve("tcp://0.0.0.0:0", act, CurveKeys(*ours, peers=(theirs[0],)))


def test_stop_lets_a_request_finish() -> None:
    async def run() -> None:
        daemon = Daemon()
        server = ControlServer("tcp://127.0.0.1:0", daemon.handlers())  # type: ignore[arg-type]
        await server.start()
        answer = asyncio.create_task(asyncio.to_thread(ControlClient(server.endpoint).request, "flatten"))
        while not server._requests:
            await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_later(0.1, daemon.release.set)
        await server.stop()
        await server.stop()
        assert await answer == "flat"

    asyncio.run(asyncio.wait_for(run(), 60))
