"""A trader that is the address of another program, such as a multisig's vault."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

pytest.importorskip("solders")

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from tests.vault_tools import ROOT, load
from tests.vault_world import CLUSTER, PROGRAM, SYSTEM, World, key

MULTISIG = key("multisig").pubkey()
# Passes its data and accounts on to the program that is its first account, and signs for its own address.
SOURCE = r"""
typedef unsigned char u8;
typedef unsigned long long u64;
typedef struct { const u8 *key; u8 writable, signer, padding[6]; } Meta;
typedef struct { const u8 *program; const Meta *metas; u64 count; const u8 *data; u64 size; } Call;
typedef struct {
  const u8 *key; u64 *lamports; u64 size; u8 *data; const u8 *owner; u64 epoch;
  u8 signer, writable, executable, padding[5];
} Info;
typedef struct { const void *at; u64 size; } Slice;
u64 sol_invoke_signed_c(const Call *, const Info *, u64, const void *, u64);
u64 sol_try_find_program_address(const Slice *, u64, const u8 *, u8 *, u8 *);
void sol_memcmp_(const void *, const void *, u64, int *);

u64 entrypoint(u8 *in) {
  Meta *metas = (Meta *)0x300000000ull;
  Info *infos = (Info *)0x300001000ull;
  u64 count = *(u64 *)in;
  u8 *p = in + 8;
  for (u64 i = 0; i < count; i++) {
    if (*p != 255) { infos[i] = infos[*p]; metas[i] = metas[*p]; p += 8; continue; }
    infos[i] = (Info){p + 8, (u64 *)(p + 72), *(u64 *)(p + 80), p + 88, p + 40, 0, p[1], p[2], p[3], {0}};
    metas[i] = (Meta){p + 8, p[2], p[1], {0}};
    p += 88 + ((*(u64 *)(p + 80) + 7) & ~7ull) + 10240 + 8;
  }
  u64 size = *(u64 *)p;
  u8 *data = p + 8, *self = p + 8 + size, own[32], bump;
  Slice seeds[2] = {{"signer", 6}, {&bump, 1}};
  if (sol_try_find_program_address(seeds, 1, self, own, &bump)) return 1;
  for (u64 i = 0; i < count; i++) {
    int order = 1;
    sol_memcmp_(metas[i].key, own, 32, &order);
    if (order == 0) metas[i].signer = 1;
  }
  Call call = {infos[0].key, metas + 1, count - 1, data, size};
  Slice signer = {seeds, 2};
  return sol_invoke_signed_c(&call, infos, count, &signer, 1);
}
"""


@pytest.mark.skipif(
    not (ROOT / "build" / "vault-compiler" / "complete").exists(),
    reason="the pinned compiler is not installed: scripts/vault_env.sh",
)
def test_a_multisigs_address_is_trader(tmp_path: Path) -> None:
    source = tmp_path / "multisig.c"
    source.write_text(SOURCE)
    build = load("build")
    world = World()
    world.vm.add_program(MULTISIG, load("link").link({"multisig.c": build.compile_file(source, build.ZIG)}))
    own = Pubkey.find_program_address([b"signer"], MULTISIG)[0]
    world.vm.airdrop(own, 10**9)
    world.trader = own
    world.at = world.client.addresses(own)

    def through(instruction: Instruction) -> Instruction:
        metas = [
            AccountMeta(m.pubkey, m.is_signer and m.pubkey != own, m.is_writable)
            for m in instruction.accounts
        ]
        first = AccountMeta(PROGRAM.pubkey(), False, False)
        return Instruction(MULTISIG, bytes(instruction.data), [first, *metas])

    client = world.client
    assert world.send(through(client.create(own, CLUSTER, world.mandate))) is None
    assert world.account(own).owner == SYSTEM
    deposit = client.deposit(own, world.pub("settler"), world.address["settlement"], 500)
    assert world.send(deposit, "settler") is None
    assert world.open() is None
    assert world.send(through(client.pause(own, own))) is None
    assert world.open(2) == "PAUSED"
    assert world.send(through(client.unpause(own))) is None
    cut = msgspec.structs.replace(world.mandate, trade_cap=50)
    assert world.send(through(client.propose(own, cut))) is None
    assert world.vault.mandate.trade_cap == 50
    assert world.close(1, 100, -40) is None
    assert world.send(through(client.withdraw(own, world.address["payout"], 460))) is None
    assert world.balance(world.address["payout"]) == 460
    # Nobody else's call is taken for the trader's.
    assert world.send(client.pause(own, world.pub("stranger")), "stranger") == "WRONG_ENGINE"
