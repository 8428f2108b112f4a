"""Recorded days."""
