"""The watched market."""
