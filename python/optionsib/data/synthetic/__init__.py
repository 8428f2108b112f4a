"""Simulated days, always labelled so."""
