"""Limits before every order."""
