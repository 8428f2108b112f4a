"""Models: training, artefacts with cards, serving, and the vote."""

from optionsib.models.card import ModelCard
from optionsib.models.ensemble import OptionStrategyEnsemble
from optionsib.models.generators import generate_ai_strategy, get_available_generators
from optionsib.models.market_lstm import MarketLSTM
from optionsib.models.optimize import optimize_strategy_parameters
from optionsib.models.regimes import MarketRegimeClassifier
from optionsib.models.serving import BUNDLED_MODEL, OnnxModel
from optionsib.models.vote import vote
from optionsib.models.warm_up import warmup_models

__all__ = [
    "BUNDLED_MODEL",
    "MarketLSTM",
    "MarketRegimeClassifier",
    "ModelCard",
    "OnnxModel",
    "OptionStrategyEnsemble",
    "generate_ai_strategy",
    "get_available_generators",
    "optimize_strategy_parameters",
    "vote",
    "warmup_models",
]
