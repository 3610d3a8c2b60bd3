"""The functional forms, each made from its class: ``atan(x, alpha)`` is ``ATan(alpha)(x)``."""

import inspect
from collections.abc import Callable

from torch import Tensor

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import Shape


class Functional:
    """A surrogate as a function of ``x`` and its shape parameters.

    ``atan(x, alpha)`` and ``atan.apply(x, alpha)`` give spikes with the surrogate gradient; what
    is left out takes the default of the class. ``atan.forward(x, alpha)`` gives them without.

    Args:
        surrogate: the class.
    """

    def __init__(self, surrogate: type[SurrogateFunctionBase]) -> None:
        self.surrogate: Callable[..., SurrogateFunctionBase] = surrogate
        self.__doc__ = f"``{surrogate.__name__}`` as a function of ``x`` and its shape parameters."

    def __call__(self, x: Tensor, *shape: Shape, **named: Shape) -> Tensor:
        """Spikes, of the shape of ``x``."""
        spikes: Tensor = self.surrogate(*shape, **named)(x)
        return spikes

    def apply(self, x: Tensor, *shape: Shape, **named: Shape) -> Tensor:
        """The same as calling it."""
        return self(x, *shape, **named)

    def forward(self, x: Tensor, *shape: Shape, **named: Shape) -> Tensor:
        """Spikes without a gradient."""
        return self(x.detach(), *shape, **named).detach()

    def __repr__(self) -> str:
        return f"<functional form of {self.surrogate!r}>"


def forms(
    surrogate: type[SurrogateFunctionBase],
) -> tuple[Functional, Callable[..., tuple[Tensor | None, ...]]]:
    """The functional form of a surrogate, and that of its gradient."""

    def backward(
        grad_output: Tensor, x: Tensor, *shape: Shape, **named: Shape
    ) -> tuple[Tensor | None, ...]:
        grad = surrogate.backward(grad_output, x, *shape, **named)
        return grad, *(None for _ in surrogate.names)

    named = ("grad_output", "x", *surrogate.names)
    backward.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in named]
    )
    backward.__doc__ = (
        f"Gradient of ``{surrogate.__name__}`` with respect to ``x``, and None for each of "
        f"{', '.join(surrogate.names) or 'no shape parameters'}."
    )
    return Functional(surrogate), backward
