"""What a type checker sees of scenarios, sweeps and executors."""

from concurrent.futures import Executor
from typing import Literal, assert_type

import numpy as np
from numpy.typing import NDArray

from optionsib.pricing import (
    BlackScholes,
    EuropeanOption,
    MonteCarloEngine,
    MonteCarloResult,
    OptionScenarioGenerator,
    price_many,
)
from optionsib.pricing.scenarios import HestonVariance, History, Scenarios, Stress, Vasicek, read_scenarios

generator = OptionScenarioGenerator(
    spot=100.0,
    volatility=HestonVariance(variance=0.04, kappa=2.0, theta=0.04, xi=0.3),
    rate=Vasicek(initial=0.03, kappa=0.5, theta=0.03, xi=0.01),
)
paths = generator.generate(measure="physical", horizon=1.0, steps=4, paths=10, seed=1)
assert_type(paths, Scenarios)
assert_type(paths.spot, NDArray[np.float64])
assert_type(paths.stressed(Stress(name="crash", spot=-0.2)), Scenarios)
assert_type(paths.provenance.measure, Literal["physical", "risk_neutral"])
assert_type(read_scenarios("x.parquet"), Scenarios)
assert_type(MonteCarloEngine(spot=1.0, volatility=0.2), OptionScenarioGenerator)

generator.generate(measure="real", horizon=1.0, steps=4, paths=10, seed=1)  # type: ignore[arg-type]
generator.generate(horizon=1.0, steps=4, paths=10, seed=1)  # type: ignore[call-arg]  # the measure has no default


def sweep(executor: Executor, history: History) -> None:
    option = EuropeanOption(kind="call", strike=100.0, expiry=1.0)
    model = BlackScholes(spot=100.0, volatility=0.2)
    found = price_many([option], model, paths=5000, seed=1, executor=executor, sampler="xoshiro")
    assert_type(found, list[MonteCarloResult])
    price_many([option], [model], paths=5000, seed=1, sampler="dice")  # type: ignore[arg-type]
    assert_type(
        OptionScenarioGenerator.bootstrap(history, measure="physical", steps=5, paths=10, seed=1), Scenarios
    )
