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
