"""Train in less memory, and freeze a network for prediction."""

from bitspike.memory._freeze import Frozen, freeze
from bitspike.memory._save_memory import save_memory

__all__ = ["Frozen", "freeze", "save_memory"]
