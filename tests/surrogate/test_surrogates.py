"""Laws that hold for every surrogate in the registry, and for one that a user writes."""

import math
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import surrogate
from bitspike.surrogate import SurrogateFunctionBase, heaviside, registry

every_surrogate = pytest.mark.parametrize("name", list(registry))
SHAPES = (0.5, 1.0, 2.0, 5.0)


def variants(name: str, spiking: bool) -> list[SurrogateFunctionBase]:
    """The surrogate with default shape, and with each shape parameter at other values."""
    cls: Callable[..., SurrogateFunctionBase] = registry[name]
    shapes = [{parameter: value} for parameter in registry[name].names for value in SHAPES]
    return [cls(spiking=spiking), *(cls(**shape, spiking=spiking) for shape in shapes)]


def points() -> Tensor:
    """Where the functions are looked at, in float64."""
    x = torch.tensor([-30.0, -3.0, -1.1, -0.4, -0.05, 0.05, 0.3, 1.2, 4.0, 30.0]).double()
    return x.requires_grad_()


def test_registry_has_the_public_surrogates() -> None:
    public = {n for n in surrogate.__all__ if isinstance(getattr(surrogate, n), type)}
    assert set(registry) == public - {"SurrogateFunctionBase"}
    assert {"ATan", "Sigmoid"} <= set(registry)


def test_heaviside_is_one_at_zero() -> None:
    x = torch.tensor([-math.inf, -1e-30, -0.0, 0.0, 1e-30, math.inf])
    assert heaviside(x).tolist() == [0, 0, 1, 1, 1, 1]
    assert heaviside(x.double()).dtype is torch.float64


@every_surrogate
def test_forward_is_the_step_or_the_primitive(name: str) -> None:
    x = points()
    for spiking, smooth in zip(variants(name, True), variants(name, False), strict=True):
        assert torch.equal(spiking(x), heaviside(x))
        assert not torch.equal(smooth(x), heaviside(x))
        spiking.set_spiking_mode(False)
        assert torch.equal(spiking(x), smooth(x))


@every_surrogate
def test_derivative_is_the_primitive_s(name: str) -> None:
    for function in variants(name, False):
        x, shape = points(), function.parameters_of_shape()
        (expected,) = torch.autograd.grad(function(x).sum(), x)
        torch.testing.assert_close(function.derivative(x, *shape), expected, rtol=1e-9, atol=1e-12)
        step = 1e-6
        numerical = (function(x + step) - function(x - step)) / (2 * step)
        torch.testing.assert_close(function.derivative(x, *shape), numerical, rtol=1e-5, atol=1e-8)


@every_surrogate
def test_primitive_passes_gradcheck_twice(name: str) -> None:
    for function in variants(name, False):
        assert torch.autograd.gradcheck(function, points())
        assert torch.autograd.gradgradcheck(function, points(), atol=1e-4)


@every_surrogate
def test_spiking_backward_is_the_derivative(name: str) -> None:
    for function in variants(name, True):
        x = points()
        weight = torch.linspace(-1, 2, x.numel(), dtype=torch.float64)
        (grad,) = torch.autograd.grad((function(x) * weight).sum(), x)
        expected = function.derivative(x.detach(), *function.parameters_of_shape())
        assert torch.equal(grad, weight * expected)
        assert grad.abs().max() > 0


@every_surrogate
def test_spiking_backward_can_be_differentiated(name: str) -> None:
    for function, smooth in zip(variants(name, True), variants(name, False), strict=True):
        x = points()
        second = []
        for f in (function, smooth):
            (first,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
            second.append(torch.autograd.grad(first.sum(), x)[0])
        torch.testing.assert_close(second[0], second[1], rtol=1e-9, atol=1e-12)


@every_surrogate
@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str
)
def test_finite_far_from_the_threshold(name: str, dtype: torch.dtype) -> None:
    far = [0.0, 1e-3, 1.0, 10.0, 1e3, 1e4]
    for function in (*variants(name, True), *variants(name, False)):
        x = torch.tensor([*far, *(-value for value in far)], dtype=dtype, requires_grad=True)
        y = function(x)
        y.sum().backward()
        assert x.grad is not None
        assert y.dtype is dtype
        assert x.grad.dtype is dtype
        assert y.isfinite().all()
        assert x.grad.isfinite().all()


@every_surrogate
@pytest.mark.parametrize("bad", [0, -1.0, math.nan, math.inf])
def test_shape_must_be_positive_and_finite(name: str, bad: float) -> None:
    for parameter in registry[name].names:
        cls: Callable[..., SurrogateFunctionBase] = registry[name]
        with pytest.raises(ValueError, match=f"surrogate.{name}: {parameter} must be a positive"):
            cls(**{parameter: bad})


@every_surrogate
def test_repr_and_pickle_keep_the_shape(name: str) -> None:
    for function in variants(name, False):
        for parameter in function.names:
            assert f"{parameter}={getattr(function, parameter)}" in repr(function)
        again = pickle.loads(pickle.dumps(function))  # noqa: S301
        assert torch.equal(again(points()), function(points()))


@pytest.fixture
def clean_registry() -> Iterator[None]:
    before = dict(registry)
    yield
    registry.clear()
    registry.update(before)


@pytest.mark.usefixtures("clean_registry")
def test_a_user_defines_a_surrogate() -> None:
    class Fast(SurrogateFunctionBase):
        """Zenke and Ganguli's fast sigmoid."""

        def __init__(self, beta: float = 10.0, spiking: bool = True) -> None:
            super().__init__(spiking, beta=beta)

        @staticmethod
        def primitive(x: Any, beta: Any) -> Any:
            return 0.5 + beta * x / (1 + beta * x.abs()) / 2

        @staticmethod
        def derivative(x: Any, beta: Any) -> Any:
            return beta / 2 / (1 + beta * x.abs()) ** 2

    assert registry["Fast"] is Fast
    assert Fast.names == ("beta",)
    test_derivative_is_the_primitive_s("Fast")
    test_spiking_backward_is_the_derivative("Fast")
    x = torch.tensor([0.5], requires_grad=True)
    Fast(beta=2.0)(x).backward()
    assert x.grad is not None
    assert x.grad.item() == 0.25  # 2 / 2 / (1 + 2 * 0.5)^2


@pytest.mark.usefixtures("clean_registry")
def test_a_surrogate_without_shape_needs_no_init() -> None:
    class Straight(SurrogateFunctionBase):
        @staticmethod
        def primitive(x: Any) -> Any:
            return x

        @staticmethod
        def derivative(x: Any) -> Any:
            return torch.ones_like(x)

    x = torch.tensor([-3.0, 3.0], requires_grad=True)
    Straight()(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0]
    assert Straight(spiking=False)(x).tolist() == [-3.0, 3.0]
