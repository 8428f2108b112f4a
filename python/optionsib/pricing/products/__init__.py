"""Exotic options as data, and their payoffs on simulated paths.

A product is a frozen dataclass. Times are years from today; a product owns its monitoring dates: nothing
happens between them. `ExoticProduct.to_json` and `ExoticProduct.from_json` write and read any of them.

What a product pays it says in `payments`, a generator: it yields the next time at which it wants the spots,
is sent the spots of all assets then (`optionsib.pricing._rows.Row`), and returns the value today of what it
pays, for which it is given the discount factors. A path may pay at several dates.

With ``monitoring="continuous"`` a barrier, touch or lookback looks at the spot at every moment from today
to its last date; the simulation, which sees dates only, refuses it, closed forms do not.

Conventions: today itself is a monitoring date only where 0 is among the dates (then the spot today counts,
also for a barrier: that is a breach at inception). A barrier is breached by touching it. An expiry of 0 pays
the payoff of today's spot. Dates are times of trading sessions already: calendars stand outside.
"""

from optionsib.pricing.products.barrier import BarrierOption, DoubleBarrierOption, TouchOption
from optionsib.pricing.products.base import (
    PRODUCTS,
    Discount,
    ExoticProduct,
    ExoticType,
    Kind,
    Monitoring,
    Payments,
    Times,
    vanilla,
)
from optionsib.pricing.products.early_exercise import AmericanOption, BermudanOption, EarlyExercise
from optionsib.pricing.products.note import Autocallable
from optionsib.pricing.products.path import AsianOption, LookbackOption, VarianceSwap
from optionsib.pricing.products.several import BasketOption, ExchangeOption, SpreadOption
from optionsib.pricing.products.vanilla import DigitalOption, EuropeanOption

__all__ = [
    "AmericanOption",
    "AsianOption",
    "Autocallable",
    "BarrierOption",
    "BasketOption",
    "BermudanOption",
    "DigitalOption",
    "Discount",
    "DoubleBarrierOption",
    "EarlyExercise",
    "EuropeanOption",
    "ExchangeOption",
    "ExoticProduct",
    "ExoticType",
    "Kind",
    "LookbackOption",
    "Monitoring",
    "Payments",
    "SpreadOption",
    "Times",
    "TouchOption",
    "VarianceSwap",
    "vanilla",
]

PRODUCTS.update(
    {
        str(product.type): product
        for product in (
            EuropeanOption, DigitalOption, AsianOption, BarrierOption, DoubleBarrierOption, LookbackOption,
            TouchOption, VarianceSwap, BasketOption, SpreadOption, ExchangeOption, Autocallable,
            BermudanOption, AmericanOption,
        )
    }
)  # fmt: skip
