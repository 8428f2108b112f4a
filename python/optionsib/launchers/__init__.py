"""Processes and how they are joined."""
