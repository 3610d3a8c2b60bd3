"""An image held over time gives what a copy for each step gives, computed once."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
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


# -- what a user does with the output --------------------------------------------------------------


def _write_a_step(y: Tensor) -> Tensor:
    y[0] = 0
    return y


def _write_into_a_view(y: Tensor) -> Tensor:
    first = y[1]
    first += 2
    return y


def _retained(y: Tensor) -> Tensor:
    weight = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view(y.shape)
    y.retain_grad()
    torch.autograd.backward((y * weight).sum(), retain_graph=True)
    assert y.grad is not None
    return y.grad


USES: list[Any] = [
    _write_a_step, _write_into_a_view, F.relu_, lambda y: y.add_(1), lambda y: y.mul_(y),
    lambda y: F.dropout(y, 1.0, inplace=True), lambda y: y.unsqueeze(1)[:, :, 0],
    lambda y: y.transpose(0, 1).contiguous(), lambda y: torch.cat([y, y]), torch.Tensor.numpy,
    copy.deepcopy,
]  # fmt: skip


@pytest.mark.parametrize("case", [0, 1, 2, 9, 10])
@pytest.mark.parametrize("number", range(len(USES)))
@pytest.mark.parametrize("how", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_output_is_a_tensor_like_any_other(case: int, number: int, how: Any) -> None:
    make, shape = LAYERS[case]
    net, image, use = make().double().eval(), torch.randn(shape, dtype=torch.float64), USES[number]
    net.step_mode = "m"
    if (
        how is torch.enable_grad
        and list(net.parameters())
        and use in (torch.Tensor.numpy, copy.deepcopy)
    ):
        use = _retained
    before, results = image.clone(), []
    for held in (True, False):
        x = image.expand(T, *image.shape)
        with how():
            y = net(x if held else x.contiguous())
            results.append([torch.as_tensor(one) for one in (use(y), y)])
    assert torch.equal(image, before)
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)
        assert type(got) is Tensor


def test_gradients_of_what_was_written_into() -> None:
    conv = layer.Conv2d(1, 2, 3, step_mode="m").double()
    image, found = torch.rand(B, 1, 6, 6, dtype=torch.float64), []
    for held in (True, False):
        x = image.expand(T, *image.shape)
        y = conv(x if held else x.contiguous())
        y[0] = 0
        y[1] *= 3
        found.append(torch.autograd.grad((y.square() * y).sum(), conv.weight)[0])
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("backend", ["eager", "numba"])
@pytest.mark.parametrize("leaf", [True, False])
def test_a_held_input_that_wants_a_gradient_has_one_for_each_step(leaf: bool, backend: str) -> None:
    net = nn.Sequential(layer.Linear(5, 4), neuron.LIFNode()).double()
    functional.set_step_mode(net, "m")
    functional.set_backend(net, backend)
    image, found = torch.rand(B, 5, dtype=torch.float64), []
    for held in (True, False):
        x = image.clone().requires_grad_(not leaf).expand(T, B, 5)
        x = x if held else x.clone()
        x = x.detach().requires_grad_() if leaf else x
        functional.reset_net(net)
        weight = torch.linspace(-1, 2, T, dtype=torch.float64).view(T, 1, 1)
        found.append(torch.autograd.grad((net(x) * weight).sum(), x)[0])
    torch.testing.assert_close(*found)
    assert not torch.equal(found[0][0], found[0][-1])


@pytest.mark.backend("auto")
def test_a_gradient_that_neurons_do_not_keep_is_refused() -> None:
    y = layer.Linear(5, 4, step_mode="m")(torch.rand(B, 5).expand(T, B, 5))
    s = neuron.IFNode(step_mode="m")(y)
    with pytest.raises(RuntimeError, match=r"clone\(\) it before"):
        torch.autograd.grad(s.sum(), y)
    copied = layer.Linear(5, 4, step_mode="m")(torch.rand(B, 5).expand(T, B, 5)).clone()
    s = neuron.IFNode(step_mode="m")(copied)
    assert torch.autograd.grad(s.sum(), copied)[0].shape == (T, B, 4)
