"""An image held over time gives what a copy for each step gives, computed once."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional, layer, neuron

T, B, C = 4, 3, 2
LAYERS: list[tuple[Any, tuple[int, ...]]] = [
    (lambda: layer.Linear(5, 4), (B, 5)),
    (lambda: layer.Conv1d(C, 3, 3), (B, C, 8)),
    (lambda: layer.Conv2d(C, 3, 3, padding=1), (B, C, 6, 7)),
    (lambda: layer.ConvTranspose2d(C, 3, 3), (B, C, 4, 4)),
    (lambda: layer.GroupNorm(1, C), (B, C, 4, 4)),
    (lambda: layer.MaxPool2d(2), (B, C, 6, 6)),
    (lambda: layer.AvgPool2d(2), (B, C, 6, 6)),
    (lambda: layer.AdaptiveAvgPool2d(1), (B, C, 6, 6)),
    (lambda: layer.Flatten(), (B, C, 3, 3)),
    (lambda: layer.Upsample(scale_factor=2), (B, C, 3, 3)),
    (lambda: layer.BatchNorm1d(C), (B, C)),
    (lambda: layer.BatchNorm1d(C), (B, C, 5)),
    (lambda: layer.BatchNorm2d(C), (B, C, 4, 5)),
    (lambda: layer.BatchNorm2d(C, momentum=None), (B, C, 4, 5)),
    (lambda: layer.BatchNorm2d(C, track_running_stats=False), (B, C, 4, 5)),
    (lambda: layer.BatchNorm3d(C), (B, C, 2, 3, 2)),
]


def run(net: nn.Module, image: Tensor, held: bool) -> list[Tensor]:
    image = image.clone().requires_grad_()
    x = image.expand(T, *image.shape)
    y = net(x if held else x.contiguous())
    y = net(x if held else x.contiguous())  # twice, for running statistics
    weight = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view(y.shape)
    gradients = torch.autograd.grad((y * weight).sum(), [image, *net.parameters()])
    return [y, *gradients, *net.buffers()]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", range(len(LAYERS)))
def test_the_same_as_with_copies(case: int, training: bool) -> None:
    make, shape = LAYERS[case]
    net = make().double().train(training)
    net.step_mode = "m"
    image = torch.randn(shape, dtype=torch.float64)
    results = [run(copy.deepcopy(net), image, held) for held in (False, True)]
    for got, want in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)


def test_it_is_computed_once() -> None:
    conv = layer.Conv2d(1, 2, 3, step_mode="m")
    image = torch.rand(B, 1, 8, 8)
    y = conv(image.expand(T, *image.shape))
    assert y.stride(0) == 0
    assert conv(image.expand(1, *image.shape)).stride(0) != 0
    assert conv(image.repeat(T, 1, 1, 1, 1)).stride(0) != 0


def test_max_pooling_with_indices() -> None:
    pool = layer.MaxPool2d(2, return_indices=True, step_mode="m")
    image = torch.rand(B, 1, 4, 4)
    held = pool(image.expand(T, *image.shape))
    for got, want in zip(held, pool(image.repeat(T, 1, 1, 1, 1)), strict=True):
        assert torch.equal(got, want)


def test_one_value_a_channel_needs_all_steps() -> None:
    norm = layer.BatchNorm1d(C, step_mode="m").train()
    image = torch.rand(1, C)
    assert norm(image.expand(T, *image.shape)).shape == (T, 1, C)


@pytest.mark.backend("auto")
def test_a_network_on_an_image_that_is_held() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        layer.Conv2d(1, 4, 3, padding=1),
        layer.BatchNorm2d(4),
        neuron.LIFNode(),
        layer.MaxPool2d(2),
        layer.Flatten(),
        layer.Linear(4 * 16, 10),
        neuron.LIFNode(),
    )
    functional.set_step_mode(net, "m")
    image = 2 * torch.rand(B, 1, 8, 8)
    results = []
    for held in (False, True):
        one = copy.deepcopy(net)
        x = image.expand(T, *image.shape)
        rate = one(x if held else x.contiguous()).mean(0)
        gradients = torch.autograd.grad((rate * torch.randn(B, 10)).sum() * 0 + rate.square().sum(),
                                        list(one.parameters()))  # fmt: skip
        results.append([rate, *gradients, *one.buffers()])
    for got, want in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-5)
