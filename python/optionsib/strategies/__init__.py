"""Tested strategy logic."""
