"""Get your money out without OptionsIB: this file, vault.json, Python and ``pip install solders``.

    python withdraw.py --rpc URL --program ADDRESS --key id.json status
    python withdraw.py --rpc URL --program ADDRESS --key id.json withdraw all
    python withdraw.py --rpc URL --program ADDRESS --key id.json release NUMBER

``status`` shows what the vault holds and its open trades. ``withdraw`` pays free tokens to the payout account
of the mandate. ``expire`` returns the tokens of a trade that has expired, ``release`` those of a trade whose
engine was silent for the heartbeat limit, ``sweep`` what was sent to escrow by mistake. The key file is the
trader's, as the Solana tools write it, or an encrypted one of ``optionsib vault key`` (then also
``pip install cryptography``).
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import getpass
import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

HERE = Path(__file__).resolve().parent
DECIMALS = 10**6
CLOCK = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")
SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i64": 8, "pubkey": 32, "hash": 32}


class Idl:
    """The program's interface file: sizes, account layouts, instructions, error names."""

    def __init__(self, path: Path) -> None:
        self._content = json.loads(path.read_text())

    def size(self, kind: str) -> int:
        """Return the packed size of a type."""
        if kind in SIZES:
            return SIZES[kind]
        if kind.startswith("["):
            element, _, count = kind[1:-1].partition(";")
            return self.size(element) * int(count)
        return sum(self.size(field["type"]) for field in self._content["types"][kind])

    def decode(self, kind: str, data: bytes) -> Any:
        """Unpack a value: an int, an address (hashes too), bytes of an array, or a dict."""
        if kind in ("pubkey", "hash"):
            return Pubkey.from_bytes(data)
        if kind in SIZES:
            return int.from_bytes(data, "little", signed=kind == "i64")
        if kind.startswith("["):
            return data
        found, at = {}, 0
        for field in self._content["types"][kind]:
            size = self.size(field["type"])
            found[field["name"]] = self.decode(field["type"], data[at : at + size])
            at += size
        return found

    def instruction(self, program: Pubkey, name: str, accounts: dict[str, Pubkey], *args: int) -> Instruction:
        """Build an instruction; its arguments are all u64."""
        found = next(item for item in self._content["instructions"] if item["name"] == name)
        metas = [
            AccountMeta(
                Pubkey.from_string(role["address"]) if "address" in role else accounts[role["name"]],
                role.get("signer", False) is True,
                bool(role.get("writable", False)),
            )
            for role in found["accounts"]
        ]
        data = b"".join(number.to_bytes(8, "little") for number in (found["code"], *args))
        return Instruction(program, data, metas)

    def error(self, code: int) -> str:
        """Return the program's words for a custom error."""
        for error in self._content["errors"]:
            if error["code"] == code:
                return f"{error['name']}: {error['message']}"
        return f"error {code}"


class Node:
    """An RPC node."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            sys.exit("--rpc: expected http://host:port or https://host")
        self._url = url

    def call(self, method: str, *params: Any) -> Any:
        """Call a method; a node that does not answer ends the program."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                found = json.load(answer)
        except (OSError, ValueError) as error:
            # The address may hold an API key: it is not shown.
            code = getattr(error, "code", "")
            sys.exit(f"{method}: no answer from the node ({type(error).__name__} {code})".rstrip())
        if "error" in found:
            raise RefusedError(
                found["error"] if isinstance(found["error"], dict) else {"message": found["error"]}
            )
        return found["result"]

    def account(self, address: Pubkey) -> bytes | None:
        """Return an account's data."""
        value = self.call("getAccountInfo", str(address), {"encoding": "base64", "commitment": "confirmed"})[
            "value"
        ]
        return None if value is None else base64.b64decode(value["data"][0])

    def chain_time(self) -> int:
        """Return the chain's own time, Unix seconds."""
        data = self.account(CLOCK)
        if data is None:
            sys.exit("the node does not show the chain's clock")
        return int.from_bytes(data[32:40], "little", signed=True)


class RefusedError(Exception):
    """The node answers with an error."""


class Vault:
    """One trader's vault."""

    def __init__(self, node: Node, idl: Idl, program: Pubkey, trader: Pubkey) -> None:
        self.node, self.idl, self.program, self.trader = node, idl, program, trader
        self.address = self._derived(b"vault", bytes(trader))
        data = node.account(self.address)
        if data is None:
            sys.exit(f"{trader} has no vault of program {program} on this chain")
        if len(data) != idl.size("Vault"):
            sys.exit(
                f"{self.address} has {len(data)} bytes, expected {idl.size('Vault')}: another vault.json?"
            )
        self.fields = idl.decode("Vault", data)

    def _derived(self, *seeds: bytes) -> Pubkey:
        return Pubkey.find_program_address(list(seeds), self.program)[0]

    def accounts(self, trade: dict[str, Any] | None = None) -> dict[str, Pubkey]:
        """Return the accounts that instructions name."""
        fields = self.fields
        found = {
            "trader": self.trader,
            "vault": self.address,
            "funds": fields["funds"],
            "escrow": fields["escrow"],
            "mint": fields["mint"],
            "payout": fields["mandate"]["payout"],
        }
        if trade is not None:
            number = trade["trade_id"].to_bytes(8, "little")
            found["trade"] = self._derived(b"trade", bytes(self.address), number)
            found["rent_payer"] = trade["rent_payer"]
        return found

    def tokens(self, name: str) -> tuple[int, bool]:
        """Return what a token account holds, and whether it is frozen."""
        data = self.node.account(self.fields[name])
        return (0, False) if data is None else (int.from_bytes(data[64:72], "little"), data[108] == 2)

    def trades(self) -> list[dict[str, Any]]:
        """Find the open trades."""
        filters = [
            {"dataSize": self.idl.size("Trade")},
            {"memcmp": {"offset": 8, "bytes": str(self.address)}},
        ]
        options = {"encoding": "base64", "commitment": "confirmed", "filters": filters}
        shown = self.node.call("getProgramAccounts", str(self.program), options)
        return [self.idl.decode("Trade", base64.b64decode(item["account"]["data"][0])) for item in shown]

    def trade(self, number: int) -> dict[str, Any]:
        """Read one open trade."""
        address = self._derived(b"trade", bytes(self.address), number.to_bytes(8, "little"))
        data = self.node.account(address)
        if data is None or len(data) != self.idl.size("Trade"):
            sys.exit(f"trade {number} is not open")
        found: dict[str, Any] = self.idl.decode("Trade", data)
        return found


def send(vault: Vault, pair: Keypair, instruction: Instruction) -> None:
    """Sign, send and wait until the network has confirmed it or can no longer take it."""
    node = vault.node
    latest = node.call("getLatestBlockhash", {"commitment": "confirmed"})["value"]
    blockhash = Hash.from_string(latest["blockhash"])
    transaction = VersionedTransaction(
        Message.new_with_blockhash([instruction], pair.pubkey(), blockhash), [pair]
    )
    wire, signature = base64.b64encode(bytes(transaction)).decode(), str(transaction.signatures[0])
    try:
        node.call("sendTransaction", wire, {"encoding": "base64", "preflightCommitment": "confirmed"})
    except RefusedError as error:
        sys.exit(f"refused, nothing moved: {reason(vault.idl, error)}")
    print(f"sent {signature}")
    while True:
        height = node.call("getBlockHeight", {"commitment": "confirmed"})
        status = node.call("getSignatureStatuses", [signature], {"searchTransactionHistory": True})["value"][
            0
        ]
        if status is not None and status["confirmationStatus"] in ("confirmed", "finalized"):
            if status["err"] is not None:
                sys.exit(f"failed, nothing moved: {json.dumps(status['err'])}")
            print(f"{status['confirmationStatus']} in slot {status['slot']}")
            return
        if status is None and height > latest["lastValidBlockHeight"]:
            sys.exit("it was not taken into a block and can no longer be: nothing moved, try again")
        time.sleep(0.5)
        with contextlib.suppress(RefusedError):  # it may be there already: the status tells
            node.call("sendTransaction", wire, {"encoding": "base64", "skipPreflight": True})


def reason(idl: Idl, error: RefusedError) -> str:
    """Return the program's own words for a refusal where it has some."""
    answer = error.args[0]
    data = answer.get("data") if isinstance(answer.get("data"), dict) else {}
    failed = (data.get("err") or {}) if isinstance(data.get("err"), dict) else {}
    inner = failed.get("InstructionError", [0, None])[1]
    code = inner.get("Custom") if isinstance(inner, dict) else None
    return idl.error(code) if isinstance(code, int) else str(answer.get("message"))


def read_key(path: Path) -> Keypair:
    """Read a key file: the list of numbers of the Solana tools, or an encrypted one."""
    try:
        if path.stat().st_mode & 0o077:
            print(f"warning: others can read {path} (chmod 600)", file=sys.stderr)
        return open_key(path.read_text())
    except (OSError, ImportError) as error:
        sys.exit(f"key file {path}: {error}")
    except Exception as error:  # a broken file or a wrong passphrase; the error's words may hold the key
        sys.exit(f"key file {path}: no key, or a wrong passphrase ({type(error).__name__})")


def open_key(text: str) -> Keypair:
    """Return the key pair of a key file's text."""
    found = json.loads(text)
    if isinstance(found, list):
        return Keypair.from_bytes(bytes(found))
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    passphrase = os.environ.get("OPTIONSIB_VAULT_PASSPHRASE") or getpass.getpass("passphrase: ")
    n, r, p = found["scrypt_n"], found["scrypt_r"], found["scrypt_p"]
    salt, nonce, sealed = (base64.b64decode(found[name]) for name in ("salt", "nonce", "secret"))
    key = hashlib.scrypt(passphrase.encode(), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=32)
    names = ("version", "public_key", "scrypt_n", "scrypt_r", "scrypt_p", "salt")
    proof = "|".join(str(found[name]) for name in names).encode()
    return Keypair.from_seed(AESGCM(key).decrypt(nonce, sealed, proof))


def shown(units: int) -> str:
    """Return base units as tokens."""
    return f"{units // DECIMALS:,}.{units % DECIMALS:06d}"


def base_units(text: str) -> int:
    """Return an amount in base units."""
    whole, _, part = text.partition(".")
    if not (whole + part).isdecimal() or len(part) > 6:
        sys.exit(f"{text!r}: expected an amount such as 250 or 0.5, or all")
    return int(whole or 0) * DECIMALS + int(part.ljust(6, "0") or 0)


def status(vault: Vault) -> None:
    """Print what the vault holds."""
    print(f"vault {vault.address}, payout account {vault.fields['mandate']['payout']}")
    for name, title in (("funds", "free"), ("escrow", "escrow")):
        amount, frozen = vault.tokens(name)
        print(f"{title:8}{shown(amount)}{'  FROZEN by the issuer' if frozen else ''}")
    now = vault.node.chain_time()
    print(f"the engine was heard {now - vault.fields['last_heartbeat']} s ago")
    for trade in sorted(vault.trades(), key=lambda item: int(item["trade_id"])):
        left, limit = trade["expiry"] - now, trade["heartbeat_limit"]
        ends = f"expires in {left} s" if left > 0 else "has expired"
        print(
            f"trade {trade['trade_id']}: {shown(trade['remaining'])} in escrow, {shown(trade['receivable'])} "
            f"owed, {ends}, may be released after {limit} s of silence"
        )


def main() -> None:
    """Carry one command out; whatever the node answers ends in a sentence."""
    try:
        carry_out()
    except RefusedError as error:
        sys.exit(f"the node refuses: {error.args[0].get('message')}")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        sys.exit(
            f"an answer of the node cannot be read ({type(error).__name__}: {error}); try another node: "
            "`status` tells what has happened"
        )


def carry_out() -> None:
    """Carry one command out."""
    parser = argparse.ArgumentParser(
        description=str(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rpc", required=True, help="URL of a Solana RPC node")
    parser.add_argument("--program", required=True, help="address of the vault's program")
    parser.add_argument("--key", required=True, type=Path, help="the trader's key file")
    parser.add_argument("--idl", type=Path, help="vault.json (default: beside this file, or in program/)")
    parser.add_argument("command", choices=("status", "withdraw", "expire", "release", "sweep"))
    parser.add_argument(
        "what", nargs="?", default="", help="withdraw: AMOUNT or all; expire, release: NUMBER"
    )
    options = parser.parse_args()
    places = [options.idl] if options.idl else [HERE / "vault.json", HERE / "program" / "vault.json"]
    idl = Idl(next((place for place in places if place.is_file()), places[0]))
    pair = read_key(options.key)
    program = Pubkey.from_string(options.program)
    vault = Vault(Node(options.rpc), idl, program, pair.pubkey())
    command = options.command
    if command == "status":
        status(vault)
        return
    if command == "withdraw":
        amount = vault.tokens("funds")[0] if options.what == "all" else base_units(options.what)
        send(vault, pair, idl.instruction(program, "withdraw", vault.accounts(), amount))
    elif command == "sweep":
        send(vault, pair, idl.instruction(program, "sweep", vault.accounts()))
    elif options.what.isdecimal():
        trade = vault.trade(int(options.what))
        send(vault, pair, idl.instruction(program, command, vault.accounts(trade)))
    else:
        parser.error(f"{command}: expected the NUMBER of a trade (status lists them)")
    print(f"free now: {shown(vault.tokens('funds')[0])}")


if __name__ == "__main__":
    main()
