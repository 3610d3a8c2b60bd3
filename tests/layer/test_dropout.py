"""Dropout whose mask holds over time."""

from typing import Any

import pytest
import torch
from torch import nn

from bitspike import functional, layer, neuron

KINDS = [layer.Dropout, layer.Dropout2d]


@pytest.mark.parametrize("kind", KINDS)
def test_the_mask_holds_until_the_reset(kind: Any) -> None:
    module = kind(0.5, step_mode="m")
    x = torch.ones(4, 8, 16, 2, 2)
    first = module(x)
    assert torch.equal(first, first[:1].expand_as(first))
    assert torch.equal(module(x), first)
    functional.reset_net(module)
    assert not torch.equal(module(x), first)


@pytest.mark.parametrize("kind", KINDS)
def test_what_remains_is_scaled_and_evaluation_changes_nothing(kind: Any) -> None:
    module = kind(0.2)
    x = torch.ones(50, 40, 3, 3)
    y = module(x)
    assert set(y.unique().tolist()) == {0.0, 1.25}
    share = (y > 0).float().mean()
    assert 0.75 < share < 0.85
    functional.reset_net(module)
    assert module.eval()(x) is x
    assert module.mask is None


def test_dropout2d_drops_whole_channels() -> None:
    y = layer.Dropout2d(0.5)(torch.ones(4, 16, 5, 5)).flatten(2)
    assert torch.equal(y, y[..., :1].expand_as(y))
    one = layer.Dropout(0.5)(torch.ones(4, 16, 5, 5)).flatten(2)
    assert not torch.equal(one, one[..., :1].expand_as(one))


@pytest.mark.parametrize(("bad", "error"), [(1, ValueError), (-0.1, ValueError), ("a", TypeError)])
@pytest.mark.parametrize("kind", KINDS)
def test_bad_probability(kind: Any, bad: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"{kind.__name__}: p must be"):
        kind(bad)


# -- DropConnectLinear ------------------------------------------------------------------------


def drop_connect(**kwargs: Any) -> layer.DropConnectLinear:
    module = layer.DropConnectLinear(5, 4, **kwargs)
    with torch.no_grad():
        module.weight.fill_(1.0)
        if module.bias is not None:
            module.bias.fill_(0.5)
    return module


def test_each_sample_drops_its_own_connections() -> None:
    module = drop_connect(invariant=True)
    weight, bias = module.drop(1000)
    assert weight.shape == (1000, 4, 5)
    assert bias is not None
    assert bias.shape == (1000, 4)
    assert set(weight.flatten().tolist()) == {0.0, 1.0}
    assert 0.47 < weight.mean() < 0.53
    y = module(torch.eye(5))
    assert module.dropped_w is not None
    assert module.dropped_b is not None
    expected = torch.einsum("boi,bi->bo", module.dropped_w, torch.eye(5)) + module.dropped_b
    assert torch.equal(y, expected.relu())


@pytest.mark.parametrize("invariant", [True, False])
def test_invariant_keeps_the_masks(invariant: bool) -> None:
    module = drop_connect(invariant=invariant, bias=False, step_mode="m")
    y = module(torch.ones(4, 6, 5))
    assert torch.equal(y, y[:1].expand_as(y)) == invariant


def test_evaluation_is_the_mean_of_the_training() -> None:
    module = drop_connect(p=0.3, samples_num=4000).eval()
    x = torch.rand(2, 5)
    moments = module(x)
    module.train()
    draws = torch.stack([module(x) for _ in range(4000)]).mean(0)
    torch.testing.assert_close(moments, draws, rtol=0.03, atol=0.03)
    assert not moments.requires_grad


def test_without_dropping_evaluation_is_the_layer() -> None:
    module = drop_connect(p=0, samples_num=2).eval()
    x = torch.rand(2, 5)
    torch.testing.assert_close(module(x), nn.functional.linear(x, module.weight, module.bias))


def test_the_activation_stays_in_single_step_mode() -> None:
    module = drop_connect(activation=neuron.IFNode())
    functional.set_step_mode(module, "m")
    assert isinstance(module.activation, neuron.IFNode)
    assert module.activation.step_mode == "s"
    spikes = module(torch.ones(3, 2, 5))
    assert set(spikes.unique().tolist()) <= {0.0, 1.0}
    assert isinstance(module.activation.v, torch.Tensor)
    module.reset()
    assert module.activation.v == 0.0
    with pytest.raises(ValueError, match="IFNode must be in step_mode 's'"):
        drop_connect(activation=neuron.IFNode(step_mode="m"))


def test_no_activation_and_one_of_its_own() -> None:
    x = -torch.ones(3, 5)
    assert (drop_connect(activation=None, p=0.0)(x) < 0).all()
    assert (drop_connect(p=0.0)(x) == 0).all()
    assert drop_connect().activation is not drop_connect().activation


def test_bad_input_and_probability() -> None:
    with pytest.raises(ValueError, match=r"must be \[B, 5\], but got \(3, 4\)"):
        drop_connect()(torch.ones(3, 4))
    with pytest.raises(ValueError, match="p is a probability, but got 2"):
        drop_connect(p=2)
