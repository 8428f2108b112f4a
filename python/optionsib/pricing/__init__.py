"""NumPy face of the pricing kernels."""

from optionsib.pricing.european import greeks, implied_volatility, price
from optionsib.pricing.results import Greeks, ImpliedVolatility, Status

__all__ = ["Greeks", "ImpliedVolatility", "Status", "greeks", "implied_volatility", "price"]
