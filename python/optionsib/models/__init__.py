"""Models: training, artefacts with cards, serving, and the vote."""

from optionsib.models.card import ModelCard
from optionsib.models.serving import BUNDLED_MODEL, OnnxModel
from optionsib.models.vote import vote

__all__ = ["BUNDLED_MODEL", "ModelCard", "OnnxModel", "vote"]
