"""Recorded days."""

from optionsib.data.historical.lean import LeanTape, available_dates
from optionsib.data.historical.lean_writer import save_lean

__all__ = ["LeanTape", "available_dates", "save_lean"]
