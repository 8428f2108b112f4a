"""European options: price, Greeks and implied volatility on scalars and arrays.

One argument order everywhere; rates and yields are continuous per year, volatility is annualised, time is in
years (ACT/365F). Scalars in give Python floats, and a bad value raises a `ValueError` that names it. With any
array among the arguments they broadcast; a bad element gives NaN and a status. Element results do not depend
on the array's length, layout or the number of threads, and equal those of the scalar call bit for bit.
`european_price` and `european_greeks` take cash dividends.

The functions are native (``bindings/pricing.cpp``); here they learn what only Python knows.
"""

from __future__ import annotations

import numpy as np

from optionsib._native._core import (
    clear_buffers,
    configure_pricing,
    european_greeks,
    european_price,
    greeks,
    implied_greeks,
    implied_volatility,
    price,
    simd_path,
)
from optionsib.pricing._inputs import check_indexes, column
from optionsib.pricing.results import Status

__all__ = [
    "clear_buffers",
    "european_greeks",
    "european_price",
    "greeks",
    "implied_greeks",
    "implied_volatility",
    "price",
    "simd_path",
]

configure_pricing(tuple(Status), column, check_indexes, np.shares_memory)
