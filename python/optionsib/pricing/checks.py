"""Independent checks of the fast kernels: a binomial tree and finite differences, plain on purpose."""

from optionsib._native._core import finite_difference_price, leisen_reimer_price

__all__ = ["finite_difference_price", "leisen_reimer_price"]
