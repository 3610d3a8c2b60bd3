"""Batch norm with the batch's statistics against torch's: outputs, statistics, gradients."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import layer
from bitspike.kernels.norm import BatchNormOnKernels
from bitspike.kernels.norm import numba as fast

pytestmark = pytest.mark.backend("numba")


@pytest.fixture(autouse=True)
def _small_ones_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "LARGE", 0)


def last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def run(norm: nn.Module, x: Tensor, g: Tensor) -> list[Tensor]:
    x = x.detach().requires_grad_()
    y = norm(x)
    gradients = torch.autograd.grad(y, [x, *norm.parameters()], g)
    return [y.detach(), *gradients, *norm.buffers()]


def assert_parity(norm: nn.Module, x: Tensor, g: Tensor) -> None:
    reference = copy.deepcopy(norm).double()
    want = run(reference, x.double(), g.double())
    with BatchNormOnKernels():
        got = run(norm, x, g)
    assert got[0].is_contiguous(memory_format=torch.channels_last)
    for one, other in zip(got, want, strict=True):
        scale = 1e-5 * float(other.abs().max())
        torch.testing.assert_close(one.double(), other.double(), rtol=1e-5, atol=scale)


@pytest.mark.parametrize("shape", [(3, 32, 7, 5), (2, 5, 9, 4), (40, 70, 3, 3), (20, 16, 1, 1)])
@pytest.mark.parametrize("arguments", [{}, {"affine": False}, {"track_running_stats": False}])
def test_outputs_statistics_and_gradients(shape: Any, arguments: dict[str, Any]) -> None:
    norm = nn.BatchNorm2d(shape[1], **arguments)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    x, g = last(torch.randn(shape) * 3 + 2), torch.randn(shape)
    assert_parity(norm, x, g)
    assert_parity(norm, x, last(g))


def test_mean_far_from_zero() -> None:
    x = last(torch.randn(20, 17, 8, 8, dtype=torch.float64).float() + 300)
    assert fast.unsupported(x) is None
    norm = nn.BatchNorm2d(17)
    with BatchNormOnKernels():
        y = norm(x)
    wanted = nn.BatchNorm2d(17).double()(x.double())
    torch.testing.assert_close(y.double(), wanted, rtol=1e-3, atol=1e-3)


def test_constant_channel() -> None:
    with BatchNormOnKernels():
        y = nn.BatchNorm2d(4)(last(torch.full((3, 4, 5, 5), 7.0)))
    assert torch.equal(y, torch.zeros(3, 4, 5, 5))


@pytest.mark.parametrize(
    "x",
    [
        torch.randn(3, 4, 5, 5),
        last(torch.randn(3, 4, 5, 5, dtype=torch.float64)),
        torch.randn(3, 1, 5, 5),
        last(torch.randn(1, 4, 1, 1)).expand(3, 4, 5, 5),
    ],
)
def test_others_are_left_to_torch(x: Tensor) -> None:
    assert fast.unsupported(x) is not None
    norm = nn.BatchNorm2d(x.shape[1]).to(x.dtype)
    with BatchNormOnKernels():
        y = norm(x)
    torch.testing.assert_close(y, nn.BatchNorm2d(x.shape[1]).to(x.dtype)(x))


@pytest.mark.parametrize("momentum", [0.3, None])
def test_layer_in_training_and_evaluation(momentum: float | None) -> None:
    norm = layer.BatchNorm2d(6, momentum=momentum, step_mode="m")
    reference = nn.BatchNorm2d(6, momentum=momentum)
    for _ in range(3):
        x = last(torch.randn(8, 6, 5, 5))
        torch.testing.assert_close(norm(x.view(2, 4, 6, 5, 5)).flatten(0, 1), reference(x))
    for got, want in zip(norm.buffers(), reference.buffers(), strict=True):
        torch.testing.assert_close(got, want)
    norm.eval()
    reference.eval()
    torch.testing.assert_close(norm(x.view(2, 4, 6, 5, 5)).flatten(0, 1), reference(x))


def test_small_batches_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    x = last(torch.randn(3, 4, 5, 5))
    assert fast.unsupported(x) is None
    monkeypatch.setattr(fast, "LARGE", x.numel() * 4 + 1)
    assert fast.unsupported(x) is not None


def test_threads_change_no_bit() -> None:
    x, g = last(torch.randn(64, 32, 20, 20)), last(torch.randn(64, 32, 20, 20))
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        with BatchNormOnKernels():
            results.append(run(nn.BatchNorm2d(32), x, g))
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)
