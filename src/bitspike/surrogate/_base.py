"""The mechanism that all surrogate functions share."""

import inspect
import math
from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

registry: dict[str, type["SurrogateFunctionBase"]] = {}
"""Every surrogate by its class name, in the order of definition; tests and kernels run over it."""


def heaviside(x: Tensor) -> Tensor:
    """``Theta(x)``: 1 where ``x >= 0``, else 0, in the dtype of ``x``. Not differentiable."""
    return (x >= 0).to(x)


class _Fire(torch.autograd.Function):
    """Forward: the step. Backward: the derivative of the surrogate's primitive."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, surrogate: "SurrogateFunctionBase") -> Tensor:
        ctx.save_for_backward(x)
        ctx.surrogate = surrogate  # type: ignore[attr-defined]
        return heaviside(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        surrogate = ctx.surrogate
        return grad * surrogate.derivative(x, *surrogate.parameters_of_shape()), None


class SurrogateFunctionBase(nn.Module):
    """Base of all surrogate functions, and all that a new one has to know.

    A subclass names its shape parameters as the arguments of ``__init__`` (with defaults, and
    without ``spiking``), and writes `primitive` and `derivative` as static functions of ``x`` and
    those parameters::

        class Triangle(SurrogateFunctionBase):
            def __init__(self, width: float = 1.0, spiking: bool = True) -> None:
                super().__init__(spiking, width=width)

            @staticmethod
            def primitive(x, width): ...

            @staticmethod
            def derivative(x, width): ...

    Args:
        spiking: True: forward is ``Theta(x)``, backward the derivative of the primitive.
            False: the primitive itself, an ordinary differentiable function.
        **shape: the values of the shape parameters.

    Raises:
        ValueError: if a shape parameter is not a positive finite number.
    """

    names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        arguments = inspect.signature(cls).parameters.values()
        cls.names = tuple(
            a.name for a in arguments if a.name != "spiking" and a.kind != a.VAR_KEYWORD
        )
        registry[cls.__name__] = cls

    def __init__(self, spiking: bool = True, **shape: float) -> None:
        super().__init__()
        self.spiking = spiking
        for name in self.names:
            value = float(shape[name])
            if not (math.isfinite(value) and value > 0):
                raise ValueError(
                    f"surrogate.{type(self).__name__}: {name} must be a positive finite number, "
                    f"but got {shape[name]!r}"
                )
            setattr(self, name, value)

    @staticmethod
    @abstractmethod
    def primitive(x: Any, *shape: Any) -> Any:
        """The smooth function that stands for the step."""

    @staticmethod
    @abstractmethod
    def derivative(x: Any, *shape: Any) -> Any:
        """The primitive's derivative with respect to ``x``."""

    def parameters_of_shape(self) -> tuple[float, ...]:
        """The shape parameters in the order in which `primitive` and `derivative` take them."""
        return tuple(getattr(self, name) for name in self.names)

    def set_spiking_mode(self, spiking: bool) -> None:
        """Chooses between the step (True) and its primitive (False)."""
        self.spiking = spiking

    def forward(self, x: Tensor) -> Tensor:
        """Spikes (or the primitive's values) for ``x = h - v_threshold``, of the same shape."""
        if self.spiking:
            spikes: Tensor = _Fire.apply(x, self)  # type: ignore[no-untyped-call]
            return spikes
        smooth: Tensor = self.primitive(x, *self.parameters_of_shape())
        return smooth

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        shape = [f"{name}={getattr(self, name)}" for name in self.names]
        return ", ".join([*shape, f"spiking={self.spiking}"])
