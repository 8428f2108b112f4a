"""Whatever a node answers, the client says what is wrong with it in a settlement error, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import copy
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import Transaction

from optionsib.common.clock import SteppedClock
from optionsib.common.errors import SettlementError
from optionsib.vault.client import SolanaVault
from optionsib.vault.rpc import RpcUnavailableError
from optionsib.vault.signers import LocalSigner
from optionsib.vault.tokens import TOKEN_PROGRAM

ENGINE = Keypair.from_seed(bytes(32))
ADDRESS = str(ENGINE.pubkey())
ACCOUNT = {"lamports": 5, "data": ["", "base64"], "owner": ADDRESS, "executable": False, "rentEpoch": 0}
WIRE = base64.b64encode(
    bytes(Transaction.new_unsigned(Message([Instruction(Pubkey.default(), b"x", [])], ENGINE.pubkey())))
).decode()
HASH = {"blockhash": ADDRESS, "lastValidBlockHeight": 300}
GOOD: dict[str, Any] = {
    "getGenesisHash": ADDRESS,
    "getEpochInfo": {"absoluteSlot": 7, "blockHeight": 7},
    "getMultipleAccounts": {"context": {"slot": 9}, "value": [None]},
    "getProgramAccounts": [{"pubkey": ADDRESS, "account": ACCOUNT}],
    "getSignaturesForAddress": [{"signature": "x", "slot": 3, "err": None}],
    "getTransaction": {
        "slot": 3, "blockTime": 5, "transaction": [WIRE, "base64"],
        "meta": {
            "err": None, "fee": 5000, "logMessages": ["Program data: AAAA"],
            "innerInstructions": [{
                "index": 0,
                "instructions": [{"programIdIndex": 1, "accounts": [0], "data": "3Bxs", "stackHeight": 2}],
            }],
            "loadedAddresses": {"writable": [ADDRESS], "readonly": []},
        },
    },
    "getSignatureStatuses": {
        "context": {"slot": 9}, "value": [{"slot": 4, "err": None, "confirmationStatus": "confirmed"}],
    },
    "simulateTransaction": {
        "value": {"err": None, "logs": [], "unitsConsumed": 1000, "replacementBlockhash": HASH}
    },
    "getLatestBlockhash": {"value": HASH},
    "sendTransaction": "signature",
    "getRecentPrioritizationFees": [{"slot": 1, "prioritizationFee": 3}],
}  # fmt: skip


class Node:
    """Answers each method as it is told, without a network."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    async def send_rpc_request(self, request: Any, answer: Any) -> Any:
        return self.answers[request.method]

    async def close(self) -> None:
        return


def vault(answers: dict[str, Any]) -> SolanaVault:
    keys = [Keypair.from_seed(bytes([k]) * 32).pubkey() for k in (1, 2, 3)]
    node: Any = Node(answers)
    return SolanaVault(node, program=keys[0], mint=keys[1], trader=keys[2], clock=SteppedClock())


async def ask_everything(answers: dict[str, Any]) -> list[str]:
    client, signer = vault(answers), LocalSigner(ENGINE)
    asked: dict[str, Callable[[], Awaitable[Any]]] = {
        "cluster": client.cluster,
        "check": client.check,
        "read": client.read,
        "trade": lambda: client.trade(1),
        "open_trades": client.open_trades,
        "token": lambda: client.token(ENGINE.pubkey()),
        "tip": client.tip,
        "history": client.history,
        "status": lambda: client.status(["x"]),
        "submit": lambda: client.submit(b"abc"),
        "simulated": lambda: client.prepare([], signers=[signer]),
        "unsimulated": lambda: client.prepare([], signers=[signer], simulate=False),
    }
    refused = []
    for name, ask in asked.items():
        try:
            await ask()
        except SettlementError:
            refused.append(name)
    return refused


def test_good_answers_are_taken() -> None:
    refused = asyncio.run(ask_everything(GOOD))
    assert refused == ["check", "read"]  # they ask for more than one account


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_answer_gets_past(data: st.DataObject) -> None:
    answers = copy.deepcopy(GOOD)
    method = data.draw(st.sampled_from(sorted(GOOD)))
    junk = st.recursive(
        st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=6,
    )
    # Replace one node of the answer's tree, the whole of it included.
    holder: Any = answers
    key: Any = method
    while isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans()):
        holder = holder[key]
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
    holder[key] = data.draw(junk)
    asyncio.run(ask_everything(answers))  # anything but a SettlementError comes through


def test_the_method_is_named() -> None:
    with pytest.raises(RpcUnavailableError, match="the answer to getEpochInfo has another shape"):
        asyncio.run(vault(GOOD | {"getEpochInfo": "7"}).tip())
    with pytest.raises(RpcUnavailableError, match="answers with 0 of 1 accounts"):
        asyncio.run(vault(GOOD | {"getMultipleAccounts": {"context": {"slot": 1}, "value": []}}).trade(1))
    broken = {"value": {"blockhash": "no hash", "lastValidBlockHeight": 1}}
    with pytest.raises(RpcUnavailableError, match="getLatestBlockhash cannot be decoded"):
        asyncio.run(vault(GOOD | {"getLatestBlockhash": broken})._blockhash())


def test_a_late_node_is_not_believed() -> None:
    mint = dict(ACCOUNT, data=[base64.b64encode(bytes(82)).decode(), "base64"], owner=str(TOKEN_PROGRAM))
    clock = dict(ACCOUNT, data=[base64.b64encode(bytes(40)).decode(), "base64"])
    answers = dict(GOOD)

    def at(slot: int) -> dict[str, Any]:
        return {"context": {"slot": slot}, "value": [None, None, None, mint, clock]}

    async def read_three_times() -> list[int]:
        client = vault(answers)
        slots = []
        for slot in (100, 101, 101):
            answers["getMultipleAccounts"] = at(slot)
            slots.append((await client.read()).slot)
        answers["getMultipleAccounts"] = at(99)
        with pytest.raises(RpcUnavailableError, match="it shows slot 99, 101 was seen before"):
            await client.read()
        answers["getMultipleAccounts"] = at(102)
        return [*slots, (await client.read()).slot]

    assert asyncio.run(read_three_times()) == [100, 101, 101, 102]


def test_that_something_has_expired_no_late_node_can_bear_out() -> None:
    """One node says that the last block is past; another one, that is not there yet, knows no transaction."""

    def unknown(slot: int) -> dict[str, Any]:
        return {"context": {"slot": slot}, "value": [None]}

    answers = dict(GOOD, getEpochInfo={"absoluteSlot": 400, "blockHeight": 301})

    async def ask() -> None:
        client = vault(answers)
        answers["getSignatureStatuses"] = unknown(399)
        assert await client.status(["x"]) == [None]  # nobody has said yet that it is past
        assert not await client.is_expired(301)
        assert await client.status(["x"]) == [None]
        assert await client.is_expired(300)
        with pytest.raises(RpcUnavailableError, match="it shows slot 399, 400 was seen before"):
            await client.status(["x"])
        with pytest.raises(RpcUnavailableError, match="the node is late"):
            await client.trade(1)  # None of it would mean that the trade has ended
        answers["getSignatureStatuses"] = unknown(400)
        assert await client.status(["x"]) == [None]
        answers["getSignatureStatuses"] = {**GOOD["getSignatureStatuses"], "context": {"slot": 399}}
        (known,) = await client.status(["x"])  # what a late node does know is so
        assert known is not None

    asyncio.run(ask())
