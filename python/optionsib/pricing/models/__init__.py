"""Models of spots as data, and their time steps on rows of simulated paths.

A model is a frozen dataclass; `Model.to_json` and `Model.from_json` write and read any of them. Rates and
yields are continuous, volatilities annual, times years from today. Where a number may change with time it
is a `TermStructure`. A cash dividend lowers the spot at its time, at most to 0; a spot looked at then is
without it.
"""

from optionsib.pricing.models.base import MODELS, Model, SingleAsset, State
from optionsib.pricing.models.black_scholes import BlackScholes
from optionsib.pricing.models.heston import Heston
from optionsib.pricing.models.levels import Level, TermStructure, integral
from optionsib.pricing.models.merton import Merton, poisson_bounds
from optionsib.pricing.models.multi_asset import MultiAsset

__all__ = [
    "BlackScholes",
    "Heston",
    "Level",
    "Merton",
    "Model",
    "MultiAsset",
    "SingleAsset",
    "State",
    "TermStructure",
    "integral",
    "poisson_bounds",
]

MODELS.update({model.type: model for model in (BlackScholes, Heston, Merton, MultiAsset)})
