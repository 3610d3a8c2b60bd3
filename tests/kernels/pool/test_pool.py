"""Pooling of spikes against torch's of the dense tensor: outputs and every gradient."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bitspike import functional, kernels, layer, neuron, surrogate
from bitspike.spikes import SpikeTensor, as_channels_last, channels_last, pack, trace_unpacking

pytestmark = pytest.mark.backend("numba")


def spikes(*shape: int, density: float = 0.2, dtype: torch.dtype = torch.float32) -> SpikeTensor:
    return pack((torch.rand(shape) < density).to(dtype), 1)


def assert_parity(pool: Callable[[Tensor], Tensor], s: SpikeTensor, bits: bool) -> None:
    """Values and gradients are torch's: for a maximum to the bit, with the same ties."""
    rows = as_channels_last(s.bits, s.ndim - 1)
    assert rows is not None
    dense = s.dense().requires_grad_()
    expected = pool(dense)
    g = torch.randn(expected.shape, dtype=s.dtype)
    (wanted,) = torch.autograd.grad(expected, dense, g)
    for x in (s.detach(), SpikeTensor(channels_last(rows), s.dtype)):
        x.requires_grad_()
        with trace_unpacking() as unpacked:
            y = pool(x)
        assert isinstance(y, SpikeTensor) == bits
        assert not unpacked
        (got,) = torch.autograd.grad(y, x, g)
        assert type(got) is Tensor
        if bits:
            assert torch.equal(y.dense() if isinstance(y, SpikeTensor) else y, expected)
            torch.testing.assert_close(got, wanted)
            assert torch.equal(got != 0, wanted != 0)
        else:
            torch.testing.assert_close(y, expected)
            torch.testing.assert_close(got, wanted)


SIZES: dict[str, dict[str, Any]] = {
    "2": {"kernel_size": 2},
    "3 by 2": {"kernel_size": (3, 2)},
    "overlap": {"kernel_size": 3, "stride": 1},
    "gaps": {"kernel_size": 2, "stride": 3},
    "padding": {"kernel_size": 3, "stride": 2, "padding": 1},
    "paddings": {"kernel_size": (4, 2), "stride": (2, 1), "padding": (2, 0)},
    "ceil": {"kernel_size": 2, "ceil_mode": True},
    "ceil and padding": {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    "ceil and a long step": {"kernel_size": 2, "stride": 5, "padding": 1, "ceil_mode": True},
}


@pytest.mark.parametrize("density", [0.0, 0.2, 0.7, 1.0])
@pytest.mark.parametrize("name", SIZES)
def test_maximum(name: str, density: float) -> None:
    s = spikes(3, 5, 9, 7, density=density)
    assert_parity(lambda x: F.max_pool2d(x, **SIZES[name]), s, bits=True)


@pytest.mark.parametrize("dilation", [2, (1, 3)])
def test_dilated_maximum(dilation: Any) -> None:
    s = spikes(2, 3, 9, 8)
    assert_parity(lambda x: F.max_pool2d(x, 2, 1, 1, dilation), s, bits=True)


@pytest.mark.parametrize("channels", [1, 3, 15, 16, 17, 32, 63, 64, 65, 130])
def test_channels(channels: int) -> None:
    s = spikes(2, channels, 5, 4)
    assert_parity(lambda x: F.max_pool2d(x, 2, ceil_mode=True), s, bits=True)


def test_float64() -> None:
    s = spikes(2, 3, 9, 8, dtype=torch.float64)
    assert_parity(lambda x: F.max_pool2d(x, 3, 2, 1), s, bits=True)
    assert_parity(lambda x: F.avg_pool2d(x, 3, 2, 1), s, bits=False)


@pytest.mark.parametrize("name", ["2", "padding", "ceil"])
def test_maximum_of_one_axis(name: str) -> None:
    assert_parity(lambda x: F.max_pool1d(x, **SIZES[name]), spikes(3, 5, 13), bits=True)


@pytest.mark.parametrize("name", SIZES)
def test_average(name: str) -> None:
    s = spikes(3, 5, 9, 7)
    assert_parity(lambda x: F.avg_pool2d(x, **SIZES[name]), s, bits=False)
    other = {**SIZES[name], "count_include_pad": False, "divisor_override": 3}
    assert_parity(lambda x: F.avg_pool2d(x, **other), s, bits=False)


@pytest.mark.parametrize("channels", [1, 5, 64])
def test_average_of_a_plane(channels: int) -> None:
    assert_parity(lambda x: F.adaptive_avg_pool2d(x, 1), spikes(3, channels, 9, 7), bits=False)
    assert_parity(lambda x: F.adaptive_avg_pool2d(x, (1, 1)), spikes(3, channels, 9, 7), bits=False)
    assert_parity(lambda x: F.adaptive_avg_pool1d(x, 1), spikes(3, channels, 9), bits=False)
    assert_parity(lambda x: F.adaptive_avg_pool3d(x, 1), spikes(3, channels, 3, 4, 2), bits=False)


FALLING_BACK: dict[str, Callable[[Tensor], Any]] = {
    "indices": lambda x: F.max_pool2d(x, 2, return_indices=True)[1],
    "three axes": lambda x: F.max_pool3d(x.unsqueeze(0), 2),
    "no batch": lambda x: F.max_pool2d(x[0], 2),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, (2, 1)),
    "adaptive maximum": lambda x: F.adaptive_max_pool2d(x, 2),
}


@pytest.mark.parametrize("name", FALLING_BACK)
def test_what_has_no_kernel_is_dense_and_right(name: str) -> None:
    s = spikes(2, 4, 6, 5)
    assert torch.equal(FALLING_BACK[name](s), FALLING_BACK[name](s.dense()))


@pytest.mark.parametrize(
    "arguments", [{"kernel_size": 2, "padding": 2}, {"kernel_size": 0}, {"kernel_size": 9}]
)
def test_what_torch_refuses_is_refused_as_torch_does(arguments: dict[str, Any]) -> None:
    s = spikes(2, 4, 6, 5)
    with pytest.raises(RuntimeError) as expected:
        F.max_pool2d(s.dense(), **arguments)
    with pytest.raises(RuntimeError) as got:
        F.max_pool2d(s, **arguments)
    assert str(got.value) == str(expected.value)


@pytest.mark.parametrize("layout", ["channels last", "expanded", "cut"])
def test_gradients_in_any_layout(layout: str) -> None:
    s = spikes(3, 4, 6, 8)
    g = {
        "channels last": torch.randn(3, 4, 3, 4).contiguous(memory_format=torch.channels_last),
        "expanded": torch.randn(3, 4, 1, 1).expand(3, 4, 3, 4),
        "cut": torch.randn(3, 6, 3, 6)[:, 1:5, :, 1:5],
    }[layout]
    results = []
    for x in (s.detach(), s.dense()):
        x.requires_grad_()
        results.append(torch.autograd.grad(F.max_pool2d(x, 2), x, g)[0])
    assert torch.equal(*results)


def chain(dtype: torch.dtype, T: int) -> tuple[torch.nn.Sequential, Tensor]:
    def node() -> neuron.LIFNode:
        return neuron.LIFNode(surrogate_function=surrogate.ATan())

    net = torch.nn.Sequential(
        layer.Conv2d(1, 8, 3, padding=1, bias=False), layer.BatchNorm2d(8), node(),
        layer.MaxPool2d(2),
        layer.Conv2d(8, 20, 3, padding=1, bias=False), layer.BatchNorm2d(20), node(),
        layer.MaxPool2d(3, 2, padding=1), layer.Conv2d(20, 5, 2), node(),
        layer.Flatten(), layer.Linear(20, 3),
    ).to(dtype)  # fmt: skip
    functional.set_step_mode(net, "m")
    return net, 3 * torch.rand(T, 3, 1, 13, 13, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("T", [1, 4])
def test_a_convolutional_net_has_the_gradients_of_the_reference(dtype: torch.dtype, T: int) -> None:
    net, x = chain(dtype, T)
    x.requires_grad_()
    results = []
    for backend, threads in (("eager", 1), ("auto", 1), ("auto", 2)):
        torch.set_num_threads(threads)
        with kernels.use_backend(backend), trace_unpacking() as unpacked:
            y = net(x).mean(0)
        assert not unpacked or dtype == torch.float64  # linear layers have no kernel for that
        functional.reset_net(net)
        results.append([y, *torch.autograd.grad(y.square().sum(), [x, *net.parameters()])])
    results = [[value.detach() for value in result] for result in results]
    scale = 1e-4 if dtype == torch.float32 else 1e-11
    for got, again, want in zip(results[1], results[2], results[0], strict=True):
        torch.testing.assert_close(got, want, rtol=scale, atol=scale * float(want.abs().max()))
        torch.testing.assert_close(again, want, rtol=scale, atol=scale * float(want.abs().max()))
    assert torch.equal(results[1][0], results[2][0])


def test_what_neurons_emit_after_a_convolution_is_channels_last() -> None:
    net, x = chain(torch.float32, 2)
    s = net[:3](x)
    assert isinstance(s, SpikeTensor)
    rows = as_channels_last(s.flatten(0, 1).bits, 3)  # type: ignore[attr-defined]
    assert rows is not None
    assert rows.words.data_ptr() == s.bits.base.words.data_ptr()  # type: ignore[attr-defined]
    assert net[2].v.shape == s.shape[1:]
