"""Convolutions of spikes against torch's of the dense tensor: outputs and every gradient."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bitspike import kernels, layer
from bitspike.kernels.conv import numba as fast
from bitspike.spikes import SpikeTensor, as_channels_last, channels_last, pack, trace_unpacking

pytestmark = pytest.mark.backend("numba")

EVENTS, DENSE = 0.1, 0.6  # densities on both sides of the choice


def spikes(*shape: int, density: float = EVENTS, dtype: torch.dtype = torch.float32) -> SpikeTensor:
    return pack((torch.rand(shape) < density).to(dtype), 1)


def last(s: SpikeTensor) -> SpikeTensor:
    """The same spikes with their bits channels last."""
    rows = as_channels_last(s.bits, s.ndim - 1)
    assert rows is not None
    return SpikeTensor(channels_last(rows), s.dtype)


def assert_parity(
    conv: Callable[..., Tensor], s: SpikeTensor, weight: Tensor, bias: bool, **arguments: Any
) -> None:
    b = torch.randn(weight.shape[0], dtype=weight.dtype, requires_grad=True) if bias else None
    weight.requires_grad_()
    results: list[list[Tensor]] = []
    for x in (s.detach(), s.dense()):
        x.requires_grad_()
        y = conv(x, weight, b, **arguments)
        leaves = [x, weight, *([b] if b is not None else [])]
        g = torch.sin(torch.arange(float(y.numel()), dtype=y.dtype)).view(y.shape)
        results.append([y, *torch.autograd.grad(y, leaves, g)])
    scale = 1e-4 if s.dtype == torch.float32 else 1e-12
    for got, want in zip(*results, strict=True):
        assert type(got) is Tensor
        assert got.shape == want.shape
        torch.testing.assert_close(
            got, want, rtol=scale, atol=scale * float(want.detach().abs().max() + 1)
        )


@pytest.mark.parametrize("density", [0.0, EVENTS, DENSE, 1.0])
@pytest.mark.parametrize("outputs", [1, 16, 20, 32, 70, 112])
def test_outputs_and_densities(density: float, outputs: int) -> None:
    s = spikes(3, 5, 9, 7, density=density)
    assert_parity(F.conv2d, s, torch.randn(outputs, 5, 3, 3), bias=True, padding=1)


ARGUMENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "stride": {"stride": 2},
    "strides": {"stride": (3, 1), "padding": (0, 2)},
    "padding": {"padding": 2},
    "more padding than kernel": {"padding": (4, 3)},
    "same": {"padding": "same"},
    "valid": {"padding": "valid"},
    "dilation": {"dilation": 2, "padding": 1},
    "groups": {"groups": 2},
    "list": {"stride": [2], "padding": [1, 0]},
}


@pytest.mark.parametrize("density", [EVENTS, DENSE])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments(name: str, density: float) -> None:
    groups = ARGUMENTS[name].get("groups", 1)
    weight = torch.randn(6, 4 // groups, 3, 3)
    s = spikes(2, 4, 8, 11, density=density)
    assert_parity(F.conv2d, s, weight, bias=False, **ARGUMENTS[name])


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(
    ("kernel", "padding"), [(1, 3), (1, 9), (2, (6, 0)), (2, (0, 6)), (3, (4, 7))]
)
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_windows_that_lie_wholly_in_the_padding(
    kernel: int, padding: Any, stride: int, channels: int
) -> None:
    s, weight = spikes(3, channels, 5, 4, density=0.2), torch.randn(20, channels, kernel, kernel)
    assert_parity(F.conv2d, s, weight, bias=True, padding=padding, stride=stride)
    assert_parity(F.conv2d, s, weight, bias=False, padding=padding, stride=stride)


@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (4, 2), (8, 11)])
def test_kernels_and_bits_in_either_order(kernel: tuple[int, int]) -> None:
    s = spikes(2, 3, 8, 11)
    assert_parity(F.conv2d, s, torch.randn(16, 3, *kernel), bias=True)
    assert_parity(F.conv2d, last(s), torch.randn(16, 3, *kernel), bias=True)


@pytest.mark.parametrize("density", [EVENTS, DENSE])
def test_a_single_channel_and_image(density: float) -> None:
    s = spikes(1, 1, 1, 1, density=1.0)
    assert_parity(F.conv2d, s, torch.randn(3, 1, 1, 1), bias=True)
    s = spikes(4, 1, 8, 8, density=density)
    assert_parity(F.conv2d, s, torch.randn(3, 1, 3, 3), bias=True)


def test_float64() -> None:
    s = spikes(2, 3, 6, 5, dtype=torch.float64)
    assert_parity(F.conv2d, s, torch.randn(4, 3, 3, 3, dtype=torch.float64), bias=True, padding=1)


@pytest.mark.parametrize("density", [EVENTS, DENSE])
def test_other_numbers_of_axes(density: float) -> None:
    s = spikes(3, 4, 20, density=density)
    assert_parity(F.conv1d, s, torch.randn(5, 4, 3), bias=True, stride=2, padding=1)
    s = spikes(2, 3, 4, 5, 6, density=density)
    assert_parity(F.conv3d, s, torch.randn(5, 3, 2, 3, 2), bias=True, padding=(1, 0, 1))


@pytest.mark.parametrize("lead", [0, 2, 3])
def test_packed_along_other_axes(lead: int) -> None:
    s = pack((torch.rand(2, 3, 6, 5) < EVENTS).float(), lead)
    assert_parity(F.conv2d, s, torch.randn(4, 3, 3, 3), bias=True)


@pytest.mark.parametrize("layout", ["contiguous", "channels last", "expanded", "cut"])
def test_gradients_in_any_layout(layout: str) -> None:
    s, weight = spikes(3, 4, 6, 5), torch.randn(16, 4, 3, 3, requires_grad=True)
    g = {
        "contiguous": torch.randn(3, 16, 6, 5),
        "channels last": torch.randn(3, 16, 6, 5).contiguous(memory_format=torch.channels_last),
        "expanded": torch.randn(3, 16, 1, 1).expand(3, 16, 6, 5),
        "cut": torch.randn(3, 20, 6, 7)[:, 2:18, :, 1:6],
    }[layout]
    got, want = (
        torch.autograd.grad(F.conv2d(x, weight, padding=1), weight, g)[0] for x in (s, s.dense())
    )
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_nothing_is_unpacked_by_way_of_a_fall_back() -> None:
    weight = torch.randn(4, 3, 3, 3, requires_grad=True)
    with trace_unpacking() as unpacked:
        for density in (EVENTS, DENSE):
            x = spikes(2, 3, 6, 5, density=density).requires_grad_()
            torch.autograd.grad(F.conv2d(x, weight).sum(), [x, weight])
    assert not unpacked


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("density", [EVENTS, DENSE])
def test_threads_change_no_bit(density: float) -> None:
    x = spikes(32, 32, 16, 16, density=density)
    weight = torch.randn(32, 32, 3, 3, requires_grad=True)
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        y = F.conv2d(x, weight, padding=1)
        results.append((y, *torch.autograd.grad((y * y).sum(), weight)))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        ((4, 2, 3, 3), {}),
        ((4, 3, 9, 9), {}),
        ((4, 3, 3, 3), {"stride": 0}),
        ((4, 3, 3, 3), {"padding": "same", "stride": 2}),
        ((4, 3, 3, 3), {"padding": -1}),
    ],
)
def test_what_torch_refuses_is_refused_as_torch_does(
    shape: tuple[int, ...], arguments: dict[str, Any]
) -> None:
    s = spikes(2, 3, 6, 5)
    with pytest.raises((RuntimeError, ValueError)) as expected:
        F.conv2d(s.dense(), torch.randn(shape), **arguments)
    with pytest.raises(type(expected.value)) as got:
        F.conv2d(s, torch.randn(shape), **arguments)
    assert str(got.value) == str(expected.value)


def test_one_sample_without_a_batch() -> None:
    s = spikes(3, 6, 5)
    weight = torch.randn(4, 3, 3, 3)
    torch.testing.assert_close(F.conv2d(s, weight), F.conv2d(s.dense(), weight))


def test_autocast_rounds_operands_and_result_to_the_low_precision() -> None:
    s, weight = spikes(2, 3, 6, 5), torch.randn(4, 3, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = F.conv2d(s, weight)
    assert y.dtype == torch.bfloat16
    exact = F.conv2d(s.dense(), weight.bfloat16().float())
    torch.testing.assert_close(y, exact.bfloat16(), rtol=1e-2, atol=1e-3)


def test_events_or_product_is_a_matter_of_density() -> None:
    assert fast.forward_by_events(EVENTS)
    assert fast.weight_by_events(EVENTS)
    assert not fast.forward_by_events(DENSE)
    assert not fast.weight_by_events(DENSE)


@pytest.mark.parametrize("channels", [1, 3])
def test_layer_makes_channels_last_of_dense_input(channels: int) -> None:
    conv = layer.Conv2d(channels, 4, 3, step_mode="m")
    x = torch.randn(2, 5, channels, 8, 9, requires_grad=True)
    results = []
    for backend in ("eager", "numba"):
        with kernels.use_backend(backend):
            y = conv(x)
            results.append((y, *torch.autograd.grad(y.square().sum(), [x, conv.weight])))
    assert results[0][0].stride(2) > 1
    assert results[1][0].stride(2) == 1
    for got, want in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-3)
