"""Benchmarks for ``make bench``."""
