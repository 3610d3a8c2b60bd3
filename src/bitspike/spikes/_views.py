"""Shapes of spikes: views, slices and concatenations of the words. What is not listed unpacks."""

import math
from collections.abc import Callable
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from bitspike.spikes._layouts import ActivePixels, Permuted, Rows
from bitspike.spikes._tensor import SpikeTensor, functions, register
from bitspike.spikes._written import join, join_parts

aten = torch.ops.aten


def stored(s: SpikeTensor) -> Rows:
    """Return the rows as they lie in memory, maybe with permuted features."""
    return s.bits.base if isinstance(s.bits, Permuted) else s.bits.rows()


def with_words(s: SpikeTensor, words: Tensor) -> SpikeTensor:
    """Return spikes with the features of ``s`` and other leading axes, from words like its own."""
    rows = Rows(words, stored(s).features)
    layout = s.bits
    return SpikeTensor.of(Permuted(rows, layout.order) if isinstance(layout, Permuted) else rows, s)


@register(aten.view.default, aten._unsafe_view.default, aten.reshape.default)
def _view(s: SpikeTensor, shape: list[int]) -> Any:
    if s.numel() == 0:
        return NotImplemented
    known = -math.prod(shape) if -1 in shape else 1
    full = tuple(s.numel() // known if n == -1 else n for n in shape)
    if full == tuple(s.shape):
        return SpikeTensor.of(s.bits, s)
    viewed = s.bits.view(full)
    return NotImplemented if viewed is None else SpikeTensor.of(viewed, s)


@register(aten.unsqueeze.default)
def _unsqueeze(s: SpikeTensor, dim: int) -> Any:
    shape = list(s.shape)
    shape.insert(dim % (s.ndim + 1), 1)
    return _view(s, shape)


@register(aten.squeeze.default, aten.squeeze.dim, aten.squeeze.dims)
def _squeeze(s: SpikeTensor, dim: int | list[int] | None = None) -> Any:
    dims = range(s.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    gone = {d % s.ndim for d in dims} if s.ndim else set()
    return _view(s, [n for d, n in enumerate(s.shape) if n != 1 or d not in gone])


# -- along an axis that is not packed -------------------------------------------------------------


def _along(s: SpikeTensor, dim: int, cut: Callable[[Tensor, int], Any]) -> Any:
    """Return the spikes whose words are ``cut(words, dim)``, if ``dim`` is not packed."""
    rows = stored(s)
    dim %= s.ndim
    if dim >= len(rows.lead):
        return NotImplemented
    words = cut(rows.words, dim)
    return with_words(s, words) if isinstance(words, Tensor) else [with_words(s, w) for w in words]


@register(aten.select.int)
def _select(s: SpikeTensor, dim: int, index: int) -> Any:
    return _along(s, dim, lambda words, dim: words.select(dim, index))


@register(aten.index_select.default)
def _index_select(s: SpikeTensor, dim: int, index: Tensor) -> Any:
    return _along(s, dim, lambda words, dim: words.index_select(dim, index))


@register(aten.split.Tensor, aten.split_with_sizes.default)
def _split(s: SpikeTensor, sizes: int | list[int], dim: int = 0) -> Any:
    return _along(s, dim, lambda words, dim: torch.split(words, sizes, dim))


@register(aten.unbind.int)
def _unbind(s: SpikeTensor, dim: int = 0) -> Any:
    return _along(s, dim, lambda words, dim: words.unbind(dim))


@register(aten.slice.Tensor)
def _slice(s: SpikeTensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    dim %= s.ndim
    if step == 1 and dim <= 1 and isinstance(s.bits, ActivePixels):
        first, last, _ = slice(start, end).indices(s.shape[dim])
        if dim == 0:
            return SpikeTensor.of(s.bits.between(first, max(first, last)), s)
        if first < last:
            return SpikeTensor.of(s.bits.samples(first, last), s)
    return _along(s, dim, lambda words, dim: aten.slice(words, dim, start, end, step))


@register(aten.index.Tensor)
def _index(s: SpikeTensor, indices: list[Tensor | None]) -> Any:
    rows = stored(s)
    axes = sum(i.ndim if i is not None and i.dtype == torch.bool else 1 for i in indices)
    return (
        with_words(s, aten.index(rows.words, indices)) if axes <= len(rows.lead) else NotImplemented
    )


@register(aten.expand.default)
def _expand(s: SpikeTensor, shape: list[int], implicit: bool = False) -> Any:  # noqa: ARG001
    rows = stored(s)
    packed = s.shape[len(rows.lead) :]
    lead = len(shape) - len(packed)
    if any(n not in (-1, old) for n, old in zip(shape[lead:], packed, strict=True)):
        return NotImplemented
    return with_words(s, rows.words.expand(*shape[:lead], -1))


@register(aten.permute.default)
def _permute(s: SpikeTensor, dims: list[int]) -> Any:
    rows = stored(s)
    lead = len(rows.lead)
    axes = [dim % s.ndim for dim in dims]
    if sorted(axes[:lead]) != list(range(lead)):
        return NotImplemented
    order = s.bits.order if isinstance(s.bits, Permuted) else range(s.ndim - lead)
    order = tuple(order[axis - lead] for axis in axes[lead:])
    moved = Rows(rows.words.permute([*axes[:lead], lead]).contiguous(), rows.features)
    return SpikeTensor.of(moved if list(order) == sorted(order) else Permuted(moved, order), s)


@register(aten.transpose.int)
def _transpose(s: SpikeTensor, dim0: int, dim1: int) -> Any:
    axes = list(range(s.ndim))
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return _permute(s, axes)


def _concatenate(tensors: list[Tensor], dim: int, new_axes: int, cat: Any) -> Any:
    """Return ``cat`` of the words, if all are spikes that are stored alike."""
    if not all(isinstance(s, SpikeTensor) for s in tensors):
        return NotImplemented
    spikes: list[SpikeTensor] = tensors  # type: ignore[assignment]
    if len({s.bits.order if isinstance(s.bits, Permuted) else None for s in spikes}) > 1:
        spikes = [SpikeTensor.of(s.bits.rows(), s) for s in spikes]
    rows = [stored(s) for s in spikes]
    lead = len(rows[0].lead)
    alike = all(
        r.features == rows[0].features and len(r.lead) == lead and s.dtype == spikes[0].dtype
        for r, s in zip(rows, spikes, strict=True)
    )
    dim %= spikes[0].ndim + new_axes
    if not alike or dim >= lead + new_axes:
        return NotImplemented
    return with_words(spikes[0], cat([r.words for r in rows], dim))


@register(aten.cat.default)
def _cat(tensors: list[Tensor], dim: int = 0) -> Any:
    return _concatenate(tensors, dim, 0, torch.cat)


@register(aten.stack.default)
def _stack(tensors: list[Tensor], dim: int = 0) -> Any:
    return _concatenate(tensors, dim, 1, torch.stack)


# -- views without a gradient, short of torch's dispatcher -----------------------------------------


def _flatten(s: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    shape = tuple(s.shape)
    start, end = (dim % max(1, len(shape)) for dim in (start_dim, end_dim))
    if (
        not isinstance(s, SpikeTensor)
        or s.requires_grad
        or not s.numel()
        or not shape
        or start > end
    ):
        return NotImplemented
    flat = (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])
    viewed = s.bits.view(flat)
    if viewed is None:
        return NotImplemented
    return join(s, SpikeTensor.of(viewed, s), lambda x: x.view(flat))


def _split_samples(s: Any, size: Any, dim: int = 0) -> Any:
    pixels = isinstance(s, SpikeTensor) and isinstance(s.bits, ActivePixels)
    whole = pixels and isinstance(size, int) and size > 0 and len(s.bits.count) > 0
    if not whole or s.requires_grad or dim not in (1, 1 - s.ndim):
        return NotImplemented
    parts = map(SpikeTensor.of, s.bits.split(size), repeat(s))
    return tuple(join_parts(s, parts, lambda x: torch.split(x, size, dim)))


functions[Tensor.split] = functions[torch.split] = _split_samples
functions[Tensor.flatten] = functions[torch.flatten] = _flatten
