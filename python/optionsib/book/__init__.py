"""Order book and matching."""
