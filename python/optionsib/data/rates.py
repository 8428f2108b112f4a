"""The interest rate curve: dated continuously compounded zero rates, linear in time between tenors."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optionsib.common.config import RatesConfig
from optionsib.common.errors import DataError

DAYS_PER_YEAR = 365.0  # ACT/365F


@dataclass(frozen=True, slots=True, eq=False)
class RateCurve:
    """Zero rates by time in years, ACT/365F; flat before the first and after the last tenor."""

    as_of: dt.date
    source: str
    times: NDArray[np.float64]
    rates: NDArray[np.float64]

    @classmethod
    def from_config(cls, config: RatesConfig, trading_day: dt.date | None = None) -> RateCurve:
        """Build the curve from its configuration.

        ``trading_day``, if given, is the day the curve is used on.

        Raises
        ------
        DataError
            If there is no point, tenors do not rise, a rate is no finite number, or the curve is
            dated later than ``trading_day`` (it would not have been known then).
        """
        if not config.points:
            raise DataError(f"rates as of {config.as_of}: no point; expected at least one tenor")
        days = [point.tenor_days for point in config.points]
        for earlier, later in itertools.pairwise(days):
            if later <= earlier:
                raise DataError(f"rates: tenor_days {later} after {earlier}; expected rising tenors")
        for point in config.points:
            if not np.isfinite(point.rate):
                raise DataError(
                    f"rates: rate {point.rate} at {point.tenor_days} days; expected a finite number"
                )
        if trading_day is not None and config.as_of > trading_day:
            raise DataError(
                f"rates: as_of {config.as_of} is later than the trading day {trading_day}; "
                "expected a curve that was known on that day"
            )
        return cls(
            as_of=config.as_of,
            source=config.source,
            times=np.array(days, dtype=np.float64) / DAYS_PER_YEAR,
            rates=np.array([point.rate for point in config.points], dtype=np.float64),
        )

    def rate(self, time_to_expiry: ArrayLike) -> NDArray[np.float64]:
        """Return the continuous zero rate for times in years (any shape); NaN stays NaN.

        Examples
        --------
        >>> import datetime as dt
        >>> from optionsib.common.config import RatePoint, RatesConfig
        >>> points = (RatePoint(tenor_days=73, rate=0.01), RatePoint(tenor_days=365, rate=0.02))
        >>> config = RatesConfig(as_of=dt.date(2014, 6, 4), source="example", points=points)
        >>> float(RateCurve.from_config(config).rate(0.6))
        0.015
        """
        times = np.asarray(time_to_expiry, dtype=np.float64)
        # interp alone answers NaN with the rate if there is but one tenor
        return np.where(np.isnan(times), np.nan, np.interp(times, self.times, self.rates))
