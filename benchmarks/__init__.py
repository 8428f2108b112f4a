"""Benchmarks: each asserts its answers, then times us and the peers in turn."""
