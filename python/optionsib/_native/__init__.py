"""Compiled modules (private)."""
