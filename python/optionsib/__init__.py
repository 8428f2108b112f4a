"""OptionsIB: options pricing in a notebook, options trading in a daemon.

``import optionsib`` loads NumPy and the native core, nothing else.
"""

from optionsib._native._core import __version__
from optionsib.pricing import greeks, implied_volatility, price

__all__ = ["__version__", "greeks", "implied_volatility", "price"]
