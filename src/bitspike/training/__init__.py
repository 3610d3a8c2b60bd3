"""What a training program needs beside the network, and a library user may ignore."""

from bitspike._seeds import seed_of
from bitspike.training._checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from bitspike.training._metrics import EpochMetrics, RateMeter, write_csv
from bitspike.training._precision import Precision
from bitspike.training._random_state import random_state, restore_random_state, seed_everything
from bitspike.training._screen import Screen
from bitspike.training._signals import StopRequest

__all__ = [
    "CheckpointError",
    "EpochMetrics",
    "Precision",
    "RateMeter",
    "Screen",
    "StopRequest",
    "load_checkpoint",
    "random_state",
    "restore_random_state",
    "save_checkpoint",
    "seed_everything",
    "seed_of",
    "write_csv",
]
