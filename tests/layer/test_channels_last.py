"""Convolutions and pooling of every form against torch's in float64: outputs and every gradient."""

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bitspike import layer
from bitspike.spikes import SpikeTensor, pack

pytestmark = [
    pytest.mark.backend("auto"),
    pytest.mark.filterwarnings("ignore:Using padding=.same."),
]

CONVOLUTIONS = ["Conv1d", "Conv2d", "Conv3d", *(f"ConvTranspose{axes}d" for axes in (1, 2, 3))]
POOLINGS = [f"{kind}{axes}d" for kind in ("MaxPool", "AvgPool") for axes in (1, 2, 3)]
ADAPTIVE = [f"AdaptiveAvgPool{axes}d" for axes in (1, 2, 3)]
INPUTS = ["dense", "channels last", "cut", "held", "spikes", "few spikes", "spikes without batch"]

Made = tuple[str, dict[str, Any], int, tuple[int, ...]]

same_everywhere = settings(
    max_examples=60, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def axes_of(name: str) -> int:
    return int(name[-2])


def each(draw: Any, axes: int, least: int, most: int) -> tuple[int, ...]:
    """One number for each axis; often the same one."""
    numbers = st.integers(least, most)
    if draw(st.booleans()):
        return (draw(numbers),) * axes
    return tuple(draw(numbers) for _ in range(axes))


@st.composite
def convolutions(draw: Any) -> Made:
    """Name and arguments of a convolution, its channels, and the size of a plane."""
    name = draw(st.sampled_from([*CONVOLUTIONS, "Conv2d", "Conv2d"]))
    axes, transposed = axes_of(name), "Transpose" in name
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    channels, outputs = (groups * draw(st.integers(1, 33 // groups)) for _ in range(2))
    kernel, stride = each(draw, axes, 1, 5), each(draw, axes, 1, 4)
    if draw(st.booleans()):
        kernel = (1,) * axes
    dilation, padding = each(draw, axes, 1, 2), each(draw, axes, 0, 6)
    mode, around = "zeros", draw(st.sampled_from(["none", "numbers", "same", "valid", "mode"]))
    if around == "same":
        stride = (1,) * axes
    if transposed and around != "numbers":
        around = "none"
    if around == "mode":
        mode = draw(st.sampled_from(["reflect", "replicate", "circular"]))
    if around == "none":
        padding = (0,) * axes
    smallest = [1] * axes
    for axis in range(axes):
        extent = dilation[axis] * (kernel[axis] - 1) + 1
        if transposed:
            smallest[axis] = 1 + -(-max(0, 2 * padding[axis] + 1 - extent) // stride[axis])
        elif around == "mode":
            smallest[axis] = max(extent, padding[axis] + 1)
        elif around != "same":
            smallest[axis] = max(1, extent - (2 * padding[axis] if around == "numbers" else 0))
    size = tuple(least + draw(st.integers(0, 8 if axes < 3 else 2)) for least in smallest)
    arguments = {
        "out_channels": outputs, "kernel_size": kernel, "stride": stride, "dilation": dilation,
        "padding": around if around in ("same", "valid") else padding, "groups": groups,
        "bias": draw(st.booleans()),
    }  # fmt: skip
    if mode != "zeros":
        arguments["padding_mode"] = mode
    return name, arguments, channels, size


@st.composite
def poolings(draw: Any) -> Made:
    """Name and arguments of a pooling layer, channels, and the size of a plane."""
    name = draw(st.sampled_from([*POOLINGS, *ADAPTIVE]))
    axes, channels = axes_of(name), draw(st.integers(1, 70))
    if name in ADAPTIVE:
        size = tuple(draw(st.integers(1, 6)) for _ in range(axes))
        return name, {"output_size": each(draw, axes, 1, 3)}, channels, size
    kernel, stride = each(draw, axes, 1, 4), each(draw, axes, 1, 4)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    arguments: dict[str, Any] = {
        "kernel_size": kernel, "stride": stride, "padding": padding,
        "ceil_mode": draw(st.booleans()),
    }  # fmt: skip
    dilation = (1,) * axes
    if "Max" in name:
        dilation = arguments["dilation"] = each(draw, axes, 1, 2)
    else:
        arguments["count_include_pad"] = draw(st.booleans())
    smallest = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    size = tuple(least + draw(st.integers(0, 6 if axes < 3 else 2)) for least in smallest)
    return name, arguments, channels, size


def make_input(kind: str, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """An input ``[T, B, C, ...]`` of the kind, and the same in float64, dense."""
    if "spikes" in kind:
        dense = (torch.rand(shape) < (0.1 if "few" in kind else 0.5)).float()
        lead = 1 if "without" in kind else 2
        return pack(dense, lead), dense.double()
    x = torch.randn(shape)
    if kind == "held":
        x = x[:1].expand(shape)
    if kind == "cut":
        x = torch.randn(*shape[:-1], shape[-1] + 2)[..., 1:-1]
    if kind == "channels last":
        x = x.movedim(2, -1).contiguous().movedim(-1, 2)
    return x, x.double()


def results(module: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.detach().requires_grad_()
    y = module(x)
    g = torch.sin(torch.arange(float(y.numel()), dtype=y.dtype)).view(y.shape)
    return [y, *torch.autograd.grad(y, [x, *module.parameters()], g)]


def check(made: Made, kind: str, T: int, B: int) -> None:
    name, arguments, channels, size = made
    torch.manual_seed(0)
    given = (channels,) if name in CONVOLUTIONS else ()
    module = getattr(layer, name)(*given, **arguments, step_mode="m")
    exact = getattr(nn, name)(*given, **arguments).double()
    exact.load_state_dict(module.state_dict())
    x, truth = make_input(kind, (T, B, channels, *size))
    want = results(exact, truth.flatten(0, 1))
    want[:2] = [t.unflatten(0, (T, B)) for t in want[:2]]  # type: ignore[no-untyped-call]
    ways = {"multi-step": results(module, x)}
    if T == 1:
        module.step_mode = "s"
        step = x[0]
        if kind == "channels last":
            step = truth[0].float().movedim(1, -1).contiguous().movedim(-1, 1)
        ways["single-step"] = results(module, step)
    for way, got in ways.items():
        for number, (value, right) in enumerate(zip(got, want, strict=True)):
            dense = value.dense() if isinstance(value, SpikeTensor) else value
            if kind == "held" and number == 1 and T > 1:  # of the one image
                dense, right = dense.sum(0), right.sum(0)
            right = right.reshape(dense.shape)
            error = float((dense.detach().double() - right.detach()).abs().max())
            assert error < 1e-4 * float(right.detach().abs().max() + 1), (way, number)


@same_everywhere
@given(convolutions(), st.sampled_from(INPUTS), st.integers(1, 3), st.integers(1, 3))
def test_convolutions(made: Any, kind: str, T: int, B: int) -> None:
    check(made, kind, T, B)


@same_everywhere
@given(poolings(), st.sampled_from(INPUTS), st.integers(1, 3), st.integers(1, 3))
def test_poolings(made: Any, kind: str, T: int, B: int) -> None:
    check(made, kind, T, B)
