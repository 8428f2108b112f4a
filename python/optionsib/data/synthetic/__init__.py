"""Simulated days and markets, always labelled so."""

from optionsib.data.synthetic.simulated_day import SimulatedTape
from optionsib.data.synthetic.universe import SimulatedUniverse

__all__ = ["SimulatedTape", "SimulatedUniverse"]
