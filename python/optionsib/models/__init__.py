"""Models: training, artefacts with cards, serving, and the vote."""

from optionsib.models.card import ModelCard
from optionsib.models.generators import generate_ai_strategy, get_available_generators
from optionsib.models.optimize import optimize_strategy_parameters
from optionsib.models.serving import BUNDLED_MODEL, OnnxModel
from optionsib.models.vote import vote
from optionsib.models.warm_up import warmup_models

__all__ = [
    "BUNDLED_MODEL",
    "ModelCard",
    "OnnxModel",
    "generate_ai_strategy",
    "get_available_generators",
    "optimize_strategy_parameters",
    "vote",
    "warmup_models",
]
