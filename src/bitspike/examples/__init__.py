"""Programs to run with ``python -m bitspike.examples.NAME``, and to read from top to bottom."""
