"""NumPy face of the pricing kernels."""

from optionsib.pricing.european import (
    clear_buffers,
    greeks,
    implied_greeks,
    implied_volatility,
    price,
    simd_path,
)
from optionsib.pricing.expiry import time_to_expiry
from optionsib.pricing.payoff import (
    ExactPayoffGeometry,
    PayoffGeometry,
    exact_payoff_geometry,
    payoff_geometry,
)
from optionsib.pricing.results import (
    Greeks,
    ImpliedGreeks,
    ImpliedVolatility,
    SecondOrderGreeks,
    SecondOrderImpliedGreeks,
    Status,
    ThirdOrderGreeks,
    ThirdOrderImpliedGreeks,
)

__all__ = [
    "ExactPayoffGeometry",
    "Greeks",
    "ImpliedGreeks",
    "ImpliedVolatility",
    "PayoffGeometry",
    "SecondOrderGreeks",
    "SecondOrderImpliedGreeks",
    "Status",
    "ThirdOrderGreeks",
    "ThirdOrderImpliedGreeks",
    "clear_buffers",
    "exact_payoff_geometry",
    "greeks",
    "implied_greeks",
    "implied_volatility",
    "payoff_geometry",
    "price",
    "simd_path",
    "time_to_expiry",
]
