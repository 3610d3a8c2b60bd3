"""A state_dict of SpikingJelly's networks moves over, and gives the same outputs."""

import importlib
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from bitspike import functional, models, neuron

FAMILIES = ("spiking_vgg", "spiking_resnet", "sew_resnet", "parametric_lif_net", "spikformer")


class _Absent(ModuleType):
    """Stands in for a package that SpikingJelly imports and these networks do not use."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


@pytest.fixture(scope="module")
def peer() -> Iterator[SimpleNamespace]:
    """SpikingJelly's model zoo, and its neurons."""
    known = set(sys.modules)
    stand_ins = []
    while True:
        try:
            found = [
                importlib.import_module(f"spikingjelly.activation_based.model.{name}")
                for name in FAMILIES
            ]
            break
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("spikingjelly"):
                raise
            stand_ins.append(error.name)
            sys.modules[error.name] = _Absent(error.name)
    base = importlib.import_module("spikingjelly.activation_based.neuron")
    steps = importlib.import_module("spikingjelly.activation_based.functional")
    everything = {name: value for module in found for name, value in vars(module).items()}
    blocks = {"spiking": vars(found[1]), "sew": vars(found[2])}
    yield SimpleNamespace(
        models=SimpleNamespace(**everything), blocks=blocks, neuron=base, functional=steps
    )
    for name in stand_ins:
        del sys.modules[name]
    for name in set(sys.modules) - known:
        if name.startswith("spikingjelly.activation_based.model"):
            del sys.modules[name]


NAMES = [name for name in models.__all__ if name not in ("BasicBlock", "Bottleneck")]
FACTORIES = [name for name in NAMES if name.startswith(("spiking_", "sew_", "spikformer_"))]
PLIF = [name for name in NAMES if name.endswith("Net") and "Res" not in name]


@pytest.mark.parametrize("name", NAMES)
def test_signature(peer: SimpleNamespace, name: str) -> None:
    ours, theirs = (inspect.signature(getattr(m, name)) for m in (models, peer.models))
    assert list(ours.parameters) == list(theirs.parameters)
    for one, other in zip(ours.parameters.values(), theirs.parameters.values(), strict=True):
        assert (one.kind, one.default) == (other.kind, other.default)


def shapes(net: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in net.state_dict().items()}


@pytest.mark.parametrize("name", [*FACTORIES, *PLIF])
def test_state_dict(peer: SimpleNamespace, name: str) -> None:
    """The same names and shapes; built on no device, so that the large ones cost nothing."""
    theirs = {"spiking_neuron": peer.neuron.LIFNode} | (
        {"cnf": "ADD"} if name.startswith("sew") else {}
    )
    with torch.device("meta"):
        ours = getattr(models, name)(spiking_neuron=neuron.LIFNode)
        assert shapes(ours) == shapes(getattr(peer.models, name)(**theirs))


def compare(peer: SimpleNamespace, theirs: nn.Module, ours: nn.Module, x: torch.Tensor) -> None:
    """Their weights in our network: the same outputs, statistics of the batch included."""
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, 0.0, 1.0)
    ours.load_state_dict(theirs.state_dict())
    for net in (theirs, ours):
        for module in net.modules():
            if type(module).__name__ == "Dropout":
                module.__dict__["p"] = 0.0
    peer.functional.set_step_mode(theirs, "m")
    functional.set_step_mode(ours, "m")
    a, b = theirs(x), ours(x)
    assert float(a.detach().std()) > 1e-3
    torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-5)
    grads = [
        torch.autograd.grad((y * torch.linspace(-1, 1, y.shape[-1])).sum(), list(net.parameters()))
        for y, net in ((a, theirs), (b, ours))
    ]
    names = [name for name, _ in theirs.named_parameters()]
    found = dict(zip((name for name, _ in ours.named_parameters()), grads[1], strict=True))
    for name, grad in zip(names, grads[0], strict=True):
        scale = float(grad.abs().max()) + 1e-6
        torch.testing.assert_close(found[name], grad, rtol=1e-3, atol=1e-3 * scale)


@pytest.mark.parametrize("block", ["BasicBlock", "Bottleneck"])
@pytest.mark.parametrize("cnf", [None, "ADD", "AND", "IAND"])
def test_resnet(peer: SimpleNamespace, block: str, cnf: str | None) -> None:
    family, kind = ("spiking", "SpikingResNet") if cnf is None else ("sew", "SEWResNet")
    more = {"num_classes": 5} | ({} if cnf is None else {"cnf": cnf})
    theirs = getattr(peer.models, kind)(
        peer.blocks[family][block], [2, 1, 1, 1], spiking_neuron=peer.neuron.IFNode, **more
    )
    ours = getattr(models, kind)(getattr(models, block), [2, 1, 1, 1], **more)
    compare(peer, theirs, ours, torch.rand(2, 3, 3, 16, 16))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_vgg(peer: SimpleNamespace, batch_norm: bool) -> None:
    """With another classifier: the real one has a hundred million weights."""
    plan = [4, "M", 8, "M", 512]
    nets: list[Any] = []
    for zoo, nodes in ((peer.models, peer.neuron), (models, neuron)):
        with torch.device("meta"):
            net = zoo.SpikingVGG(plan, batch_norm, spiking_neuron=nodes.LIFNode, tau=1.5)
        net.classifier = type(net.classifier)(net.classifier[-1])
        net.classifier[0].__init__(512 * 49, 5)
        nets.append(net.to_empty(device="cpu"))
    for module in nets[0].modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in")
            nn.init.constant_(cast("torch.Tensor", module.bias), 0.5)
    compare(peer, nets[0], nets[1], 2 * torch.rand(2, 2, 3, 32, 32))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("FashionMNISTNet", (1, 28, 28)),
        ("NMNISTNet", (2, 34, 34)),
        ("CIFAR10Net", (3, 32, 32)),
        ("CIFAR10DVSNet", (2, 128, 128)),
        ("DVSGestureNet", (2, 128, 128)),
    ],
)
def test_plif_net(peer: SimpleNamespace, name: str, shape: tuple[int, ...]) -> None:
    theirs = getattr(peer.models, name)(4, peer.neuron.ParametricLIFNode, v_threshold=0.05)
    ours = getattr(models, name)(4, v_threshold=0.05)
    compare(peer, theirs, ours, torch.rand(2, 2, *shape))


def test_spikformer(peer: SimpleNamespace) -> None:
    size: dict[str, Any] = {
        "T": 2, "img_size_h": 16, "img_size_w": 16, "patch_size": 4, "num_classes": 5,
        "embed_dims": 32, "num_heads": 4, "depths": 2,
    }  # fmt: skip
    theirs, ours = peer.models.Spikformer(**size), models.Spikformer(**size)
    compare(peer, theirs, ours, torch.rand(2, 3, 16, 16))
