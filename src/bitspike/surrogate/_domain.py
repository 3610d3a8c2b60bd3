"""What the shape parameters of a surrogate may be."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

Shape = float | Tensor
"""A shape parameter: a number, or a tensor that is broadcast against ``x`` and may be learned."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A set of numbers.

    Attributes:
        words: the set in words, for messages.
        contains: whether a number, or each element of a tensor, belongs to it; it is finite.
        integer: only integers belong to it, and no tensors.
    """

    words: str
    contains: Callable[[Any], Any]
    integer: bool = False

    def check(self, value: Any, what: str) -> Any:
        """``value`` as a float, an int, or the tensor that it is.

        Raises:
            ValueError: if it does not belong to the domain.
        """
        if isinstance(value, Tensor) and value.is_floating_point() and not self.integer:
            found = value.detach()
            if (torch.isfinite(found) & self.contains(found)).all():
                return value
        elif isinstance(value, Integral if self.integer else Real) and not isinstance(value, bool):
            number = int(value) if isinstance(value, Integral) else float(value)
            if math.isfinite(number) and self.contains(number):
                return number if self.integer else float(number)
        raise ValueError(f"{what} must be {self.words}, but got {value!r}")


POSITIVE = Domain("a positive finite number", lambda x: x > 0)
ABOVE_ONE = Domain("a finite number above 1", lambda x: x > 1)
FINITE = Domain("a finite number", lambda x: x == x)
COUNT = Domain("an integer of at least 1", lambda x: x >= 1, integer=True)
