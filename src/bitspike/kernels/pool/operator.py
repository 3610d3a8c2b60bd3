"""Pooling of words of spikes as operators: the greatest of a window are bits, its mean is dense."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.kernels.runtime.operator import operator
from bitspike.spikes import Rows, SpikeTensor, word_count


def _out(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil: bool) -> int:
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil:
        return room // stride + 1
    length = -(-room // stride) + 1
    return length - 1 if (length - 1) * stride >= size + padding else length


def _max_pool2d(
    words: Tensor,
    size: list[int],
    kernel_size: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    ceil_mode: bool,
) -> Tensor:
    spikes = SpikeTensor(Rows(words, tuple(size)))
    pooled = F.max_pool2d(spikes, kernel_size, stride, padding, dilation, ceil_mode)
    rows = pooled if isinstance(pooled, SpikeTensor) else SpikeTensor(Rows.pack(pooled, 1))
    return rows.words


def _fake_max_pool2d(
    words: Tensor,
    size: list[int],
    kernel_size: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    ceil_mode: bool,
) -> Tensor:
    C, *space = size
    height, width = (
        _out(*window, ceil_mode)
        for window in zip(space, kernel_size, stride, padding, dilation, strict=True)
    )
    return words.new_empty((len(words), word_count(C * height * width)))


def _avg_pool2d(
    words: Tensor,
    size: list[int],
    kernel_size: list[int],
    stride: list[int],
    padding: list[int],
    ceil_mode: bool,
    count_include_pad: bool,
) -> Tensor:
    spikes = SpikeTensor(Rows(words, tuple(size)), torch.float32)
    y: Tensor = F.avg_pool2d(spikes, kernel_size, stride, padding, ceil_mode, count_include_pad)
    return y


def _fake_avg_pool2d(
    words: Tensor,
    size: list[int],
    kernel_size: list[int],
    stride: list[int],
    padding: list[int],
    ceil_mode: bool,
    *_: Any,
) -> Tensor:
    C, *space = size
    height, width = (
        _out(*window, 1, ceil_mode)
        for window in zip(space, kernel_size, stride, padding, strict=True)
    )
    return words.new_empty((len(words), C, height, width), dtype=torch.float32)


max_pool2d = operator(_max_pool2d, _fake_max_pool2d, "max_pool2d", differentiable=False)
avg_pool2d = operator(_avg_pool2d, _fake_avg_pool2d, "avg_pool2d", differentiable=False)
