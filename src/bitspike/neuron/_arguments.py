"""Types of the arguments that neurons share, with the units of numbers."""

from collections.abc import Callable
from typing import Annotated, TypedDict

from torch import Tensor


class Unit(str):
    """The unit of an argument, as it stands in the catalogue."""


Steps = Annotated[float, Unit("steps")]
StepCount = Annotated[int, Unit("steps")]
Potential = Annotated[float, Unit("of v")]
Surrogate = Callable[[Tensor], Tensor]


class Older(TypedDict, total=False):
    """Arguments of programs for older releases of SpikingJelly.

    Attributes:
        backend: ``'torch'`` and ``'cupy'`` are taken with a `DeprecationWarning`.
    """

    backend: str
