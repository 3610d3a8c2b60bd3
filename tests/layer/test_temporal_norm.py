"""Batch normalisation that knows of time, and NeuNorm."""

from typing import Any

import pytest
import torch
from torch import nn

from bitspike import functional, layer

T, B, C = 4, 5, 3
SPACE = {1: (6,), 2: (4, 4), 3: (2, 2, 2)}
dims = pytest.mark.parametrize("dim", SPACE)


def inputs(dim: int) -> torch.Tensor:
    return 3.0 * torch.randn(T, B, C, *SPACE[dim]) + 1.0


def plain(dim: int) -> Any:
    return getattr(nn, f"BatchNorm{dim}d")(C)


def flattened(y: torch.Tensor) -> torch.Tensor:
    return y.flatten(0, 1)


@dims
def test_threshold_dependent(dim: int) -> None:
    norm = getattr(layer, f"ThresholdDependentBatchNorm{dim}d")(0.5, 1.6, C)
    assert isinstance(norm, getattr(nn, f"BatchNorm{dim}d"))
    x = inputs(dim)
    y = norm(x)
    torch.testing.assert_close(flattened(y), 0.8 * plain(dim)(flattened(x)))
    assert abs(y.std().item() - 0.8) < 0.01
    assert norm.num_batches_tracked.item() == 1


@dims
def test_temporal_effective(dim: int) -> None:
    norm = getattr(layer, f"TemporalEffectiveBatchNorm{dim}d")(T, C, momentum=0.3)
    x = inputs(dim)
    expected = plain(dim)(flattened(x)).view(x.shape)
    torch.testing.assert_close(norm(x), expected)
    with torch.no_grad():
        norm.scale.copy_(torch.arange(4.0))
    y = norm(x)
    assert (y[0] == 0).all()
    torch.testing.assert_close(y[3], 3.0 * expected[3])
    assert norm.momentum == 0.3


@dims
def test_through_time_has_one_norm_a_step(dim: int) -> None:
    norm = getattr(layer, f"BatchNormThroughTime{dim}d")(T, C, step_mode="m")
    x = inputs(dim)
    expected = torch.stack([plain(dim)(one) for one in x])
    torch.testing.assert_close(norm(x), expected)
    assert norm.t == T - 1
    assert {name.split(".")[-1] for name, _ in norm.named_parameters()} == {"weight"}
    assert not list(getattr(layer, f"BatchNormThroughTime{dim}d")(T, C, affine=False).parameters())


def test_a_step_too_many() -> None:
    norm = layer.BatchNormThroughTime1d(2, C)
    for _ in range(2):
        norm(torch.randn(B, C))
    with pytest.raises(RuntimeError, match=r"T=2 time steps; 2 are over and 1 more.*reset_net"):
        norm(torch.randn(B, C))
    functional.reset_net(norm)
    norm.step_mode = "m"
    with pytest.raises(RuntimeError, match="0 are over and 3 more"):
        norm(torch.randn(3, B, C))
    assert all(bn.num_batches_tracked.item() == 1 for bn in norm.bn_list)  # type: ignore[operator]


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_a_sequence_of_another_length(steps: int) -> None:
    norm = layer.TemporalEffectiveBatchNorm1d(T, C)
    with pytest.raises(ValueError, match=r"made for T=4 time steps, \[4, B, C, \.\.\.\]"):
        norm(torch.randn(steps, B, C))


def test_the_threshold_needs_a_weight() -> None:
    with pytest.raises(ValueError, match="affine must be True"):
        layer.ThresholdDependentBatchNorm2d(1.0, 1.0, C, affine=False)


@pytest.mark.parametrize("family", ["ThresholdDependent", "TemporalEffective"])
@dims
def test_sequences_only_and_of_the_right_dimension(family: str, dim: int) -> None:
    first = (1.0, 1.0) if family == "ThresholdDependent" else (T,)
    norm = getattr(layer, f"{family}BatchNorm{dim}d")(*first, C)
    assert norm.step_mode == "m"
    with pytest.raises(ValueError, match="step_mode must be 'm'"):
        norm.step_mode = "s"
    with pytest.raises(ValueError, match=r"expected \[T, B, C.* but got shape"):
        norm(torch.randn(T, B, C, *[2] * (dim + 1)))


def test_neunorm_by_hand() -> None:
    norm = layer.NeuNorm(2, 1, 1, k=0.5, step_mode="m")
    with torch.no_grad():
        norm.w.copy_(torch.tensor([1.0, 2.0]).view(2, 1, 1))
    spikes = torch.tensor([[1.0, 1.0], [0.0, 1.0]]).view(2, 1, 2, 1, 1)
    # X: 0.5 / 4 * 2 = 0.25, then 0.5 * 0.25 + 0.125 * 1 = 0.25
    assert norm(spikes).flatten().tolist() == [0.75, 0.5, -0.25, 0.5]
    assert layer.NeuNorm(3, 2, 2, shared_across_channels=True).w.shape == (1, 2, 2)


def test_neunorm_refuses_another_shape() -> None:
    with pytest.raises(ValueError, match=r"must be \[B, 2, 3, 4\], but got \(1, 2, 4, 3\)"):
        layer.NeuNorm(2, 3, 4)(torch.zeros(1, 2, 4, 3))
