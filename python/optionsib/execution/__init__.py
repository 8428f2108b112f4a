"""The gate, orders and positions."""
