"""Empty axes: kernels give what the eager reference gives, and gradients of the right shapes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import encoding, functional, kernels, layer, neuron
from bitspike.spikes import SpikeTensor, pack

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")

SHAPES = [(2, 0), (3, 2, 0), (3, 0, 5), (3, 2, 0, 4, 4), (3, 0, 2, 4, 4), (3, 2, 4, 0, 4)]


def outcome(run: Callable[[Tensor], Any], x: Tensor) -> tuple[Any, ...]:
    """Shape of the output and of all gradients, or what torch says against it."""
    x = x.detach().requires_grad_()
    try:
        y = run(x)
    except (RuntimeError, IndexError) as error:
        return type(error).__name__, str(error)
    assert y.sum() == 0 or y.numel() > 0
    if not y.requires_grad:
        return (y.shape,)
    (gx,) = torch.autograd.grad(y.sum(), x)
    return y.shape, gx.shape


def assert_same(make: Callable[[], nn.Module], x: Tensor) -> tuple[Any, ...]:
    outcomes = []
    for backend in ("eager", "auto"):
        with kernels.use_backend(backend):
            module = make()
            functional.set_step_mode(module, "m")
            outcomes.append(outcome(module, x))
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "make",
    [
        neuron.LIFNode,
        lambda: neuron.LIFNode(store_v_seq=True),
        neuron.ParametricLIFNode,
        encoding.PoissonEncoder,
    ],
    ids=["LIF", "v_seq", "PLIF", "Poisson"],
)
@pytest.mark.parametrize("held", [False, True])
def test_neurons_and_encoders(make: Any, shape: tuple[int, ...], held: bool) -> None:
    x = torch.rand(shape[1:]).expand(shape) if held else torch.rand(shape)
    assert assert_same(make, x)[0] == shape


def test_a_single_step_of_no_samples() -> None:
    for backend in ("eager", "numba"):
        node = neuron.LIFNode()
        node.backend = backend
        assert node(torch.zeros(0, 5)).shape == (0, 5)


@pytest.mark.parametrize("form", ["dense", "spikes", "poisson"])
@pytest.mark.parametrize(
    ("size", "outputs"),
    [((3, 2, 0), 4), ((3, 0, 5), 4), ((3, 2, 5), 0), ((3, 2, 0), 0), ((3, 0, 5), 0)],
)
def test_linear_layers(form: str, size: tuple[int, ...], outputs: int) -> None:
    weights = []
    for backend in ("eager", "auto"):
        with kernels.use_backend(backend):
            linear = layer.Linear(size[-1], outputs, step_mode="m")
            x = torch.rand(size).round()
            if form == "spikes":
                x = pack(x, 2)
            if form == "poisson":
                x = encoding.PoissonEncoder(step_mode="m")(x[0].expand(size))
            y = linear(x)
            y.sum().backward()
        assert y.shape == (*size[:-1], outputs)
        assert linear.weight.grad is not None
        assert linear.weight.grad.shape == linear.weight.shape
        assert not linear.weight.grad.any()
        weights.append(kernels.weight_gradient(x, y.detach(), backend))
    assert weights[0].shape == weights[1].shape == (outputs, size[-1])


@pytest.mark.parametrize("spikes", [False, True])
@pytest.mark.parametrize("plane", [(3, 0, 2, 4, 4), (3, 2, 0, 4, 4), (3, 2, 2, 4, 0)])
@pytest.mark.parametrize(
    "make",
    [
        lambda C: layer.Conv2d(C, 4, 3, padding=1),
        lambda C: layer.Conv2d(C, 4, 1, stride=2),
        lambda _: layer.MaxPool2d(2),
        lambda _: layer.AvgPool2d(2),
        lambda _: layer.AdaptiveAvgPool2d(1),
    ],
    ids=["conv", "strided", "max", "mean", "adaptive"],
)
def test_convolution_and_pooling(make: Any, plane: tuple[int, ...], spikes: bool) -> None:
    x = torch.rand(plane).round()
    torch.manual_seed(0)
    assert_same(lambda: make(plane[2]), pack(x, 2) if spikes else x)


@pytest.mark.parametrize("sizes", [(0, 4, 2), (4, 0, 2), (4, 4, 0)])
def test_layers_with_their_neurons(sizes: tuple[int, int, int]) -> None:
    I, O, B = sizes  # noqa: E741
    net = layer.FusedSequential(encoding.PoissonEncoder(), layer.Linear(I, O), neuron.LIFNode())
    functional.set_step_mode(net, "m")
    with kernels.use_backend("auto"):
        y = net(torch.rand(B, I).expand(3, B, I))
    y.sum().backward()
    assert isinstance(y, SpikeTensor)
    assert y.shape == (3, B, O)
