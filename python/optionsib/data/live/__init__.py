"""The watched market."""

from optionsib.data.live.chain import ChainSnapshot, ChainState

__all__ = ["ChainSnapshot", "ChainState"]
