"""The mechanism that all surrogate functions share."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from bitspike.surrogate._domain import POSITIVE, Domain, Shape
from bitspike.surrogate._fire import fire, heaviside

registry: dict[str, type["SurrogateFunctionBase"]] = {}
"""Every surrogate by its class name, in the order of definition; tests and kernels run over it."""


class SurrogateFunctionBase(nn.Module):
    """Base of all surrogate functions, and all that a new one has to know.

    A subclass writes `primitive` and `derivative` as static functions of ``x`` and of its shape
    parameters, whose defaults stand in `derivative`::

        class Triangle(SurrogateFunctionBase):
            @staticmethod
            def primitive(x, width=1.0): ...

            @staticmethod
            def derivative(x, width=1.0): ...

    ``Triangle(width=2.0)`` makes one. An ``__init__`` of its own, for arguments by position, hands
    the shape parameters on by name: ``super().__init__(spiking, width=width)``.

    Args:
        spiking: True: forward is `fire`, backward the derivative of the primitive.
            False: the primitive itself, an ordinary differentiable function.
        **shape: the values of the shape parameters: numbers, or tensors that are broadcast
            against the input. A tensor that requires a gradient is learned (an `nn.Parameter`
            becomes one of this module): its gradient is the primitive's.

    Attributes:
        names: names of the shape parameters, in the order in which `derivative` takes them.
        defaults: their defaults, where `derivative` has some.
        domains: what a shape parameter may be, where it is not any positive number.
        binary: whether all spikes are 0 or 1.
        deterministic: whether the same input always gives the same spikes.
        traceable: whether forward is `fire` or `primitive` and backward `derivative`, so that
            kernels can be made of them; False for a class that replaces `forward`,
            `spiking_function` or `primitive_function`.

    Raises:
        ValueError: if a shape parameter is not in its domain.
        TypeError: if ``**shape`` does not have the names that `derivative` has, or ``spiking`` is
            not a bool.
    """

    names: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[Mapping[str, Shape]] = {}
    domains: ClassVar[Mapping[str, Domain]] = {}
    binary: ClassVar[bool] = True
    deterministic: ClassVar[bool] = True
    traceable: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        described = cls.derivative if _own(cls, "derivative") else cls.spiking_function
        parameters = _parameters(described)
        cls.names = tuple(p.name for p in parameters)
        cls.defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        replaced = ("forward", "spiking_function", "primitive_function")
        cls.traceable = not any(_own(cls, name) for name in replaced)
        registry[cls.__name__] = cls

    def __init__(self, spiking: bool = True, **shape: Shape) -> None:
        super().__init__()
        if not isinstance(spiking, bool):
            raise TypeError(
                f"surrogate.{type(self).__name__}: spiking must be True or False, but got "
                f"{spiking!r}; shape parameters are given by name"
            )
        self.spiking = spiking
        shape = {**self.defaults, **shape}
        described = _own(type(self), "derivative")
        if (described or self.names) and set(shape) != set(self.names):
            raise TypeError(
                f"surrogate.{type(self).__name__}: its shape parameters are "
                f"{', '.join(self.names) or 'none'}, but it was given "
                f"{', '.join(shape) or 'none'}"
            )
        for name, value in shape.items():
            if described:
                domain = self.domains.get(name, POSITIVE)
                value = domain.check(value, f"surrogate.{type(self).__name__}: {name}")
            if isinstance(value, Tensor) and not value.requires_grad:
                self.register_buffer(name, value, persistent=False)
            else:
                setattr(self, name, value)

    @staticmethod
    def fire(x: Any, *shape: Any) -> Any:  # noqa: ARG004 -- for those that override it
        """What the forward pass gives: the step, ``Theta(x)``, unless a subclass overrides it."""
        return heaviside(x)

    @staticmethod
    def primitive(x: Any, *shape: Any) -> Any:
        """The smooth function that stands for the step."""
        raise NotImplementedError("this surrogate function has no primitive: write one")

    @staticmethod
    def derivative(x: Any, *shape: Any) -> Any:
        """The primitive's derivative with respect to ``x``."""
        raise NotImplementedError("this surrogate function has no derivative: write one")

    @classmethod
    def spiking_function(cls, x: Tensor, *shape: Shape, **named: Shape) -> Tensor:
        """Spikes with the surrogate gradient; shape parameters by position or by name."""
        return fire(x, cls, *cls._in_order(shape, named))

    @classmethod
    def primitive_function(cls, x: Tensor, *shape: Shape, **named: Shape) -> Tensor:
        """The primitive; shape parameters by position or by name."""
        smooth: Tensor = cls.primitive(x, *cls._in_order(shape, named))
        return smooth

    @classmethod
    def backward(cls, grad_output: Tensor, x: Tensor, *shape: Shape, **named: Shape) -> Tensor:
        """The gradient with respect to ``x``: ``grad_output * derivative(x)``."""
        grad: Tensor = grad_output * cls.derivative(x, *cls._in_order(shape, named))
        return grad

    @classmethod
    def _in_order(cls, shape: tuple[Shape, ...], named: dict[str, Shape]) -> tuple[Shape, ...]:
        if len(shape) == len(cls.names) and not named:
            return shape
        wanted = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in cls.names]
        return inspect.Signature(wanted).bind(*shape, **named).args

    def parameters_of_shape(self) -> tuple[Any, ...]:
        """The shape parameters in the order in which `primitive` and `derivative` take them."""
        return tuple(getattr(self, name) for name in self.names)

    def set_spiking_mode(self, spiking: bool) -> None:
        """Chooses between spikes (True) and the primitive (False)."""
        self.spiking = spiking

    def is_observed(self) -> bool:
        """Whether a hook of torch's is to see each call."""
        return bool(
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or _has_any_global_hook()  # type: ignore[no-untyped-call]
        )

    def is_plain(self) -> bool:
        """Whether it is one of the library's that nobody has changed.

        What it computes then depends on its class and its shape parameters alone.
        """
        known = type(self).__module__.startswith("bitspike.surrogate.")
        return known and "forward" not in self.__dict__ and not self.is_observed()

    def forward(self, x: Tensor) -> Tensor:
        """Spikes (or the primitive's values) for ``x = h - v_threshold``, of the same shape."""
        if not isinstance(x, Tensor) and hasattr(type(x), "__torch_function__"):
            if not self.traceable:
                raise TypeError(f"{type(self).__name__} replaces functions of its base")
            traced: Tensor = torch.overrides.handle_torch_function(
                SurrogateFunctionBase.forward, (x,), self, x
            )
            return traced
        function = self.spiking_function if self.spiking else self.primitive_function
        return function(x, *self.parameters_of_shape())

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        values = [
            f"tensor of shape {list(v.shape)}" if isinstance(v, Tensor) and v.dim() else
            v.item() if isinstance(v, Tensor) else v
            for v in self.parameters_of_shape()
        ]  # fmt: skip
        shape = [f"{name}={value}" for name, value in zip(self.names, values, strict=True)]
        return ", ".join([*shape, f"spiking={self.spiking}"])


def _own(cls: type, name: str) -> bool:
    """Whether a subclass defines ``name`` in place of the base's."""
    base = SurrogateFunctionBase
    return inspect.getattr_static(cls, name) is not inspect.getattr_static(base, name)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The shape parameters that a function of ``x`` and shape parameters names."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
