"""Whatever is thrown at the local chain's sockets is answered or hung up on, and it serves on."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("solders")

import websockets
from solders.pubkey import Pubkey

from optionsib.vault.localnet import http, pubsub
from tests.integration.localnet_processes import Chain, chain, client, funded, own, paying, signed

KNOWN_CODES = {-32700, -32600, -32601, -32602, -32002, -32003, -32004, -32005, -32015, -32016}
METHODS = """
    getHealth getVersion getGenesisHash getSlot getBlockHeight getTransactionCount getBlockTime
    getLatestBlockhash isBlockhashValid getFeeForMessage getMinimumBalanceForRentExemption getBalance
    getAccountInfo getMultipleAccounts getProgramAccounts getTokenAccountBalance getTokenSupply
    getTokenAccountsByOwner getEpochInfo sendTransaction simulateTransaction getSignatureStatuses
    getSignaturesForAddress getTransaction requestAirdrop localnet_info localnet_setFault localnet_mint
    localnet_freeze localnet_thaw localnet_advanceClock nothing
""".split()  # noqa: SIM905 - a table of words


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with chain(tmp_path_factory.mktemp("localnet")) as started:
        yield started


@pytest.fixture(autouse=True)
def _serves_on_without_an_internal_error(running: Chain) -> Iterator[None]:
    yield

    async def check() -> None:
        async with asyncio.timeout(20), client(running) as rpc:
            await own(rpc, "setFault", None)
            assert (await own(rpc, "info"))["internalErrors"] == 0

    asyncio.run(check())
    assert running.process.poll() is None


NAMES = """
    commitment encoding dataSlice offset length filters memcmp bytes dataSize limit before until mint
    programId accounts addresses skipPreflight sigVerify minContextSlot drop seed x
    replaceRecentBlockhash withContext maxSupportedTransactionVersion innerInstructions
""".split()  # noqa: SIM905 - a table of words


def port(running: Chain) -> int:
    return int(running.url.rpartition(":")[2])


async def raw(running: Chain, data: bytes) -> bytes:
    """Send bytes on a new connection; returns all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(running))
    try:
        async with asyncio.timeout(60):
            writer.write(data)
            if writer.can_write_eof():
                writer.write_eof()
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def post(body: bytes, *more: str, kind: str = "application/json", host: str = "127.0.0.1") -> bytes:
    lines = [
        "POST / HTTP/1.1",
        f"Host: {host}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *more,
    ]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


async def ask(running: Chain, request: Any) -> Any:
    answer = await raw(running, post(request if isinstance(request, bytes) else json.dumps(request).encode()))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head[:80]
    return json.loads(body)


def junk(rng: random.Random, depth: int = 0) -> Any:
    """A JSON value of any kind, often nearly the right one."""
    plain = [
        None,
        True,
        -1,
        0,
        7,
        2**63,
        2**64,
        10**30,
        0.5,
        -0.0,
        "",
        "processed",
        "base64",
        "base58",
        "jsonParsed",
        "\0",
        "é" * 40,
        "1" * 44,
        "1" * 88,
        "A" * 2_000,
        str(Pubkey.new_unique()),
        base64.b64encode(rng.randbytes(rng.randrange(200))).decode(),
    ]
    if depth < 3 and rng.random() < 0.45:
        if rng.random() < 0.4:
            return [junk(rng, depth + 1) for _ in range(rng.randrange(4))]
        return {rng.choice(NAMES): junk(rng, depth + 1) for _ in range(rng.randrange(5))}
    return rng.choice(plain)


@pytest.mark.parametrize("seed", range(3))
def test_any_parameters(running: Chain, seed: int) -> None:
    rng = random.Random(seed)

    async def scenario() -> None:
        for number in range(60):
            batch = [
                {
                    "jsonrpc": "2.0",
                    "id": index,
                    "method": rng.choice(METHODS),
                    "params": [junk(rng) for _ in range(rng.randrange(4))],
                }
                for index in range(20)
            ]
            # Chain time must stay what it is, or all later transactions would wait for it.
            batch = [one for one in batch if one["method"] != "localnet_advanceClock" or number % 20 == 0]
            for one, answer in zip(batch, await ask(running, batch), strict=True):
                assert answer["id"] == one["id"]
                if "error" in answer:
                    code = answer["error"]["code"]
                    chain_says_no = answer["error"]["message"].startswith("the chain refuses")
                    assert code in KNOWN_CODES or chain_says_no, (one, answer)

    asyncio.run(scenario())


def test_mutated_transactions(running: Chain) -> None:
    rng = random.Random(5)

    async def scenario() -> None:
        async with client(running) as rpc:
            payer = await funded(rpc)
            before = (await rpc.get_balance(payer.pubkey())).value
            wire = bytes(await signed(rpc, payer, paying(payer, Pubkey.new_unique(), 10**6)))
            config = {"encoding": "base64", "skipPreflight": True}
            simulate = {"encoding": "base64", "replaceRecentBlockhash": True}
            for _ in range(40):
                batch = []
                for index in range(20):
                    data = bytearray(wire)
                    for _ in range(rng.randrange(1, 4)):
                        data[rng.randrange(len(data))] = rng.randrange(256)
                    cut = data[: rng.randrange(len(data))] if rng.random() < 0.2 else data
                    if bytes(cut) == wire:
                        continue
                    text = base64.b64encode(cut).decode()
                    method, options = rng.choice(
                        (("sendTransaction", config), ("simulateTransaction", simulate))
                    )
                    params = [text, options]
                    batch.append({"jsonrpc": "2.0", "id": index, "method": method, "params": params})
                for answer in await ask(running, batch):
                    assert "result" in answer or answer["error"]["code"] in KNOWN_CODES, answer
            assert (await rpc.get_balance(payer.pubkey())).value == before  # nobody can change a signed one

    asyncio.run(scenario())


def test_any_bytes(running: Chain) -> None:
    rng = random.Random(6)
    good = post(b'{"jsonrpc":"2.0","id":1,"method":"getSlot"}')

    async def scenario() -> None:
        for _ in range(150):
            data = bytearray(good)
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            answer = await raw(running, rng.randbytes(rng.randrange(400)) if rng.random() < 0.3 else data)
            assert not answer or answer.startswith(b"HTTP/1.1 ")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"[" * 20_000 + b"]" * 20_000, -32700),
        (b'"\xff"', -32700),
        (b"7", -32600),
        (b"[]", -32600),
        (b"{}", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"getSlot"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"getSlot","params":{"a":1}}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"getSlot","params":[1,2]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"getCake"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"sendTransaction","params":["AAAA"]}', -32602),
        (json.dumps([{"jsonrpc": "2.0", "id": 1, "method": "getSlot"}] * 101).encode(), -32600),
    ],
)
def test_bad_requests_have_their_codes(running: Chain, body: bytes, code: int) -> None:
    assert asyncio.run(ask(running, body))["error"]["code"] == code


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (post(b"x" * (http.MAXIMUM_BODY_BYTES + 1)), 413),
        (post(b"{}", "Transfer-Encoding: chunked"), 400),
        (post(b"{}", kind="text/plain"), 415),
        (post(b"{}", host="evil.example"), 403),
        (post(b"{}", f"X: {'y' * 40_000}"), 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (b"GET /health HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n", 200),
        (b"POST / HTTP/1.1\r\nHost: [::1]:8899\r\nContent-Type: application/json\r\n"
         b"Transfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"x" * 16_384 + b"\r\n" + b"9000\r\n"
         + b"x" * 36_864 + b"\r\n0\r\n\r\n", 413),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_http_that_is_refused(running: Chain, data: bytes, status: int) -> None:
    assert asyncio.run(raw(running, data)).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_notification_gets_no_answer(running: Chain) -> None:
    answer = asyncio.run(raw(running, post(b'{"jsonrpc":"2.0","method":"getSlot"}')))
    assert answer.startswith(b"HTTP/1.1 204 ")


def test_pipelined_requests_are_answered_in_order(running: Chain) -> None:
    body = [json.dumps({"jsonrpc": "2.0", "id": number, "method": "getSlot"}).encode() for number in (1, 2)]
    first = post(body[0]).replace(b"Connection: close\r\n", b"")
    answers = asyncio.run(raw(running, first + post(body[1])))
    assert answers.count(b"HTTP/1.1 200 ") == 2
    assert answers.index(b'"id":1') < answers.index(b'"id":2')


def test_too_many_connections_are_told_so(running: Chain) -> None:
    async def scenario() -> None:
        held = []
        for _ in range(http.MAXIMUM_CONNECTIONS):
            held.append(await asyncio.open_connection("127.0.0.1", port(running)))
        question = post(b'{"jsonrpc":"2.0","id":1,"method":"getSlot"}')
        answer = await raw(running, question)  # it came after the others
        assert answer.startswith(b"HTTP/1.1 503 ")
        for _, writer in held:
            writer.close()
        async with asyncio.timeout(60):
            while not answer.startswith(b"HTTP/1.1 200 "):
                await asyncio.sleep(0.02)  # until that process has heard that they are gone
                answer = await raw(running, question)
        assert b'"result"' in answer

    asyncio.run(scenario())


def test_garbage_on_the_websocket(running: Chain) -> None:
    rng = random.Random(9)

    async def scenario() -> None:
        async with websockets.connect(running.websocket) as socket:
            for body in (b"\xff\xfe", "", "{", "[]", '{"jsonrpc":"2.0","id":1,"method":"getSlot"}'):
                await socket.send(body)
                assert json.loads(await socket.recv())["error"]["code"] in KNOWN_CODES
            for _ in range(300):
                kind = rng.choice(("signature", "logs", "account", "slot", "vote"))
                method = kind + rng.choice(("Subscribe", "Unsubscribe"))
                params = [junk(rng) for _ in range(rng.randrange(3))]
                await socket.send(json.dumps({"jsonrpc": "2.0", "id": 3, "method": method, "params": params}))
                answer = json.loads(await socket.recv())
                while "method" in answer:  # a notification in between
                    answer = json.loads(await socket.recv())
                assert "result" in answer or answer["error"]["code"] in KNOWN_CODES
            subscribe = {"jsonrpc": "2.0", "id": 4, "method": "logsSubscribe", "params": ["all"]}
            answers = []
            for _ in range(pubsub.MAXIMUM_SUBSCRIPTIONS + 1):
                await socket.send(json.dumps(subscribe))
                answer = json.loads(await socket.recv())
                answers += [answer] if "method" not in answer else []
            assert any("more than" in str(answer.get("error")) for answer in answers)
        async with websockets.connect(running.websocket) as socket:
            await socket.send("x" * (pubsub.MAXIMUM_MESSAGE_BYTES + 1))
            with pytest.raises(websockets.ConnectionClosed):
                await socket.recv()
        with pytest.raises(websockets.InvalidStatus):  # a page of a browser
            await websockets.connect(running.websocket, origin=websockets.Origin("https://evil.example"))

    asyncio.run(scenario())


def test_one_who_does_not_read_is_hung_up_on(running: Chain) -> None:
    async def scenario() -> None:
        async with client(running) as rpc:
            reader, writer = await asyncio.open_connection("127.0.0.1", port(running) + 1)
            key = base64.b64encode(bytes(16)).decode()
            head = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            writer.write(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            text = b'{"jsonrpc":"2.0","id":1,"method":"logsSubscribe","params":["all"]}'
            frame = b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text
            for _ in range(900):
                writer.write(frame)
            await writer.drain()
            for _ in range(40):
                await rpc.request_airdrop(Pubkey.new_unique(), 10**9)
            with contextlib.suppress(ConnectionError):  # it ends: the server keeps no endless queue
                while await reader.read(1 << 20):
                    pass
            writer.transport.abort()

    async def bounded() -> None:
        async with asyncio.timeout(30):
            await scenario()

    asyncio.run(bounded())
