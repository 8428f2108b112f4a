"""The one place where the parts are joined."""

from optionsib.trader.quantum_trader import QuantumTrader, SessionSummary

__all__ = ["QuantumTrader", "SessionSummary"]
