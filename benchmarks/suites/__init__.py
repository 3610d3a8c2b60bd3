"""One file for each suite; each has ``run(settings)``."""
