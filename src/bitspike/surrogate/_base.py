"""The base of all surrogates, the domains of their shape parameters, and their registry."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from bitspike.spikes import plain

P = ParamSpec("P")
Shape = float | Tensor
"""A shape parameter: a number, or a tensor that is broadcast against ``x`` and may be learned."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A set of finite numbers.

    Attributes:
        words: the set in words, for messages.
        contains: whether a number, or each element of a tensor, belongs to the set.
        integer: whether the set has integers only, and no tensors.
    """

    words: str
    contains: Callable[[Any], Any]
    integer: bool = False

    def check(self, value: Any, name: str) -> Any:
        """Return ``value`` as a float, an int, or the tensor that it is.

        Raises:
            ValueError: if it does not belong to the domain; the message calls it ``name``.
        """
        if isinstance(value, Tensor) and value.is_floating_point() and not self.integer:
            numbers = value.detach()
            if (torch.isfinite(numbers) & self.contains(numbers)).all():
                return value
        elif isinstance(value, Integral if self.integer else Real) and not isinstance(value, bool):
            number = int(value) if isinstance(value, Integral) else float(value)
            if math.isfinite(number) and self.contains(number):
                return number if self.integer else float(number)
        raise ValueError(f"{name} must be {self.words}, but got {value!r}")


POSITIVE = Domain("a positive finite number", lambda x: x > 0)
ABOVE_ONE = Domain("a finite number above 1", lambda x: x > 1)
FINITE = Domain("a finite number", lambda x: x == x)
COUNT = Domain("an integer of at least 1", lambda x: x >= 1, integer=True)

registry: dict[str, type["SurrogateFunctionBase"]] = {}
"""Every surrogate by its class name, in the order of definition; tests and kernels run over it."""


class SurrogateFunctionBase(nn.Module):
    """Base of all surrogate functions.

    A subclass writes `primitive` and `derivative` as static functions of ``x`` and of its shape
    parameters, whose defaults stand in `derivative`::

        class Triangle(SurrogateFunctionBase):
            @staticmethod
            def primitive(x, width=1.0): ...

            @staticmethod
            def derivative(x, width=1.0): ...

    ``Triangle(width=2.0)`` makes a surrogate. An ``__init__`` of its own, for arguments by
    position, hands the shape parameters on by name: ``super().__init__(spiking, width=width)``.

    Args:
        spiking: True: forward is `fire`, backward the derivative of the primitive.
            False: the primitive itself, an ordinary differentiable function.
        **shape: the values of the shape parameters: numbers, or tensors that are broadcast
            against the input. A tensor that requires a gradient is learned (an `nn.Parameter`
            becomes a parameter of this module): its gradient is the primitive's.

    Attributes:
        names: names of the shape parameters, in the order in which `derivative` takes them.
        defaults: their defaults, where `derivative` has some.
        domains: the domain of each shape parameter that is not any positive number.
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
        described = cls.derivative if _replaces(cls, "derivative") else cls.spiking_function
        _, *parameters = inspect.signature(described).parameters.values()
        parameters = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        cls.names = tuple(p.name for p in parameters)
        cls.defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        untraceable = ("forward", "spiking_function", "primitive_function")
        cls.traceable = not any(_replaces(cls, name) for name in untraceable)
        registry[cls.__name__] = cls

    def __init__(self, spiking: bool = True, **shape: Shape) -> None:
        super().__init__()
        kind = f"surrogate.{type(self).__name__}"
        if not isinstance(spiking, bool):
            raise TypeError(
                f"{kind}: spiking must be True or False, but got {spiking!r}; shape parameters are "
                "given by name"
            )
        self.spiking = spiking
        shape = {**self.defaults, **shape}
        described = _replaces(type(self), "derivative")
        if (described or self.names) and set(shape) != set(self.names):
            raise TypeError(
                f"{kind}: its shape parameters are {', '.join(self.names) or 'none'}, but it was "
                f"given {', '.join(shape) or 'none'}"
            )
        for name, value in shape.items():
            if described:
                value = self.domains.get(name, POSITIVE).check(value, f"{kind}: {name}")
            if isinstance(value, Tensor) and not value.requires_grad:
                self.register_buffer(name, value, persistent=False)
            else:
                setattr(self, name, value)

    @staticmethod
    def fire(x: Any, *shape: Any) -> Any:  # noqa: ARG004 -- for those that override it
        """Return the output of the forward pass: ``Theta(x)``, unless a subclass overrides it."""
        return heaviside(x)

    @staticmethod
    def primitive(x: Any, *shape: Any) -> Any:
        """Return the smooth function that stands for the step."""
        raise NotImplementedError("this surrogate function has no primitive: write one")

    @staticmethod
    def derivative(x: Any, *shape: Any) -> Any:
        """Return the primitive's derivative with respect to ``x``."""
        raise NotImplementedError("this surrogate function has no derivative: write one")

    @classmethod
    def spiking_function(cls, x: Tensor, *shape: Shape, **named: Shape) -> Tensor:
        """Return spikes with the surrogate gradient; shape parameters by position or by name."""
        return _spikes(x, cls, *cls._in_order(shape, named))

    @classmethod
    def primitive_function(cls, x: Tensor, *shape: Shape, **named: Shape) -> Tensor:
        """Return the primitive; shape parameters by position or by name."""
        smooth: Tensor = cls.primitive(x, *cls._in_order(shape, named))
        return smooth

    @classmethod
    def backward(cls, grad_output: Tensor, x: Tensor, *shape: Shape, **named: Shape) -> Tensor:
        """Return the gradient with respect to ``x``: ``grad_output * derivative(x)``."""
        grad: Tensor = grad_output * cls.derivative(x, *cls._in_order(shape, named))
        return grad

    @classmethod
    def _in_order(cls, shape: tuple[Shape, ...], named: dict[str, Shape]) -> tuple[Shape, ...]:
        if len(shape) == len(cls.names) and not named:
            return shape
        wanted = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in cls.names]
        return inspect.Signature(wanted).bind(*shape, **named).args

    def parameters_of_shape(self) -> tuple[Any, ...]:
        """Return the shape parameters in the order in which `derivative` takes them."""
        return tuple(getattr(self, name) for name in self.names)

    def set_spiking_mode(self, spiking: bool) -> None:
        """Choose between spikes (True) and the primitive (False)."""
        self.spiking = spiking

    def is_observed(self) -> bool:
        """Return whether a hook of torch's is to see each call."""
        return bool(
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or _has_any_global_hook()  # type: ignore[no-untyped-call]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return spikes, or the primitive's values, for ``x = h - v_threshold``."""
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
        """Return the text for ``repr(net)``."""
        values = [
            f"tensor of shape {list(v.shape)}" if isinstance(v, Tensor) and v.dim() else
            v.item() if isinstance(v, Tensor) else v
            for v in self.parameters_of_shape()
        ]  # fmt: skip
        shape = [f"{name}={value}" for name, value in zip(self.names, values, strict=True)]
        return ", ".join([*shape, f"spiking={self.spiking}"])


def _replaces(cls: type, name: str) -> bool:
    """Return whether a subclass defines ``name`` in place of the base's."""
    base = SurrogateFunctionBase
    return inspect.getattr_static(cls, name) is not inspect.getattr_static(base, name)


def heaviside(x: Tensor) -> Tensor:
    """Return ``Theta(x)``: 1 where ``x >= 0``, else 0, in the dtype of ``x``; without gradient."""
    return (x >= 0).to(x)


class _Fire(torch.autograd.Function):
    """Forward ``fire``, backward ``derivative``, both of a class of surrogates."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, surrogate: Any, *shape: Any) -> Tensor:
        _save(ctx, x, surrogate, shape)
        spikes: Tensor = surrogate.fire(x, *shape)
        return spikes

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, *tensors = ctx.saved_tensors
        shape = [tensors.pop(0) if number is None else number for number in ctx.numbers]
        return grad * ctx.surrogate.derivative(x, *shape), None, *(None for _ in shape)


class _TransformedFire(_Fire):
    """The same in the form that `torch.func` asks for, which takes three times as long."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, surrogate: Any, *shape: Any) -> Tensor:  # type: ignore[override]
        spikes: Tensor = surrogate.fire(x, *shape)
        return spikes

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        x, surrogate, *shape = inputs
        _save(ctx, x, surrogate, tuple(shape))


def _save(ctx: Any, x: Tensor, surrogate: Any, shape: tuple[Any, ...]) -> None:
    ctx.save_for_backward(x, *(p for p in shape if isinstance(p, Tensor)))
    ctx.surrogate = surrogate
    ctx.numbers = [None if isinstance(p, Tensor) else p for p in shape]


def _spikes(x: Tensor, surrogate: Any, *shape: Any) -> Tensor:
    """Return spikes of the class ``surrogate``.

    A learned shape parameter gets the gradient of the primitive: the spikes themselves do not
    depend on it.
    """
    transformed = torch._C._are_functorch_transforms_active()
    function = _TransformedFire if transformed else _Fire
    spikes: Tensor = function.apply(plain(x), surrogate, *shape)  # type: ignore[no-untyped-call]
    learned = any(isinstance(p, Tensor) and p.requires_grad for p in shape)
    if learned and torch.is_grad_enabled():
        smooth = surrogate.primitive(x.detach(), *shape)
        spikes = spikes + (smooth - smooth.detach()).to(spikes.dtype)
    return spikes


class Functional(Generic[P]):
    """A surrogate class as a function of ``x`` and the shape parameters.

    ``atan(x, alpha)`` and ``atan.apply(x, alpha)`` are ``ATan(alpha)(x)``, spikes with the
    surrogate gradient; ``atan.forward(x, alpha)`` gives them without gradient.
    """

    def __init__(self, surrogate: Callable[P, SurrogateFunctionBase]) -> None:
        self.surrogate = surrogate

    def __call__(self, x: Tensor, *shape: P.args, **named: P.kwargs) -> Tensor:
        """Return spikes of the shape of ``x``."""
        spikes: Tensor = self.surrogate(*shape, **named)(x)
        return spikes

    apply = __call__

    def forward(self, x: Tensor, *shape: P.args, **named: P.kwargs) -> Tensor:
        """Return spikes without a gradient."""
        return self(x.detach(), *shape, **named).detach()

    def __repr__(self) -> str:
        return f"<functional form of {self.surrogate!r}>"


def gradient_form(
    derivative: Callable[Concatenate[Any, P], Any],
) -> Callable[Concatenate[Tensor, Tensor, P], tuple[Tensor | None, ...]]:
    """Return the function ``backward(grad_output, x, *shape)`` of a surrogate's ``derivative``.

    It returns the gradient with respect to ``x``, and None for each shape parameter.
    """
    signature = inspect.signature(derivative)

    def backward(
        grad_output: Tensor, x: Tensor, *shape: P.args, **named: P.kwargs
    ) -> tuple[Tensor | None, ...]:
        grad: Tensor = grad_output * derivative(x, *shape, **named)
        return grad, *(None for _ in range(len(signature.parameters) - 1))

    first = inspect.Parameter("grad_output", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [first, *signature.parameters.values()]
    backward.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return backward  # type: ignore[return-value]  # whose first two have names too
