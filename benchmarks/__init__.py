"""Benchmarks that anyone can repeat: ``make bench``."""
