"""Brokers behind one interface."""
