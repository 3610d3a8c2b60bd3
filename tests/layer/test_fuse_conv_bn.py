"""Batch normalisation that becomes part of the layer before it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional, layer, neuron


def trained(net: nn.Module) -> nn.Module:
    """``net`` in evaluation mode, with statistics and weights that are not the initial ones."""
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor in (module.running_mean, module.weight, module.bias):
                if tensor is not None:
                    nn.init.normal_(tensor)
            if module.running_var is not None:
                nn.init.uniform_(module.running_var, 0.5, 2.0)
    return net.double().eval()


def norms(net: nn.Module) -> int:
    return sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in net.modules())


class Block(nn.Module):
    """Layers that are attributes, as in a ResNet."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = layer.Conv2d(3, 3, 3, padding=1, step_mode="m")
        self.bn = layer.BatchNorm2d(3, step_mode="m")
        self.sn = neuron.IFNode(step_mode="m")

    def forward(self, x: Tensor) -> Any:
        return self.sn(self.bn(self.conv(x))) + x


CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv1d": (lambda: nn.Sequential(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6)), (2, 4, 9)),
    "conv2d": (
        lambda: nn.Sequential(nn.Conv2d(4, 6, 3, groups=2, bias=False), nn.BatchNorm2d(6)),
        (2, 4, 5, 5),
    ),
    "conv3d": (lambda: nn.Sequential(nn.Conv3d(2, 6, 2), nn.BatchNorm3d(6)), (2, 2, 3, 3, 3)),
    "transposed": (
        lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 3, groups=2), nn.BatchNorm2d(6)),
        (2, 4, 5, 5),
    ),
    "linear": (lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6)), (3, 4)),
    "not affine": (
        lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6, affine=False)),
        (3, 4),
    ),
    "multi-step": (
        lambda: nn.Sequential(
            layer.Conv2d(3, 4, 3, step_mode="m"),
            layer.BatchNorm2d(4, step_mode="m"),
            neuron.LIFNode(step_mode="m"),
        ),
        (4, 2, 3, 5, 5),
    ),
    "block": (lambda: nn.Sequential(Block(), Block()), (4, 2, 3, 5, 5)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_output_is_the_same(case: str) -> None:
    make, shape = CASES[case]
    net, x = trained(make()), torch.randn(shape, dtype=torch.float64)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    fused = functional.fuse_conv_bn(net)
    assert norms(net) > 0
    assert norms(fused) == 0
    assert type(fused) is type(net)
    expected = net(x)
    assert expected.abs().sum() > 0
    torch.testing.assert_close(fused(x), expected, rtol=1e-9, atol=1e-9)
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key]), "the network itself is not changed"


class Shared(nn.Module):
    """A layer whose output is normalised, and used as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 3, 1)
        self.bn = nn.BatchNorm1d(3)

    def forward(self, x: Tensor) -> Any:
        y = self.conv(x)
        return self.bn(y) + y


class Twice(Shared):
    """A layer that is called twice."""

    def forward(self, x: Tensor) -> Any:
        return self.bn(self.conv(self.conv(x)))


class Scaled(nn.Conv1d):
    """A convolution that is none."""

    def _conv_forward(self, *args: Any) -> Any:
        return 3 * super()._conv_forward(*args)


class Noisy:
    """A mixin that is no module."""

    def forward(self, x: Tensor) -> Any:
        return super().forward(x) + 1  # type: ignore[misc]


class NoisyConv(Noisy, nn.Conv1d):
    """A convolution whose forward pass is a mixin's."""


class Extended(layer.Conv1d):
    """A convolution with more to it, that computes the same."""

    kind = "extended"

    def describe(self) -> str:
        return f"{self.kind} convolution"


class Undecided(nn.Module):
    """A forward pass that torch.fx cannot follow, around one that is plain."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(3, 3, 1), nn.BatchNorm1d(3))

    def forward(self, x: Tensor) -> Any:
        return self.body(x) if x.sum() > 0 else x


class Keeping(Shared):
    """Holds what it saw, and normalises it."""

    seen: Any = None

    def forward(self, x: Tensor) -> Any:
        self.seen = x if self.seen is None else self.seen + x
        return self.bn(self.conv(self.seen))


def test_looking_at_the_forward_pass_leaves_nothing_behind() -> None:
    net, x = trained(Keeping()), torch.rand(2, 3, 4, dtype=torch.float64)
    fused = functional.fuse_conv_bn(net)
    assert norms(fused) == 0
    torch.testing.assert_close(fused(x), net(x))


def mixed_modes() -> nn.Module:
    return nn.Sequential(layer.Conv1d(3, 3, 1), layer.BatchNorm1d(3, step_mode="m"))


def one_norm_for_two() -> nn.Module:
    bn = nn.BatchNorm1d(3)
    return nn.Sequential(nn.Conv1d(3, 3, 1), bn, nn.Conv1d(3, 3, 1), bn)


@pytest.mark.parametrize(
    "make",
    [
        Shared,
        Twice,
        lambda: nn.Sequential(Scaled(3, 3, 1), nn.BatchNorm1d(3)),
        lambda: nn.Sequential(NoisyConv(3, 3, 1), nn.BatchNorm1d(3)),
        lambda: nn.Sequential(
            nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 3, 1)), nn.BatchNorm1d(3)
        ),
        lambda: nn.Sequential(layer.WSConv2d(3, 3, 1), nn.BatchNorm2d(3)),
        one_norm_for_two,
        lambda: nn.BatchNorm1d(3),
    ],
)
def test_what_would_come_out_differently_stays(make: Callable[[], nn.Module]) -> None:
    net, x = trained(make()), torch.randn(2, 3, 4, dtype=torch.float64)
    if any(isinstance(module, nn.BatchNorm2d) for module in net.modules()):
        x = x.unsqueeze(3)
    fused = functional.fuse_conv_bn(net)
    assert norms(fused) == norms(net)
    assert torch.equal(fused(x), net(x))


def test_a_subclass_that_only_adds_is_fused() -> None:
    net = trained(nn.Sequential(Extended(3, 3, 1), layer.BatchNorm1d(3)))
    x = torch.randn(2, 3, 4, dtype=torch.float64)
    fused = functional.fuse_conv_bn(net)
    assert norms(fused) == 0
    torch.testing.assert_close(fused(x), net(x))


def test_different_step_modes_stay() -> None:
    assert norms(functional.fuse_conv_bn(trained(mixed_modes()))) == 1


def test_sequential_inside_what_fx_cannot_follow() -> None:
    net, x = trained(Undecided()), torch.rand(2, 3, 4, dtype=torch.float64)
    fused = functional.fuse_conv_bn(net)
    assert norms(fused) == 0
    torch.testing.assert_close(fused(x), net(x))


def test_tied_weights_are_not_shared_afterwards() -> None:
    net: Any = trained(
        nn.Sequential(nn.Conv1d(3, 3, 1), nn.BatchNorm1d(3), nn.ReLU(), nn.Conv1d(3, 3, 1))
    )
    net[3].weight = net[0].weight
    x = torch.rand(2, 3, 4, dtype=torch.float64)
    fused = functional.fuse_conv_bn(net)
    assert norms(fused) == 0
    torch.testing.assert_close(fused(x), net(x))


def test_refuses() -> None:
    net = nn.Sequential(nn.Conv1d(3, 3, 1), nn.BatchNorm1d(3, track_running_stats=False))
    with pytest.raises(ValueError, match="training mode"):
        functional.fuse_conv_bn(net)
    with pytest.raises(ValueError, match="'1' has no running statistics"):
        functional.fuse_conv_bn(net.eval())
