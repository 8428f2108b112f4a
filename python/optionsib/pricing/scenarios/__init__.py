"""Scenarios of spot, volatility and rate: simulated, resampled, stressed, stored."""

from optionsib.pricing.scenarios.generator import MonteCarloEngine, OptionScenarioGenerator
from optionsib.pricing.scenarios.history import History, optimal_block_length
from optionsib.pricing.scenarios.parquet import read_scenarios, write_scenarios
from optionsib.pricing.scenarios.processes import (
    CoxIngersollRoss,
    HestonVariance,
    Jumps,
    LogOrnsteinUhlenbeck,
    Vasicek,
)
from optionsib.pricing.scenarios.result import Provenance, Scenarios
from optionsib.pricing.scenarios.stress import HistoricalReplay, Overlay, Stress

__all__ = [
    "CoxIngersollRoss",
    "HestonVariance",
    "HistoricalReplay",
    "History",
    "Jumps",
    "LogOrnsteinUhlenbeck",
    "MonteCarloEngine",
    "OptionScenarioGenerator",
    "Overlay",
    "Provenance",
    "Scenarios",
    "Stress",
    "Vasicek",
    "optimal_block_length",
    "read_scenarios",
    "write_scenarios",
]
