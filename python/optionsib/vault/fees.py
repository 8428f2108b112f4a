"""What a transaction asks and bids for: compute units and priority fee."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from solana.rpc.async_api import AsyncClient
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from optionsib.vault.rpc import RpcRefusedError, call

MAXIMUM_UNITS = 1_400_000
_ROUND_UNITS = 4_096
_PRICED_ACCOUNTS = 128


class FeePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of what a transaction pays beyond its signatures.

    Attributes
    ----------
    floor, ceiling
        Micro-lamports a compute unit, at least and at most. Equal: the node is not asked.
    percentile
        Of the recent fees on the accounts that the transaction writes, 1 to 100.
    unit_margin
        Compute units asked for, over those that the simulation used.
    """

    floor: int = 0
    ceiling: int = 0
    percentile: int = 75
    unit_margin: float = 1.2

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= self.ceiling:
            raise ValueError(
                f"priority fee floor {self.floor} and ceiling {self.ceiling}: expected 0 <= floor <= ceiling"
            )
        if not 1 <= self.percentile <= 100:
            raise ValueError(f"percentile {self.percentile}: expected 1 to 100")
        if not 1.0 <= self.unit_margin <= 10.0:
            raise ValueError(f"unit_margin {self.unit_margin}: expected 1 to 10")


class _Fee(msgspec.Struct, frozen=True):
    prioritizationFee: int  # noqa: N815 - the node's name


def unit_limit(used: int, policy: FeePolicy, tag: int) -> int:
    """Return the compute units to ask for.

    ``tag`` keeps transactions of equal content in one block apart: the chain takes equal ones for one.
    """
    rounded = math.ceil(used * policy.unit_margin / _ROUND_UNITS) * _ROUND_UNITS
    return min(rounded + tag % _ROUND_UNITS, MAXIMUM_UNITS)


def budget(limit: int, price: int) -> list[Instruction]:
    """Return the compute budget instructions; they stand at the end, so that no other one's index changes."""
    return [set_compute_unit_limit(limit), *([set_compute_unit_price(price)] if price else [])]


async def priority_price(rpc: AsyncClient, policy: FeePolicy, written: Sequence[Pubkey]) -> int:
    """Return micro-lamports a compute unit, from what was paid lately on the ``written`` accounts.

    A node that cannot tell gives the floor.

    Raises
    ------
    RpcUnavailableError
        If the node does not answer.
    """
    if policy.floor == policy.ceiling:
        return policy.floor
    keys = [str(key) for key in written][:_PRICED_ACCOUNTS]
    try:
        recent = await call(rpc, list[_Fee], "getRecentPrioritizationFees", keys)
    except RpcRefusedError:
        return policy.floor
    paid = sorted(entry.prioritizationFee for entry in recent)
    found = paid[max(0, math.ceil(len(paid) * policy.percentile / 100) - 1)] if paid else 0
    return min(max(found, policy.floor), policy.ceiling)
