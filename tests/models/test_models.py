"""The networks: shapes, both step modes, gradients, and what they refuse."""

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional, layer, models, neuron, surrogate

T, B = 3, 2
EASY: dict[str, Any] = {"v_threshold": 0.05}  # so that random weights make neurons fire
SMALL: dict[str, tuple[Any, tuple[int, ...], int]] = {
    # A small network of each family, one time step of its input, number of outputs.
    "vgg": (lambda: models.SpikingVGG([4, "M", 4], True, num_classes=5, **EASY), (3, 8, 8), 5),
    "resnet": (
        lambda: models.SpikingResNet(models.BasicBlock, [1, 1, 1, 1], num_classes=5),
        (3, 16, 16),
        5,
    ),
    "sew": (
        lambda: models.SEWResNet(models.Bottleneck, [1, 1, 1, 1], num_classes=5),
        (3, 16, 16),
        5,
    ),
    "mnist": (lambda: models.MNISTNet(4, **EASY), (1, 28, 28), 10),
    "nmnist": (lambda: models.NMNISTNet(4, **EASY), (2, 34, 34), 10),
    "cifar10": (lambda: models.CIFAR10Net(4, **EASY), (3, 32, 32), 10),
    "cifar10dvs": (lambda: models.CIFAR10DVSNet(4, **EASY), (2, 128, 128), 10),
    "gesture": (lambda: models.DVSGestureNet(4, **EASY), (2, 128, 128), 11),
}


def lively(net: nn.Module) -> nn.Module:
    """With normalisations that make neurons fire, and without dropout."""
    for module in net.modules():
        if isinstance(module, layer.BatchNorm2d | nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.constant_(module.bias, 0.5)
        if isinstance(module, layer.Dropout):
            module.p = 0.0
    return net


@pytest.mark.parametrize("name", SMALL)
def test_steps_and_sequence(name: str) -> None:
    """A loop of single steps is the multi-step call; gradients arrive at every parameter."""
    make, shape, classes = SMALL[name]
    net = lively(make())
    x = torch.rand(T, B, *shape)
    functional.set_step_mode(net, "m")
    y = net(x)
    assert y.shape == (T, B, classes)
    assert float(y.detach().std()) > 0
    y.sum().backward()
    reached = [name for name, p in net.named_parameters() if p.grad is not None and p.grad.any()]
    assert len(reached) > 0.8 * len(list(net.parameters()))
    net.eval()
    functional.reset_net(net)
    with torch.no_grad():
        y = net(x)
        functional.reset_net(net)
        functional.set_step_mode(net, "s")
        steps = torch.stack([net(step) for step in x])
    torch.testing.assert_close(steps, y, rtol=1e-5, atol=1e-6)


def small_spikformer(**kwargs: Any) -> models.Spikformer:
    return models.Spikformer(
        T=T, img_size_h=16, img_size_w=16, patch_size=4, num_classes=5, embed_dims=32, num_heads=4,
        depths=1, **kwargs,
    )  # fmt: skip


def test_spikformer_shows_an_image_for_t_steps() -> None:
    net = lively(small_spikformer(**EASY)).eval()
    image = torch.rand(B, 3, 16, 16)
    y = net(image)
    functional.reset_net(net)
    assert y.shape == (T, B, 5)
    torch.testing.assert_close(y, net(image.expand(T, *image.shape)))
    assert float(y.detach().std()) > 0


@pytest.mark.parametrize("shape", [(B, 3, 16, 8), (B, 1, 16, 16), (3, 16, 16)], ids=str)
def test_spikformer_refuses_other_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"images \[B, 3, 16, 16\]"):
        small_spikformer()(torch.rand(shape))


def test_spikformer_refuses_other_patches() -> None:
    with pytest.raises(ValueError, match="patch_size must be 4 or 16, but got 8"):
        models.Spikformer(patch_size=8)


FACTORIES = sorted(
    name for name in models.__all__ if name.startswith(("spiking_", "sew_", "spikformer_"))
)


@pytest.mark.parametrize("name", FACTORIES)
def test_factory(name: str) -> None:
    function = getattr(models, name)
    assert function.__name__ == name
    if "pretrained" in inspect.signature(function).parameters:
        assert "Args:" in function.__doc__
        with pytest.raises(ValueError, match=f"{name}: bitspike downloads no weights"):
            function(pretrained=True)


@pytest.mark.parametrize(
    ("name", "neurons"),
    [
        ("spiking_vgg11", 10),
        ("spiking_vgg19_bn", 18),
        ("spiking_resnet34", 33),
        ("sew_resnet18", 20),
        ("sew_wide_resnet50_2", 53),
        ("spikformer_s", 5 + 6 * 5),
    ],
)
def test_arguments_go_where_they_belong(name: str, neurons: int) -> None:
    """Built on no device, so that the large ones cost nothing."""
    with torch.device("meta"):
        net = getattr(models, name)(num_classes=7, spiking_neuron=neuron.LIFNode, tau=3.0)
    assert [m for m in net.modules() if isinstance(m, nn.Linear)][-1].out_features == 7
    taus = [m.tau for m in net.modules() if isinstance(m, neuron.LIFNode)]
    assert taus == [3.0] * neurons


def test_each_neuron_has_arguments_of_its_own() -> None:
    net = models.MNISTNet(2, neuron.LIFNode, surrogate_function=surrogate.ATan(alpha=3.0))
    functions = {id(m.surrogate_function) for m in net.modules() if isinstance(m, neuron.LIFNode)}
    assert len(functions) == 4


def test_default_neurons() -> None:
    kinds = {
        models.MNISTNet(2): neuron.ParametricLIFNode,
        models.SpikingResNet(models.BasicBlock, [1, 1, 1, 1]): neuron.IFNode,
    }
    for net, kind in kinds.items():
        found = {type(m) for m in net.modules() if isinstance(m, neuron.BaseNode)}
        assert found == {kind}


@pytest.mark.parametrize(
    ("cnf", "expected"),
    [("ADD", [2, 1, 1, 0]), ("AND", [1, 0, 0, 0]), ("IAND", [0, 1, 0, 0])],
)
def test_joints(cnf: str, expected: list[float]) -> None:
    """By hand: x = 1 1 0 0 (the shortcut), y = 1 0 1 0."""
    net: Any = models.SEWResNet(models.BasicBlock, [1, 1, 1, 1], cnf=cnf)
    block = net.layer1[0]
    y = torch.tensor([1.0, 0.0, 1.0, 0.0])
    for name in ("conv1", "bn1", "sn1", "conv2", "bn2"):
        setattr(block, name, nn.Identity())
    block.sn2 = _Constant(y)
    assert block(torch.tensor([1.0, 1.0, 0.0, 0.0])).tolist() == expected


class _Constant(nn.Module):
    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, _: Tensor) -> Tensor:
        return self.value


def test_refused() -> None:
    with pytest.raises(ValueError, match="cnf must be one of ADD, AND, IAND, but got 'OR'"):
        models.sew_resnet18(cnf="OR")
    with pytest.raises(ValueError, match="take a network of 50 layers"):
        models.spiking_resnet18(groups=2)
    with pytest.raises(ValueError, match="three booleans"):
        models.spiking_resnet50(replace_stride_with_dilation=[True])


def test_dilation_instead_of_stride() -> None:
    net = models.SpikingResNet(
        models.Bottleneck, [1, 1, 1, 1], replace_stride_with_dilation=[False, True, True]
    )
    convolutions = [m for m in net.modules() if isinstance(m, layer.Conv2d)]
    assert max(m.dilation[0] for m in convolutions) == 2
    assert [m.stride[0] for m in convolutions].count(2) == 3  # stem, and layer2 twice


def test_zero_init_residual() -> None:
    net: Any = models.spiking_resnet18(zero_init_residual=True)
    assert not net.layer1[0].bn2.weight.any()
    assert net.layer1[0].bn1.weight.all()
