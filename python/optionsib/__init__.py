"""OptionsIB: options pricing in a notebook, options trading in a daemon.

``import optionsib`` loads NumPy and the native core, nothing else.
"""

from optionsib._native._core import __version__
from optionsib.pricing import (
    clear_buffers,
    greeks,
    implied_greeks,
    implied_volatility,
    price,
    simd_path,
    time_to_expiry,
)

__all__ = [
    "__version__",
    "clear_buffers",
    "greeks",
    "implied_greeks",
    "implied_volatility",
    "price",
    "simd_path",
    "time_to_expiry",
]
