"""Deterministic convolutions: torch's results, and the same bits for any number of threads."""

import multiprocessing
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional, layer, neuron, surrogate
from bitspike.kernels.runtime import deterministic

pytestmark = [pytest.mark.backend("numba"), pytest.mark.usefixtures("strict")]

LAYERS: list[tuple[Any, dict[str, Any], tuple[int, ...]]] = [
    (layer.Conv1d, {"kernel_size": 3, "padding": 1}, (5, 4, 9)),
    (layer.Conv2d, {"kernel_size": 3, "stride": 2, "bias": False}, (5, 4, 9, 8)),
    (layer.Conv2d, {"kernel_size": (3, 2), "dilation": 2, "groups": 2}, (3, 4, 9, 8)),
    (layer.Conv2d, {"kernel_size": 3, "padding": "same"}, (3, 4, 6, 6)),
    (layer.Conv2d, {"kernel_size": 3, "padding": 1, "padding_mode": "circular"}, (3, 4, 6, 6)),
    (layer.Conv3d, {"kernel_size": 2}, (3, 4, 4, 5, 4)),
]


def gradients(conv: Callable[[Tensor], Tensor], x: Tensor) -> list[Tensor]:
    y = conv(x)
    leaves = [x, *conv.parameters()]  # type: ignore[attr-defined]
    return [y, *torch.autograd.grad(y.square().sum(), leaves)]


@pytest.mark.parametrize(("kind", "arguments", "shape"), LAYERS)
@pytest.mark.parametrize("part", [1, 1 << 25])
def test_torchs_outputs_and_gradients(
    kind: Any, arguments: Any, shape: Any, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deterministic, "PART", part)
    ours = kind(4, 6, **arguments).double()
    theirs = next(b for b in kind.__mro__ if b.__module__.startswith("torch.nn"))(4, 6, **arguments)
    theirs = theirs.double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    for got, want in zip(gradients(ours, x), gradients(theirs, x), strict=True):
        torch.testing.assert_close(got, want)


def test_only_what_is_wanted_is_computed() -> None:
    conv, x = layer.Conv2d(3, 4, 3), torch.randn(2, 3, 6, 6)
    conv(x).sum().backward()
    assert conv.weight.grad is not None
    conv.weight.requires_grad_(False)
    conv(x.requires_grad_()).sum().backward()
    assert x.grad is not None


def test_gradients_can_be_differentiated_again() -> None:
    conv = layer.Conv2d(2, 3, 3, padding=1).double()
    x = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(conv, x)


@pytest.mark.parametrize("shape", [(64, 1, 28, 28), (128, 32, 14, 14)])
def test_threads_change_no_bit(shape: tuple[int, ...]) -> None:
    conv, x = layer.Conv2d(shape[1], 32, 3, padding=1), torch.randn(shape, requires_grad=True)
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append(gradients(conv, x))
        assert torch.get_num_threads() == threads
    for got, want in zip(results[1] + results[2], results[0] * 2, strict=True):
        assert torch.equal(got, want)


def test_a_whole_network_learns_the_same_with_any_number_of_threads() -> None:
    trained = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        net = nn.Sequential(
            layer.Conv2d(1, 32, 3, padding=1, bias=False), layer.BatchNorm2d(32),
            neuron.IFNode(surrogate_function=surrogate.ATan()), layer.MaxPool2d(2),
            layer.Conv2d(32, 32, 3, padding=1), layer.BatchNorm2d(32),
            neuron.LIFNode(surrogate_function=surrogate.ATan()), layer.MaxPool2d(2),
            layer.Flatten(), layer.Linear(32 * 49, 40), neuron.ParametricLIFNode(),
            layer.Linear(40, 10), neuron.LIFNode(),
        )  # fmt: skip
        functional.set_step_mode(net, "m")
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
        for _ in range(3):
            image, label = torch.rand(64, 1, 28, 28), torch.rand(64, 10)
            optimizer.zero_grad()
            (net(image.expand(4, *image.shape)).mean(0) - label).square().sum().backward()
            optimizer.step()
            functional.reset_net(net)
        trained.append(net.state_dict())
    for name, value in trained[0].items():
        for other in trained[1:]:
            assert torch.equal(other[name], value), name


def test_torchs_own_transforms_see_an_ordinary_convolution() -> None:
    conv, x = layer.Conv2d(2, 3, 3), torch.randn(4, 2, 6, 6)
    parameters = dict(conv.named_parameters())

    def loss(parameters: Any, one: Tensor) -> Tensor:
        y: Tensor = torch.func.functional_call(conv, parameters, one.unsqueeze(0))
        return y.square().sum()

    each = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, x)
    torch.testing.assert_close(each["weight"].sum(0), gradients(conv, x.requires_grad_())[2])


def _train(conv: nn.Module, x: Tensor, queue: Any) -> None:
    conv(x).sum().backward()
    queue.put(float(next(conv.parameters()).grad.sum()))  # type: ignore[union-attr]


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork"
)
def test_a_forked_process_has_threads_of_its_own() -> None:
    torch.set_num_threads(2)
    conv, x = layer.Conv2d(8, 8, 3), torch.randn(64, 8, 16, 16)
    conv(x).sum().backward()  # starts the threads of this process
    torch.set_num_threads(1)  # a forked OpenMP would be killed by its next parallel region
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_train, args=(conv, x, queue))
    child.start()
    assert queue.get(timeout=60) == pytest.approx(2 * float(conv.weight.grad.sum()), rel=1e-3)  # type: ignore[union-attr]
    child.join(60)
