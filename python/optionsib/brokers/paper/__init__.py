"""A local exchange that speaks the TWS protocol."""

from optionsib.brokers.paper.exchange import PaperExchange

__all__ = ["PaperExchange"]
