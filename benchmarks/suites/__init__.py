"""The suites, a file for each; each has ``run(settings)``."""
