"""Properties look at the same examples in every run; ``--hypothesis-profile explore`` looks for new ones.

Nothing fails for being slow: how fast things are is measured in ``benchmarks/``.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", settings.get_profile("fixed"), derandomize=False)
settings.load_profile("fixed")
