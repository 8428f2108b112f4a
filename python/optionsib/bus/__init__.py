"""Transports, journal and tape."""
