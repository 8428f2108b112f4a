"""Properties look at the same examples in every run; ``--hypothesis-profile explore`` looks for new ones.

Nothing fails for being slow: how fast things are is measured in ``benchmarks/``.
"""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", settings.get_profile("fixed"), derandomize=False)
settings.load_profile("fixed")


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    """A copy of the bundled model with its card."""
    from optionsib.models import BUNDLED_MODEL
    from optionsib.models.card import card_path

    path = tmp_path / "model.onnx"
    shutil.copy(BUNDLED_MODEL, path)
    shutil.copy(card_path(BUNDLED_MODEL), card_path(path))
    return path
