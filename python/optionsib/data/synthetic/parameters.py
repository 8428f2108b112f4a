"""What a simulated day is made of. The defaults follow the recorded TWX day of 2014-06-05.

The figures in the comments were measured on that day (184 contracts, 390 minutes, LEAN sample data);
``tests/golden/test_synthetic_likeness.py`` holds the simulated day near them. Volatilities are
annualised, times in years ACT/365F, prices in currency per share, half-lives in minutes.

They were tuned by hand with 2014-06-06 in view too, so that day is not unseen to a model that was trained
on simulated days: the likeness test is a check of the fit, no evidence of anything else.
"""

from __future__ import annotations

import msgspec


class ExpiryParameters(msgspec.Struct, frozen=True):
    """One expiry: which month, which strikes, and the smile it starts from.

    The smile is ``at_the_money + skew * z + wing * (sqrt(z^2 + bend^2) - bend)`` in
    ``z = log(strike / forward) / sqrt(time_to_expiry)``: curved at the money, straight in the wings.
    """

    months_ahead: int
    strike_count: int
    strike_step: float  # in currency
    centre: float  # middle strike as a share of spot; listings reach further down than up
    at_the_money: float
    skew: float
    wing: float
    level_noise: float  # standard deviation over the day of the expiry's own level
    residual_noise: float  # the same of each strike's distance to the smile


class SpotParameters(msgspec.Struct, frozen=True):
    """The share: 12 % annualised over the session, most at its ends."""

    lowest_start: float = 66.0
    highest_start: float = 78.0
    # Standard deviation of one-minute returns in basis points by half hour, mean of two TWX days.
    minute_deviation: tuple[float, ...] = (8.0, 4.8, 3.9, 2.5, 3.2, 2.2, 2.2, 2.0, 1.9, 2.2, 2.5, 3.7, 5.1)
    day_factor_deviation: float = 0.20  # of the log of a factor on the whole day
    minute_factor_deviation: float = 0.30  # of the log of a factor that comes and goes
    minute_factor_half_life: float = 20.0
    wide_share: float = 0.15  # minutes with a spread of two cents instead of one
    size_median: float = 550.0
    size_deviation: float = 0.8  # of the log


class SmileParameters(msgspec.Struct, frozen=True):
    """How the smiles move: a common level, each expiry's own, each strike's own."""

    day_level_deviation: float = 0.10  # of the log of a factor on all volatilities of the day
    common_noise: float = 0.0010
    half_life: float = 60.0
    skew_noise: float = 0.004
    residual_half_life: float = 90.0  # quoted ones look shorter-lived: rounding and patience add noise
    standing_residual: float = 0.002
    bend: float = 0.25


class QuoteParameters(msgspec.Struct, frozen=True):
    """How a market maker quotes. Spreads are full widths in currency, ``m`` = log moneyness, in > 0.

    Width at the money 0.05 + 0.26 T, far out 0.028 + 0.17 T, in the money up to 1.3 more around
    m = 0.17. Rates of updates a minute: 1.9 exp(-1.15 T) at the money, falling off outwards.
    """

    width_money: tuple[float, float] = (0.05, 0.26)
    width_out: tuple[float, float] = (0.028, 0.17)
    width_in: float = 1.3
    width_in_centre: float = 0.17
    width_in_scale: float = 0.04
    width_contract_deviation: float = 0.25
    opening_factor: float = 0.5
    opening_minutes: float = 5.0
    fair_noise: float = 0.12  # error of the quoted middle as a share of the half width
    fair_half_life: float = 90.0
    side_noise: float = 0.15  # of the log of each side's distance
    side_half_life: float = 90.0
    # A side stands until it is off by this share of the width and by so many increments.
    patience: float = 0.21
    patience_increments: float = 0.6
    follow_share: float = 0.2  # of moves in which the maker takes along the other side if it is off at all
    rate_money: tuple[float, float] = (1.9, 1.15)
    rate_scale: tuple[float, float] = (0.06, 0.12)
    rate_floor: float = 0.09
    rate_contract_deviation: float = 0.5
    # Share of contract minutes with an update by half hour, relative to the day's mean.
    activity: tuple[float, ...] = (2.2, 1.4, 1.25, 1.2, 1.0, 1.0, 0.7, 0.5, 0.5, 0.55, 0.7, 0.85, 1.1)
    both_sides_share: float = 0.42
    size_median: float = 220.0
    size_contract_deviation: float = 0.8
    size_update_deviation: float = 0.35
    largest_size: int = 2000


_EXPIRIES = (
    ExpiryParameters(0, 15, 2.5, 0.900, 0.186, -0.050, 0.200, 0.0020, 0.0030),
    ExpiryParameters(1, 15, 2.5, 0.940, 0.185, -0.070, 0.140, 0.0008, 0.0020),
    ExpiryParameters(2, 15, 2.5, 0.930, 0.190, -0.090, 0.110, 0.0008, 0.0017),
    ExpiryParameters(4, 15, 2.5, 0.920, 0.199, -0.110, 0.085, 0.0007, 0.0014),
    ExpiryParameters(7, 16, 5.0, 0.900, 0.207, -0.115, 0.065, 0.0004, 0.0011),
    ExpiryParameters(19, 14, 5.0, 0.980, 0.227, -0.123, 0.055, 0.0004, 0.0008),
)


class DayParameters(msgspec.Struct, frozen=True):
    """Everything a simulated day depends on besides its seed, symbol and date."""

    interest_rate: float = 0.003
    dividend_yield: float = 0.014
    expiries: tuple[ExpiryParameters, ...] = _EXPIRIES
    spot: SpotParameters = SpotParameters()
    smile: SmileParameters = SmileParameters()
    quotes: QuoteParameters = QuoteParameters()
