"""Graphs with fused or packed convolutions against SpikingJelly's."""

import importlib
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional, layer, neuron

T, B = 3, 2


@pytest.fixture
def fusion(peer: Any) -> Any:
    return importlib.import_module("spikingjelly.activation_based.functional.conv_bn_fusion")


def net_of(layers: Any, neurons: Any, step_mode: str) -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = layers.Conv2d(2, 4, 3, padding=1, step_mode=step_mode)
            self.bn = layers.BatchNorm2d(4, step_mode=step_mode)
            self.sn = neurons.LIFNode(step_mode=step_mode)
            self.block = nn.Sequential(
                layers.Conv2d(4, 4, 1, bias=False, step_mode=step_mode),
                layers.BatchNorm2d(4, step_mode=step_mode),
            )

        def forward(self, x: Tensor) -> Any:
            y = self.sn(self.bn(self.conv(x)))
            return self.block(y) + y

    return Net()


@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("function", ["fuse_conv_bn_eval_modules", "pack_conv_bn_train_modules"])
def test_transformed_networks(peer: Any, fusion: Any, function: str, step_mode: str) -> None:
    training = function.startswith("pack")
    ours, theirs = net_of(layer, neuron, step_mode), net_of(peer.layer, peer.neuron, step_mode)
    theirs.load_state_dict(ours.state_dict())
    x = torch.rand(T, B, 2, 5, 5) if step_mode == "m" else torch.rand(B, 2, 5, 5)
    results = []
    for net, library, reset in (
        (ours, functional, functional.reset_net),
        (theirs, fusion, peer.functional.reset_net),
    ):
        net(x)  # statistics
        reset(net)
        net.train(training)
        graph = getattr(library, function)(net)
        y = graph(x)
        y.sum().backward()
        # A bias that comes from a normalisation alone is not learned there.
        grads = {n: p.grad for n, p in graph.named_parameters() if n != "block.0.bias"}
        state = graph.state_dict()
        results.append((y, grads, list(state), list(state.values())))
    (y, grads, names, values), (y2, grads2, names2, values2) = results
    torch.testing.assert_close(y, y2)
    assert names == names2
    torch.testing.assert_close(grads, grads2, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(values, values2)


@pytest.mark.parametrize(
    ("function", "training"),
    [("fuse_conv_bn_eval_modules", True), ("pack_conv_bn_train_modules", False)],
)
def test_the_other_mode(fusion: Any, function: str, training: bool) -> None:
    for library in (functional, fusion):
        with pytest.raises(ValueError, match=function):
            getattr(library, function)(nn.Sequential(nn.Conv1d(1, 1, 1)).train(training))
