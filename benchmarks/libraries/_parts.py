"""The parts of a network, independent of the library."""

import itertools
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Part:
    """A layer of ``torch.nn`` by name, or ``LIF``: tau 2, threshold 1, hard reset to 0."""

    name: str
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


LIF = Part("LIF")


def fully_connected(*sizes: int) -> list[Part]:
    """Return Linear without bias and LIF, for each size except the first."""
    parts = [Part("Flatten")]
    for inputs, outputs in itertools.pairwise(sizes):
        parts += [Part("Linear", (inputs, outputs), {"bias": False}), LIF]
    return parts


def convolutional(channels: int = 32) -> list[Part]:
    """Return convolution, batch norm, LIF, max-pooling, twice; then Linear to ten LIF neurons."""
    parts = []
    for inputs in (1, channels):
        parts += [
            Part("Conv2d", (inputs, channels, 3), {"padding": 1, "bias": False}),
            Part("BatchNorm2d", (channels,)),
            LIF,
            Part("MaxPool2d", (2,)),
        ]
    return [*parts, Part("Flatten"), Part("Linear", (channels * 7 * 7, 10), {"bias": False}), LIF]
