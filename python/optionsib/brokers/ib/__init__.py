"""The TWS and IB Gateway adapter."""
