"""Simulated days, always labelled so."""

from optionsib.data.synthetic.simulated_day import SimulatedTape

__all__ = ["SimulatedTape"]
