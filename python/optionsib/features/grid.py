"""The chain seen as a grid: one row an expiry, one column a strike, a call and a put in each cell.

Every sum over contracts runs on this grid, whose order is (expiry, strike). The order in which a feed
lists the contracts therefore cannot change a feature, not even in the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optionsib.common.types import PRICE_SCALE, Contract

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ChainGrid:
    """Where each contract stands, for ``n`` contracts over ``m`` expiries with at most ``p`` strikes.

    ``call`` and ``put`` (m, p) hold contract positions; ``n`` marks a cell without a contract.
    ``strike`` (m, p) is in currency, NaN where there is no strike. ``row`` (n) is the expiry of each
    contract.
    """

    contracts: tuple[Contract, ...]
    expiry_ns: Indices
    strike: Floats
    call: Indices
    put: Indices
    row: Indices
    position: dict[int, int]

    @classmethod
    def of(cls, contracts: Sequence[Contract]) -> ChainGrid:
        """Arrange ``contracts``.

        Raises
        ------
        ValueError
            If there are none, one is no option, or two share expiry, strike and right.
        """
        if not contracts:
            raise ValueError("a chain without contracts: expected at least one option")
        for contract in contracts:
            if contract.kind == 0:
                raise ValueError(f"contract {contract.con_id} ({contract.local_symbol}) is no option")
        expiries = sorted({contract.expiry_ns for contract in contracts})
        strikes = [sorted({c.strike for c in contracts if c.expiry_ns == expiry}) for expiry in expiries]
        n, m, p = len(contracts), len(expiries), max(len(row) for row in strikes)
        strike = np.full((m, p), np.nan)
        for i, row in enumerate(strikes):
            strike[i, : len(row)] = np.array(row, dtype=np.float64) / PRICE_SCALE
        cells = {1: np.full((m, p), n, dtype=np.int64), -1: np.full((m, p), n, dtype=np.int64)}
        row_of = np.empty(n, dtype=np.int64)
        row_number = {expiry: i for i, expiry in enumerate(expiries)}
        column_number = [{value: j for j, value in enumerate(row)} for row in strikes]
        for k, contract in enumerate(contracts):
            i = row_number[contract.expiry_ns]
            j = column_number[i][contract.strike]
            if cells[contract.kind][i, j] != n:
                raise ValueError(
                    f"contract {contract.con_id} has the expiry, strike and right of contract "
                    f"{contracts[int(cells[contract.kind][i, j])].con_id}"
                )
            cells[contract.kind][i, j] = k
            row_of[k] = i
        return cls(
            contracts=tuple(contracts),
            expiry_ns=np.array(expiries, dtype=np.int64),
            strike=strike,
            call=cells[1],
            put=cells[-1],
            row=row_of,
            position={contract.con_id: k for k, contract in enumerate(contracts)},
        )


def on_grid(values: Floats, cells: Indices) -> Floats:
    """Spread per-contract ``values`` (n) over ``cells`` (m, p); NaN where there is no contract."""
    return np.append(values, np.nan)[cells]
