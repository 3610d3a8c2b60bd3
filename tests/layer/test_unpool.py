"""MaxUnpool undoes MaxPool, over time too."""

from typing import Any

import pytest
import torch
from torch import nn

from bitspike import layer

T, B, C = 3, 2, 2


def pooled(dim: int, size: int, step_mode: str) -> tuple[torch.Tensor, torch.Tensor]:
    pool = getattr(layer, f"MaxPool{dim}d")(2, return_indices=True, step_mode=step_mode)
    lead = (T, B) if step_mode == "m" else (B,)
    values, indices = pool(torch.rand(*lead, C, *[size] * dim))
    return values, indices


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("size", ["default", "space", "whole"])
def test_multi_step_is_torch_at_each_step(dim: int, size: str) -> None:
    values, indices = pooled(dim, 4 if size == "default" else 5, "m")
    ours = getattr(layer, f"MaxUnpool{dim}d")(2, step_mode="m")
    theirs = getattr(nn, f"MaxUnpool{dim}d")(2)
    space: Any = {"default": None, "space": [5] * dim, "whole": [T, B, C, *[5] * dim]}[size]
    y = ours(values, indices, space)
    inner = None if size == "default" else [5] * dim
    expected = [theirs(*one, inner) for one in zip(values, indices, strict=True)]
    assert torch.equal(y, torch.stack(expected))


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_single_step_is_torch(dim: int) -> None:
    values, indices = pooled(dim, 4, "s")
    expected = getattr(nn, f"MaxUnpool{dim}d")(2)(values, indices)
    assert torch.equal(getattr(layer, f"MaxUnpool{dim}d")(2)(values, indices), expected)


def test_gradients_go_where_the_values_came_from() -> None:
    values, indices = pooled(2, 4, "m")
    values.requires_grad_()
    y = layer.MaxUnpool2d(2, step_mode="m")(values, indices)
    (gradient,) = torch.autograd.grad((y * y).sum(), values)
    assert torch.equal(gradient, 2 * values)


def test_other_indices_and_modes_are_refused() -> None:
    values, indices = pooled(2, 4, "m")
    with pytest.raises(ValueError, match="MaxUnpool2d: input and indices must have one shape"):
        layer.MaxUnpool2d(2, step_mode="m")(values, indices[:2])
    with pytest.raises(ValueError, match="MaxUnpool2d: step_mode"):
        layer.MaxUnpool2d(2, step_mode="x")
    assert "step_mode='m'" in repr(layer.MaxUnpool2d(2, step_mode="m"))
