"""OptionsIB: options pricing in a notebook, options trading in a daemon.

``import optionsib`` loads NumPy and the native core, nothing else.
"""

from optionsib._native._core import __version__
from optionsib.pricing import (
    american_greeks,
    american_implied_greeks,
    american_implied_volatility,
    american_price,
    clear_buffers,
    early_exercise_premium,
    european_greeks,
    european_price,
    exercise_advice,
    exercise_boundary,
    finite_difference_price,
    greeks,
    implied_greeks,
    implied_volatility,
    leisen_reimer_price,
    price,
    simd_path,
    time_to_expiry,
)

__all__ = [
    "__version__",
    "american_greeks",
    "american_implied_greeks",
    "american_implied_volatility",
    "american_price",
    "clear_buffers",
    "early_exercise_premium",
    "european_greeks",
    "european_price",
    "exercise_advice",
    "exercise_boundary",
    "finite_difference_price",
    "greeks",
    "implied_greeks",
    "implied_volatility",
    "leisen_reimer_price",
    "price",
    "simd_path",
    "time_to_expiry",
]
