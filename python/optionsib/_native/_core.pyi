import enum
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__version__: str

_Doubles = NDArray[np.float64]
_Codes = NDArray[np.int8]

# --- pricing ------------------------------------------------------------------------------------------

def price(
    model: int,
    kind: _Codes,
    spot: _Doubles,
    strike: _Doubles,
    time_to_expiry: _Doubles,
    rate: _Doubles,
    volatility: _Doubles,
    dividend_yield: _Doubles,
    out: _Doubles,
    status: _Codes | None,
    threads: int,
) -> None: ...
def greeks(
    model: int,
    kind: _Codes,
    spot: _Doubles,
    strike: _Doubles,
    time_to_expiry: _Doubles,
    rate: _Doubles,
    volatility: _Doubles,
    dividend_yield: _Doubles,
    out: list[_Doubles],
    status: _Codes | None,
    threads: int,
) -> None: ...
def implied_volatility(
    model: int,
    price: _Doubles,
    kind: _Codes,
    spot: _Doubles,
    strike: _Doubles,
    time_to_expiry: _Doubles,
    rate: _Doubles,
    dividend_yield: _Doubles,
    guess: _Doubles | None,
    out: _Doubles,
    status: _Codes,
    threads: int,
) -> None: ...

# --- book ---------------------------------------------------------------------------------------------

class BookStatus(enum.IntEnum):
    OK = 0
    UNKNOWN_ORDER = 1
    DUPLICATE_ORDER = 2
    BAD_QUANTITY = 3
    BAD_PRICE = 4
    BAD_SIDE = 5
    BAD_ACTION = 6

_Integers = NDArray[np.int64]
_Level = tuple[int, int, int]  # price, quantity, order count
_Resting = tuple[int, int, int, int, int]  # order id, side, price, quantity, owner
_Match = tuple[BookStatus, list[tuple[int, int, int, int]], int, bool]

BOOK_RECORD: np.dtype[np.void]
BOOK_TRADE: np.dtype[np.void]
BOOK_MAX_QUANTITY: int
BOOK_MAX_PRICE: int

class OrderBook:
    def __init__(self, expected_orders: int = 1024) -> None: ...
    def __len__(self) -> int: ...
    def add(self, order_id: int, side: int, price: int, quantity: int, owner: int = 0) -> BookStatus: ...
    def reduce(self, order_id: int, quantity: int, /) -> BookStatus: ...
    def cancel(self, order_id: int, /) -> BookStatus: ...
    def replace(self, order_id: int, new_order_id: int, price: int, quantity: int, /) -> BookStatus: ...
    def execute(self, order_id: int, quantity: int, /) -> BookStatus: ...
    def quantity_ahead(self, order_id: int) -> int | None: ...
    def _apply_batch(self, records: NDArray[np.void]) -> NDArray[np.uint8]: ...
    def _best(self, side: int) -> _Level | None: ...
    def _find(self, order_id: int) -> _Resting | None: ...
    def _queue(self, side: int, price: int) -> list[_Resting]: ...
    def _depth(self, side: int, levels: int) -> tuple[_Integers, _Integers, _Integers]: ...

class MatchingEngine:
    def __init__(self, expected_orders: int = 1024) -> None: ...
    def __len__(self) -> int: ...
    def cancel(self, order_id: int) -> BookStatus: ...
    def quantity_ahead(self, order_id: int) -> int | None: ...
    def _submit(
        self, order_id: int, side: int, price: int, quantity: int, owner: int, ioc: bool
    ) -> _Match: ...
    def _modify(self, order_id: int, price: int, quantity: int) -> _Match: ...
    def _apply_batch(self, records: NDArray[np.void]) -> tuple[NDArray[np.uint8], NDArray[np.void]]: ...
    def _best(self, side: int) -> _Level | None: ...
    def _find(self, order_id: int) -> _Resting | None: ...
    def _queue(self, side: int, price: int) -> list[_Resting]: ...
    def _depth(self, side: int, levels: int) -> tuple[_Integers, _Integers, _Integers]: ...

# --- payoff geometry ----------------------------------------------------------------------------------

def payoff_geometry_exact(
    kind: _Integers, strike: _Integers, quantity: _Integers, multiplier: _Integers, cash: int
) -> tuple[int | None, int | None, _Doubles, _Integers, _Integers, int]: ...
def payoff_geometry_float(
    kind: _Integers, strike: _Doubles, quantity: _Doubles, multiplier: _Doubles, cash: float
) -> tuple[float | None, float | None, _Doubles, _Doubles, _Doubles, float]: ...

# --- limits -------------------------------------------------------------------------------------------

UNBOUNDED_LOSS: int
MAX_FILL_COMBINATIONS: int
SANITY_COLLAR: int

_ContractRow = tuple[int, int, int, int, int, int, tuple[tuple[int, int], ...]]

class LimitEngine:
    def __init__(self, limits: dict[str, int | float | None], rows: Sequence[_ContractRow]) -> None: ...
    def update_market(
        self,
        con_ids: _Integers,
        bid: _Doubles,
        ask: _Doubles,
        delta: _Doubles,
        gamma: _Doubles,
        vega: _Doubles,
        feed_age: _Doubles,
        change_age: _Doubles,
        spot: float,
        underlying_feed_age: float,
    ) -> None: ...
    def set_halted(self, halted: bool) -> None: ...
    def set_position(self, con_id: int, quantity: int) -> None: ...
    def set_cash(self, cash: int) -> None: ...
    def cash(self) -> int: ...
    def positions(self) -> dict[int, int]: ...
    def working_count(self) -> int: ...
    def exposure(self) -> tuple[float, float, float, float, float, float, float, int]: ...
    def check(
        self, order: object, now_ns: int, working: int | None
    ) -> tuple[bool, bool, int, int, float, float, int, int | None] | None: ...
    def add_working(self, order: object, now_ns: int) -> int | None: ...
    def reprice(self, handle: int, limit_price: int) -> int: ...
    def fill(self, handle: int, quantity: int, cash: int | None) -> int: ...
    def finish(self, handle: int) -> int: ...
