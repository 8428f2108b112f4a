"""NumPy face of the pricing kernels."""

from optionsib.pricing.european import greeks, implied_volatility, price
from optionsib.pricing.payoff import (
    ExactPayoffGeometry,
    PayoffGeometry,
    exact_payoff_geometry,
    payoff_geometry,
)
from optionsib.pricing.results import Greeks, ImpliedVolatility, Status

__all__ = [
    "ExactPayoffGeometry",
    "Greeks",
    "ImpliedVolatility",
    "PayoffGeometry",
    "Status",
    "exact_payoff_geometry",
    "greeks",
    "implied_volatility",
    "payoff_geometry",
    "price",
]
