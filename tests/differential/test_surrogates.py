"""The surrogates against SpikingJelly's: values and gradients, spiking and smooth."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import surrogate
from bitspike.surrogate import Functional, registry

ALPHAS: list[dict[str, Any]] = [{}, *({"alpha": value} for value in (0.7, 1.5, 3.0))]
SHAPES: dict[str, list[dict[str, Any]]] = {
    "DeterministicPass": [{}],
    "LeakyKReLU": [{}, {"leak": 0.2, "k": 3}, {"leak": -0.1, "k": 0}],
    "MultiLevelSpikeCount": [
        {"max_spike_count": 1},
        {"max_spike_count": 2, "grad_window": (-0.5, 1.3)},
    ],
    "PiecewiseLeakyReLU": [{}, {"w": 0.7, "c": 0}, {"w": 1.5, "c": 0.3}],
    "PoissonPass": [{}],
    "QPseudoSpike": [{}, {"alpha": 1.5}, {"alpha": 3}],
    "S2NN": [{}, {"alpha": 0.7, "beta": 1.5}, {"alpha": 3, "beta": 0.7}],
    "SquarewaveFourierSeries": [{}, {"n": 3, "T_period": 1.5}, {"n": 7}],
}
CASES = [(name, shape) for name in registry for shape in SHAPES.get(name, ALPHAS)]
OURS_ONLY = {"SuperSpike", "FakeNumericalGradient"}
"""Their primitives are not written there."""

FORMS = [n for n in surrogate.__all__ if isinstance(getattr(surrogate, n), Functional)]
BACKWARD = [name for name in surrogate.__all__ if name.endswith("_backward")]


def inputs(name: str) -> Tensor:
    if name in ("PoissonPass", "poisson_pass"):  # probabilities; theirs always gives float32
        return torch.linspace(0, 1, 1001, requires_grad=True)
    return torch.linspace(-3.1, 3.1, 1001, dtype=torch.float64, requires_grad=True)


def run(function: Callable[..., Tensor], x: Tensor, *args: Any, **kwargs: Any) -> list[Tensor]:
    """Value and gradient, with the same random numbers for either side."""
    torch.manual_seed(0)
    y = function(x, *args, **kwargs)
    weight = torch.linspace(-1, 2, x.numel(), dtype=x.dtype)
    return [y, torch.autograd.grad((weight * y).sum(), x)[0]]


def assert_same(ours: list[Tensor], theirs: list[Tensor], atol: float = 1e-12) -> None:
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=atol)


def functions(peer: Any, name: str, shape: dict[str, Any], spiking: bool) -> list[Any]:
    made = []
    for cls in (registry[name], getattr(peer.surrogate, name)):
        function = cls(**shape)
        function.set_spiking_mode(spiking)
        made.append(function)
    return made


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_spikes_and_gradient(peer: Any, name: str, shape: dict[str, Any]) -> None:
    ours, theirs = (run(f, inputs(name)) for f in functions(peer, name, shape, True))
    assert torch.equal(ours[0], theirs[0])
    assert_same(ours, theirs)


@pytest.mark.parametrize(("name", "shape"), [case for case in CASES if case[0] not in OURS_ONLY])
def test_primitive_and_its_gradient(peer: Any, name: str, shape: dict[str, Any]) -> None:
    """S2NN's logarithm has an offset of 1e-5 there, which the gradient of its spikes has not."""
    ours, theirs = (run(f, inputs(name)) for f in functions(peer, name, shape, False))
    assert_same(ours, theirs, 4e-5 if name == "S2NN" else 1e-12)


@pytest.mark.parametrize("name", sorted(OURS_ONLY))
def test_primitive_that_only_we_have(peer: Any, name: str) -> None:
    ours, theirs = functions(peer, name, {}, False)
    assert ours(inputs(name)).isfinite().all()
    with pytest.raises((NotImplementedError, TypeError)):
        theirs(inputs(name))


@pytest.mark.parametrize("name", FORMS)
def test_functional_form(peer: Any, name: str) -> None:
    form = getattr(surrogate, name)
    values = form.surrogate().parameters_of_shape()
    ours = run(form.apply, inputs(name), *values)
    theirs = run(getattr(peer.surrogate, name).apply, inputs(name), *values)
    assert_same(ours, theirs)


@pytest.mark.parametrize("name", BACKWARD)
def test_backward_form(peer: Any, name: str) -> None:
    values = getattr(surrogate, name.removesuffix("_backward")).surrogate().parameters_of_shape()
    x = inputs(name).detach()
    grad = torch.linspace(-1, 2, 1001).to(x)
    ours = getattr(surrogate, name)(grad, x, *values)
    theirs = getattr(peer.surrogate, name)(grad, x, *values)
    assert len(ours) == len(theirs)
    assert_same([ours[0]], [theirs[0]])


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_static_functions(peer: Any, name: str, shape: dict[str, Any]) -> None:
    ours, theirs = functions(peer, name, shape, True)
    named = dict(zip(ours.names, ours.parameters_of_shape(), strict=True))
    if "spiking_function" in vars(type(theirs)):
        one, other = (run(f.spiking_function, inputs(name), **named) for f in (ours, theirs))
        assert_same(one, other)
    if "primitive_function" in vars(type(theirs)) and name not in OURS_ONLY:
        one, other = (run(f.primitive_function, inputs(name), **named) for f in (ours, theirs))
        assert_same(one, other, 4e-5 if name == "S2NN" else 1e-12)
    if "backward" in vars(type(theirs)):
        x = inputs(name).detach()
        grad = torch.linspace(-1, 2, 1001).to(x)
        unused = {} if named else {"alpha": None}
        assert_same(
            [ours.backward(grad, x, **named)], [theirs.backward(grad, x, **named, **unused)]
        )


@pytest.mark.parametrize("name", list(registry))
def test_constructor(peer: Any, name: str) -> None:
    ours, theirs = (
        [(p.name, p.default) for p in inspect.signature(cls).parameters.values()]
        for cls in (registry[name], getattr(peer.surrogate, name))
    )
    extra = [("spiking", True)] if name == "FakeNumericalGradient" else []
    assert ours == theirs + extra


def test_every_public_name_is_here(peer: Any) -> None:
    public = {
        name
        for name, value in vars(peer.surrogate).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == peer.surrogate.__name__
    }
    assert len(public) == 54
    assert public <= set(surrogate.__all__)
