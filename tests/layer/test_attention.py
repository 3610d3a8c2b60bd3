"""Attention layers."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional, layer, neuron, spikes

T, B, C = 4, 2, 8
SELF = {
    "SpikingSelfAttention": (C, 6),
    "TokenQKAttention": (C, 6),
    "ChannelQKAttention": (C, 6),
    "QKAttention": (C, 6),
    "SpikeDrivenSelfAttention": (C, 3, 3),
}
every_self = pytest.mark.parametrize("name", SELF)


def test_temporal_attention_weights_whole_steps() -> None:
    for dimension, sample in ((2, (5,)), (4, (3, 4, 4))):
        module = layer.TemporalWiseAttention(T, 2, dimension)
        x = torch.rand(T, B, *sample) + 0.5
        ratio = (module(x) / x).flatten(2)
        torch.testing.assert_close(ratio, ratio[..., :1].expand_as(ratio))
        assert ((ratio > 0) & (ratio < 1)).all()
        mean = nn.functional.adaptive_avg_pool1d(x.flatten(2), 1)[..., 0].T
        most = x.flatten(2).amax(2).T
        score = torch.sigmoid(module.sharedMLP(mean) + module.sharedMLP(most))
        torch.testing.assert_close(ratio[..., 0], score.T)


@pytest.mark.parametrize("used", ["use_temporal", "use_channel", "use_spatial"])
def test_multi_dimensional_attention_weights_one_axis(used: str) -> None:
    only = {name: name == used for name in ("use_temporal", "use_channel", "use_spatial")}
    module = layer.MultiDimensionalAttention(T, C, 2, 4, 7, **only)
    for parameter in module.parameters():
        nn.init.uniform_(parameter, 0.0, 0.2)  # no ReLU is silent
    x = torch.rand(T, B, C, 6, 6) + 0.5
    ratio = module(x) / x
    axes = {"use_temporal": (0, 1), "use_channel": (1, 2), "use_spatial": (1, 3, 4)}[used]
    others = [axis for axis in range(5) if axis not in axes]
    assert ((ratio.amax(others) - ratio.amin(others)) < 1e-6).all()
    assert (ratio.amax() - ratio.amin()) > 1e-3


def test_multi_dimensional_attention_ends_in_a_relu_and_learns() -> None:
    module = layer.MultiDimensionalAttention(T, C, 2, 4)
    x = torch.randn(T, B, C, 6, 6)
    y = module(x)
    assert (y >= 0).all()
    y.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: layer.TemporalWiseAttention(4, 5), "the reduction of T must be from 1 to T=4"),
        (lambda: layer.TemporalWiseAttention(4, 2, 3), "dimension must be 4 or 2, got 3"),
        (
            lambda: layer.MultiDimensionalAttention(4, 4, 2, 5),
            "the reduction of C must be from 1 to C=4",
        ),
        (lambda: layer.MultiDimensionalAttention(4, 4, 2, 2, 5), "kernel_size must be 3 or 7"),
        (
            lambda: layer.MultiDimensionalAttention(4, 4, 2, 2, 3, False, False, False),
            "one of use_temporal, use_channel",
        ),
        (lambda: layer.SpikingSelfAttention(10), "dim=10 channels cannot be divided among"),
        (lambda: layer.QKAttention(8, 2, "both"), "qka_type must be 'token' or 'channel'"),
        (lambda: layer.TokenQKAttention(8, 2, step_mode="s"), "always in step_mode 'm'"),
    ],
)
def test_bad_arguments(make: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        make()


@every_self
def test_it_spikes_learns_and_takes_bits(name: str) -> None:
    module = getattr(layer, name)(C, 2, v_threshold=0.3)
    x: Tensor = (torch.rand(T, B, *SELF[name]) < 0.5).float()
    y = module(x.requires_grad_())
    assert y.shape == x.shape
    if name != "SpikeDrivenSelfAttention":
        assert set(y.unique().tolist()) == {0.0, 1.0}
    y.sum().backward()
    assert all(p.grad is not None for p in module.parameters())
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    functional.reset_net(module)
    module.eval()
    dense = module(x)
    functional.reset_net(module)
    assert torch.equal(module(spikes.pack(x.detach())), dense)


@every_self
def test_neurons_are_the_default_or_the_user_s(name: str) -> None:
    nodes = [m for m in getattr(layer, name)(C, 2).modules() if isinstance(m, neuron.BaseNode)]
    for node in nodes:
        assert isinstance(node, neuron.LIFNode)
        assert (node.tau, node.detach_reset, node.step_mode) == (2.0, True, "m")
    assert sorted({node.v_threshold for node in nodes}) == [0.5, 1.0]
    own = getattr(layer, name)(C, 2, spiking_neuron=neuron.IFNode, v_reset=None)
    nodes = [m for m in own.modules() if isinstance(m, neuron.BaseNode)]
    for node in nodes:
        assert isinstance(node, neuron.IFNode)
        assert (node.v_threshold, node.v_reset, node.detach_reset) == (1.0, None, False)


@every_self
def test_sequences_only(name: str) -> None:
    module = getattr(layer, name)(C, 2)
    with pytest.raises(ValueError, match=f"{name} supports|{name} '' supports"):
        functional.set_step_mode(module, "s")
    with pytest.raises(ValueError, match=r"the input must be \[T, B, 8, "):
        module(torch.zeros(T, B, C + 1, *SELF[name][1:]))
    with pytest.raises(ValueError, match=r"the input must be \[T, B, 8, "):
        module(torch.zeros(B, *SELF[name]))


def test_token_attention_lets_tokens_through_or_not() -> None:
    """The keys of one head, masked by tokens: by hand on a module that passes its input on."""
    module = layer.TokenQKAttention(4, 2, spiking_neuron=neuron.IFNode)
    for part in ("qk_lif", "proj_conv_bn", "proj_lif"):
        setattr(module, part, nn.Identity())
    module.qk_conv_bn = Doubled()  # type: ignore[assignment]
    x = torch.zeros(1, 1, 4, 3)
    x[0, 0, 0, 1] = x[0, 0, 1, 1] = x[0, 0, 2, 0] = 1.0
    y = module(x)[0, 0]
    assert y[:2].tolist() == [[0, 1, 0], [0, 1, 0]]  # head 0 fires at token 1
    assert y[2:].tolist() == [[1, 0, 0], [0, 0, 0]]


class Doubled(nn.Module):
    """Queries and keys are the input."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, x), dim=2)


@pytest.mark.backend("numba")
@pytest.mark.parametrize("name", ["SpikingSelfAttention", "SpikeDrivenSelfAttention"])
def test_the_compiled_kernels_give_the_same(name: str) -> None:
    module = getattr(layer, name)(C, 2, v_threshold=0.1).eval()
    x: Tensor = (torch.rand(T, B, *SELF[name]) < 0.6).float()
    results = []
    for backend in ("eager", "numba"):
        functional.set_backend(module, backend)
        functional.reset_net(module)
        y = module(x)
        y = y.dense() if isinstance(y, spikes.SpikeTensor) else y
        weight = torch.linspace(-1, 2, y.numel()).view(y.shape)
        results.append([y, *torch.autograd.grad((weight * y).sum(), list(module.parameters()))])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)
    assert results[0][0].abs().sum() > 0
    assert all(gradient.abs().sum() > 0 for gradient in results[0][1:])
