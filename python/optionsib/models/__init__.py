"""Models: training, artefacts with cards, serving, and the vote."""

from pathlib import Path

from optionsib.models.card import ModelCard
from optionsib.models.serving import OnnxModel
from optionsib.models.vote import vote

BUNDLED_MODEL = Path(__file__).parent / "artefacts" / "simulated.onnx"

__all__ = ["BUNDLED_MODEL", "ModelCard", "OnnxModel", "vote"]
