"""Laws that hold for every surrogate in the registry, and for those that users write."""

import math
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import surrogate
from bitspike.surrogate import SurrogateFunctionBase, heaviside, registry

Make = Callable[..., SurrogateFunctionBase]
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def points() -> Tensor:
    """Where the functions are looked at, in float64, away from their kinks."""
    x = torch.tensor([-30.0, -3.1, -1.1, -0.4, -0.05, 0.05, 0.3, 1.2, 4.0, 30.0]).double()
    return x.requires_grad_()


def gradient(y: Tensor, x: Tensor) -> Tensor:
    """The gradient of the sum of ``y``, zero where there is none; can be differentiated again."""
    if not y.requires_grad:
        return torch.zeros_like(x)
    (grad,) = torch.autograd.grad(
        y.sum(), x, create_graph=True, allow_unused=True, materialize_grads=True
    )
    return grad


def test_registry_has_the_public_surrogates() -> None:
    public = [getattr(surrogate, name) for name in surrogate.__all__]
    classes = {c for c in public if isinstance(c, type) and issubclass(c, SurrogateFunctionBase)}
    assert set(registry.values()) == classes - {SurrogateFunctionBase}
    assert len(registry) == 19
    assert all(name == cls.__name__ for name, cls in registry.items())


def test_heaviside_is_one_at_zero() -> None:
    x = torch.tensor([-math.inf, -1e-30, -0.0, 0.0, 1e-30, math.inf])
    assert heaviside(x).tolist() == [0, 0, 1, 1, 1, 1]
    assert heaviside(x.double()).dtype is torch.float64


def test_forward_is_what_fires_or_the_primitive(make: Make) -> None:
    x, spiking, smooth = points(), make(), make(spiking=False)
    shape = spiking.parameters_of_shape()
    assert torch.equal(spiking(x), spiking.fire(x, *shape))
    assert torch.equal(spiking(x), heaviside(x)) == spiking.binary
    assert torch.equal(smooth(x), smooth.primitive(x, *shape))
    spiking.set_spiking_mode(False)
    assert torch.equal(spiking(x), smooth(x))


def test_derivative_is_the_primitive_s(make: Make) -> None:
    function, x, step = make(spiking=False), points(), 1e-6
    derivative = function.derivative(x, *function.parameters_of_shape())
    torch.testing.assert_close(derivative, gradient(function(x), x), rtol=1e-9, atol=1e-12)
    numerical = (function(x + step) - function(x - step)) / (2 * step)
    torch.testing.assert_close(derivative, numerical, rtol=1e-5, atol=1e-8)


def test_derivative_at_the_threshold_is_the_primitive_s(make: Make) -> None:
    """The gradient of the primitive at exactly 0 is not that of ``abs``, which would be 0."""
    function, x = make(spiking=False), torch.zeros(1, dtype=torch.float64, requires_grad=True)
    derivative = function.derivative(x, *function.parameters_of_shape())
    torch.testing.assert_close(derivative, gradient(function(x), x))


def test_primitive_passes_gradcheck_twice(make: Make) -> None:
    function = make(spiking=False)
    assert torch.autograd.gradcheck(function, points())
    assert torch.autograd.gradgradcheck(function, points(), atol=1e-4)


def test_spiking_backward_is_the_derivative(make: Make) -> None:
    function, x = make(), points()
    weight = torch.linspace(-1, 2, x.numel(), dtype=torch.float64)
    (grad,) = torch.autograd.grad((function(x) * weight).sum(), x)
    shape = function.parameters_of_shape()
    assert torch.equal(grad, weight * function.derivative(x.detach(), *shape))
    assert torch.equal(grad, function.backward(weight, x.detach(), *shape))


def test_spiking_backward_can_be_differentiated(make: Make) -> None:
    x = points()
    second = [gradient(gradient(f(x), x), x) for f in (make(), make(spiking=False))]
    torch.testing.assert_close(second[0], second[1], rtol=1e-9, atol=1e-12)


def test_finite_far_from_the_threshold(make: Make) -> None:
    far = [0.0, -0.0, 1e-3, 1.0, 10.0, 1e3, 1e4]
    for dtype in DTYPES:
        for function in (make(), make(spiking=False)):
            x = torch.tensor([*far, *(-value for value in far)], dtype=dtype, requires_grad=True)
            y = function(x)
            (grad,) = torch.autograd.grad(y.sum(), x)
            assert y.dtype is dtype
            assert grad.dtype is dtype
            assert y.isfinite().all()
            assert grad.isfinite().all()


def test_vmap_and_functional_gradients(make: Make) -> None:
    function, x = make(), points().detach()
    shape = function.parameters_of_shape()
    each = torch.func.vmap(torch.func.grad(function))(x)
    assert torch.equal(each, function.derivative(x, *shape))


@pytest.mark.parametrize("bad", [0, -1.0, math.nan, math.inf, True, "2", None, -torch.ones(2)])
def test_shape_must_be_positive_and_finite(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"surrogate.ATan: alpha must be a positive finite"):
        surrogate.ATan(alpha=bad)


@pytest.mark.parametrize(
    ("make_it", "words"),
    [
        (lambda: surrogate.QPseudoSpike(1.0), "QPseudoSpike: alpha must be a finite number above"),
        (lambda: surrogate.LeakyKReLU(leak=math.nan), "LeakyKReLU: leak must be a finite number"),
        (lambda: surrogate.LeakyKReLU(k=math.inf), "LeakyKReLU: k must be a finite number"),
        (lambda: surrogate.LogTailedReLU(math.inf), "LogTailedReLU: alpha must be a finite"),
        (lambda: surrogate.PiecewiseLeakyReLU(0), "PiecewiseLeakyReLU: w must be a positive"),
        (lambda: surrogate.PiecewiseLeakyReLU(c=math.nan), "LeakyReLU: c must be a finite number"),
        (lambda: surrogate.SquarewaveFourierSeries(n=0), "n must be an integer of at least 1"),
        (lambda: surrogate.SquarewaveFourierSeries(n=2.0), "n must be an integer"),  # type: ignore[arg-type]
        (lambda: surrogate.SquarewaveFourierSeries(T_period=0), "T_period must be a positive"),
        (lambda: surrogate.MultiLevelSpikeCount(0), "max_spike_count must be an integer of at"),
        (lambda: surrogate.MultiLevelSpikeCount(True), "max_spike_count must be an integer"),
        (lambda: surrogate.MultiLevelSpikeCount(2, grad_window=(2, 1)), "grad_min <= grad_max"),
        (lambda: surrogate.MultiLevelSpikeCount(2, grad_window=(0, math.inf)), "grad_max must be"),
    ],
)
def test_other_domains(make_it: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make_it()


def test_spiking_must_be_a_bool() -> None:
    with pytest.raises(TypeError, match=r"spiking must be True or False, but got 2\.0; shape"):
        surrogate.ATan(2.0, spiking=2.0)  # type: ignore[arg-type]


def test_repr_and_pickle_keep_the_shape(make: Make) -> None:
    function = make(spiking=False)
    for parameter in function.names:
        assert f"{parameter}={getattr(function, parameter)}" in repr(function)
    again = pickle.loads(pickle.dumps(function))  # noqa: S301
    assert torch.equal(again(points()), function(points()))


def test_numbers_are_floats_or_whole_where_they_count() -> None:
    assert repr(surrogate.ATan(3)) == "ATan(alpha=3.0, spiking=True)"
    assert repr(surrogate.SquarewaveFourierSeries()) == (
        "SquarewaveFourierSeries(n=2, T_period=8.0, spiking=True)"
    )


def test_multi_level_counts_spikes() -> None:
    count = surrogate.MultiLevelSpikeCount(2, grad_window=(-1, 1.5))
    x = torch.tensor([-1.1, -1.0, 0.4, 0.5, 1.5, 1.6, 2.5, 9.0], requires_grad=True)
    y = count(x)
    (grad,) = torch.autograd.grad(y.sum(), x)
    assert y.tolist() == [0, 0, 0, 0, 2, 2, 2, 2]
    assert grad.tolist() == [0, 1, 1, 1, 1, 0, 0, 0]
    assert (count.binary, count.deterministic) == (False, True)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_poisson_pass_fires_with_the_probability(dtype: torch.dtype) -> None:
    fire = surrogate.PoissonPass()
    p = torch.tensor([0.0, 0.25, 1.0], dtype=dtype).repeat(4000, 1).requires_grad_()
    spikes = fire(p)
    (grad,) = torch.autograd.grad((3 * spikes).sum(), p)
    assert spikes.dtype is dtype
    rates = spikes.detach().double().mean(0)
    assert rates[0] == 0
    assert abs(rates[1].item() - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 4000)
    assert rates[2] == 1
    assert grad.tolist() == [[3, 3, 3]] * 4000
    assert torch.equal(surrogate.PoissonPass(spiking=False)(p), p)
    assert (fire.binary, fire.deterministic) == (True, False)


@pytest.mark.parametrize("bad", [-0.25, 1.5, math.nan])
def test_poisson_pass_wants_probabilities(bad: float) -> None:
    with pytest.raises(ValueError, match="must lie between 0 and 1, but lies between"):
        surrogate.PoissonPass()(torch.tensor([0.5, bad]))


class Traced:
    """What a symbolic tracer hands through modules: no tensor, but one for torch's functions."""

    calls: list[tuple[Any, Any]]

    def __init__(self) -> None:
        self.calls = []

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        module, x = args
        x.calls.append((func, module.parameters_of_shape()))
        return x


def test_a_tracer_sees_one_call() -> None:
    x: Any = Traced()
    assert surrogate.ATan(3.0)(x) is x
    assert x.calls == [(SurrogateFunctionBase.forward, (3.0,))]


@pytest.fixture
def clean_registry() -> Iterator[None]:
    before = dict(registry)
    yield
    registry.clear()
    registry.update(before)


@pytest.mark.usefixtures("clean_registry")
def test_a_user_defines_a_surrogate() -> None:
    class Fast(SurrogateFunctionBase):
        @staticmethod
        def primitive(x: Any, beta: Any = 10.0) -> Any:
            return 0.5 + beta * x / (1 + beta * torch.abs(x)) / 2

        @staticmethod
        def derivative(x: Any, beta: Any = 10.0) -> Any:
            return beta / 2 / (1 + beta * torch.abs(x)) ** 2

    assert registry["Fast"] is Fast
    assert (Fast.names, Fast.traceable) == (("beta",), True)
    assert repr(Fast()) == "Fast(beta=10.0, spiking=True)"
    test_derivative_is_the_primitive_s(Fast)
    test_spiking_backward_is_the_derivative(Fast)
    x = torch.tensor([0.5], requires_grad=True)
    Fast(beta=2)(x).backward()
    assert x.grad is not None
    assert x.grad.item() == 0.25  # 2 / 2 / (1 + 2 * 0.5)^2
    with pytest.raises(ValueError, match="Fast: beta must be a positive"):
        Fast(beta=0)
    with pytest.raises(TypeError, match="parameters are beta, but it was given beta, gamma"):
        Fast(gamma=1.0)
    with pytest.raises(TypeError, match="shape parameters are given by name"):
        Fast(2.0)  # type: ignore[arg-type]


@pytest.mark.usefixtures("clean_registry")
def test_a_user_s_constructor_must_hand_on_every_parameter() -> None:
    class Hat(SurrogateFunctionBase):
        def __init__(self, width: float = 1.0) -> None:  # noqa: ARG002
            super().__init__()

        @staticmethod
        def derivative(x: Any, width: Any) -> Any:
            return torch.clamp_min(1 - torch.abs(x) / width, 0) / width

    with pytest.raises(TypeError, match=r"parameters are width, but .* given none"):
        Hat()


@pytest.mark.usefixtures("clean_registry")
def test_a_surrogate_without_primitive_spikes() -> None:
    class Straight(SurrogateFunctionBase):
        @staticmethod
        def derivative(x: Any) -> Any:
            return torch.ones_like(x)

    x = torch.tensor([-3.0, 3.0], requires_grad=True)
    Straight()(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0]
    with pytest.raises(NotImplementedError, match="no primitive"):
        Straight(spiking=False)(x)


@pytest.mark.usefixtures("clean_registry")
def test_a_surrogate_written_for_spikingjelly_runs() -> None:
    class Old(SurrogateFunctionBase):
        def __init__(self, alpha: float = -2.0, spiking: bool = True) -> None:
            super().__init__(spiking=spiking, alpha=alpha)

        @staticmethod
        def spiking_function(x: Tensor, alpha: float) -> Tensor:  # type: ignore[override]
            return surrogate.atan.apply(x, -alpha)

        @staticmethod
        def primitive_function(x: Tensor, alpha: float) -> Tensor:  # type: ignore[override]
            return surrogate.ATan.primitive_function(x, alpha=-alpha)

    x, function = points(), Old()
    assert (Old.names, Old.traceable) == (("alpha",), False)
    assert function.alpha == -2.0
    assert torch.equal(gradient(function(x), x), gradient(surrogate.ATan(2.0)(x), x))
    function.set_spiking_mode(False)
    assert torch.equal(function(x), surrogate.ATan(2.0, spiking=False)(x))
    traced: Any = Traced()
    with pytest.raises(TypeError, match="Old replaces functions of its base"):
        function(traced)


@pytest.mark.usefixtures("clean_registry")
def test_a_surrogate_that_overrides_forward_runs() -> None:
    class Own(SurrogateFunctionBase):
        def __init__(self, scale: float) -> None:
            super().__init__(scale=scale)

        def forward(self, x: Tensor) -> Tensor:
            scale: float = self.scale  # type: ignore[assignment]
            return x * scale

    assert Own(3.0)(torch.ones(1)).item() == 3.0
    assert not Own.traceable


def test_parameters_of_a_network_do_not_grow() -> None:
    net = nn.Sequential(*(cls() for name, cls in registry.items() if "MultiLevel" not in name))
    assert list(net.parameters()) == []
    assert net.state_dict() == {}
