"""Convolutions of words of spikes as operators, with gradients for weight and bias."""

from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.kernels.runtime.operator import operator
from bitspike.spikes import Rows, SpikeTensor

_FUNCTIONS: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def _conv(
    words: Tensor,
    size: list[int],
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    spikes = SpikeTensor(Rows(words, tuple(size)), weight.dtype)
    y: Tensor = _FUNCTIONS[len(size) - 1](spikes, weight, bias, stride, padding, dilation, groups)
    return y


def _fake(
    words: Tensor,
    size: list[int],
    weight: Tensor,
    bias: Tensor | None,  # noqa: ARG001
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    *_: Any,
) -> Tensor:
    space = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(size[1:], padding, dilation, weight.shape[2:], stride, strict=True)
    ]
    return weight.new_empty((len(words), len(weight), *space))


conv = operator(_conv, _fake, "conv")
