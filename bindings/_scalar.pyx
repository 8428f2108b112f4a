# cython: language_level=3
"""Scalar pricing calls (private)."""
