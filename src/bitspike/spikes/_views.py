"""Operations that stay on bits. What is not listed here unpacks."""

import math
from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bitspike import dispatch
from bitspike.spikes._layouts import ActivePixels, Permuted, Rows
from bitspike.spikes._tensor import Handler, SpikeTensor, functions, operations
from bitspike.spikes._words import is_traced, own, traced
from bitspike.spikes._written import join, join_parts

aten = torch.ops.aten


def _rows(s: SpikeTensor) -> Rows:
    return s._layout.rows()


def _stored(s: SpikeTensor) -> Rows:
    """The rows as they lie in memory, maybe with permuted features."""
    return s._layout.base if isinstance(s._layout, Permuted) else _rows(s)


def _with_words(s: SpikeTensor, words: Tensor) -> SpikeTensor:
    """Spikes with the features of ``s`` and other leading axes, from words stored like its own."""
    rows = Rows(words, _stored(s).features)
    layout = s._layout
    return SpikeTensor._of(
        Permuted(rows, layout.order) if isinstance(layout, Permuted) else rows, s
    )


def _register(*names: Any) -> Callable[[Handler], Handler]:
    def decorate(handler: Handler) -> Handler:
        operations.update(dict.fromkeys(names, handler))
        return handler

    return decorate


# -- shape --------------------------------------------------------------------------------------


@_register(aten.view.default, aten._unsafe_view.default, aten.reshape.default)
def _view(s: SpikeTensor, shape: list[int]) -> Any:
    if s.numel() == 0:
        return NotImplemented
    known = -math.prod(shape) if -1 in shape else 1
    full = tuple(s.numel() // known if n == -1 else n for n in shape)
    if full == tuple(s.shape):
        return SpikeTensor._of(s._layout, s)
    viewed = s._layout.view(full)
    return NotImplemented if viewed is None else SpikeTensor._of(viewed, s)


@_register(aten.unsqueeze.default)
def _unsqueeze(s: SpikeTensor, dim: int) -> Any:
    shape = list(s.shape)
    shape.insert(dim % (s.ndim + 1), 1)
    return _view(s, shape)


@_register(aten.squeeze.default, aten.squeeze.dim, aten.squeeze.dims)
def _squeeze(s: SpikeTensor, dim: int | list[int] | None = None) -> Any:
    dims = range(s.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    gone = {d % s.ndim for d in dims} if s.ndim else set()
    return _view(s, [n for d, n in enumerate(s.shape) if n != 1 or d not in gone])


@_register(aten.select.int)
def _select(s: SpikeTensor, dim: int, index: int) -> Any:
    rows = _stored(s)
    dim %= s.ndim
    if dim >= len(rows.lead):
        return NotImplemented
    return _with_words(s, rows.words.select(dim, index))


@_register(aten.slice.Tensor)
def _slice(s: SpikeTensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    dim %= s.ndim
    if dim == 0 and step == 1 and isinstance(s._layout, ActivePixels):
        first, last, _ = slice(start, end).indices(len(s))
        return SpikeTensor._of(s._layout.between(first, max(first, last)), s)
    if dim == 1 and step == 1 and isinstance(s._layout, ActivePixels):
        first, last, _ = slice(start, end).indices(s.shape[1])
        if first < last:
            return SpikeTensor._of(s._layout.samples(first, last), s)
    rows = _stored(s)
    if dim >= len(rows.lead):
        return NotImplemented
    return _with_words(s, aten.slice(rows.words, dim, start, end, step))


@_register(aten.index.Tensor)
def _index(s: SpikeTensor, indices: list[Tensor | None]) -> Any:
    rows = _stored(s)
    axes = sum(i.ndim if i is not None and i.dtype == torch.bool else 1 for i in indices)
    if axes > len(rows.lead):
        return NotImplemented
    return _with_words(s, aten.index(rows.words, indices))


@_register(aten.index_select.default)
def _index_select(s: SpikeTensor, dim: int, index: Tensor) -> Any:
    rows = _stored(s)
    dim %= s.ndim
    if dim >= len(rows.lead):
        return NotImplemented
    return _with_words(s, rows.words.index_select(dim, index))


@_register(aten.split.Tensor, aten.split_with_sizes.default)
def _split(s: SpikeTensor, sizes: int | list[int], dim: int = 0) -> Any:
    rows = _stored(s)
    dim %= s.ndim
    if dim >= len(rows.lead):
        return NotImplemented
    return [_with_words(s, words) for words in torch.split(rows.words, sizes, dim)]


@_register(aten.expand.default)
def _expand(s: SpikeTensor, shape: list[int], implicit: bool = False) -> Any:  # noqa: ARG001
    rows = _stored(s)
    trail = s.ndim - len(rows.lead)
    lead = len(shape) - trail
    if any(
        n not in (-1, old) for n, old in zip(shape[lead:], s.shape[len(rows.lead) :], strict=True)
    ):
        return NotImplemented
    return _with_words(s, rows.words.expand(*shape[:lead], -1))


@_register(aten.unbind.int)
def _unbind(s: SpikeTensor, dim: int = 0) -> Any:
    rows = _stored(s)
    dim %= s.ndim
    if dim >= len(rows.lead):
        return NotImplemented
    return [_with_words(s, words) for words in rows.words.unbind(dim)]


@_register(aten.permute.default)
def _permute(s: SpikeTensor, dims: list[int]) -> Any:
    rows = _stored(s)
    lead = len(rows.lead)
    axes = [dim % s.ndim for dim in dims]
    if sorted(axes[:lead]) != list(range(lead)):
        return NotImplemented
    order = s._layout.order if isinstance(s._layout, Permuted) else range(s.ndim - lead)
    order = tuple(order[axis - lead] for axis in axes[lead:])
    words = rows.words.permute([*axes[:lead], lead]).contiguous()
    moved = Rows(words, rows.features)
    return SpikeTensor._of(moved if list(order) == sorted(order) else Permuted(moved, order), s)


@_register(aten.transpose.int)
def _transpose(s: SpikeTensor, dim0: int, dim1: int) -> Any:
    axes = list(range(s.ndim))
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return _permute(s, axes)


def _joined(tensors: list[Tensor], dim: int, axes: int) -> list[SpikeTensor] | None:
    """The tensors, stored alike, if they can be joined along ``dim`` of ``axes`` axes."""
    if not all(isinstance(s, SpikeTensor) for s in tensors):
        return None
    spikes: list[SpikeTensor] = tensors  # type: ignore[assignment]
    if len({s._layout.order if isinstance(s._layout, Permuted) else None for s in spikes}) > 1:
        spikes = [SpikeTensor._of(_rows(s), s) for s in spikes]
    rows = [_stored(s) for s in spikes]
    lead = len(rows[0].lead)
    same = all(
        r.features == rows[0].features and len(r.lead) == lead and s.dtype == spikes[0].dtype
        for r, s in zip(rows, spikes, strict=True)
    )
    return spikes if same and dim % axes < lead + (axes - tensors[0].ndim) else None


@_register(aten.cat.default)
def _cat(tensors: list[Tensor], dim: int = 0) -> Any:
    spikes = _joined(tensors, dim, tensors[0].ndim)
    if spikes is None:
        return NotImplemented
    dim %= tensors[0].ndim
    return _with_words(spikes[0], torch.cat([_stored(s).words for s in spikes], dim))


@_register(aten.stack.default)
def _stack(tensors: list[Tensor], dim: int = 0) -> Any:
    spikes = _joined(tensors, dim, tensors[0].ndim + 1)
    if spikes is None:
        return NotImplemented
    dim %= tensors[0].ndim + 1
    return _with_words(spikes[0], torch.stack([_stored(s).words for s in spikes], dim))


# -- sums over time -----------------------------------------------------------------------------


def count_over_time(words: Tensor, features: int, divisor: int) -> Tensor:
    """Spikes of each feature over ``divisor``, float32 ``[..., F]``, from words ``[T, ..., W]``."""
    if is_traced(words):
        return traced("count_over_time", words, features, divisor)
    kernels = dispatch.available("bits", words.device)
    if kernels is not None:
        counted: Tensor = kernels.count_over_time(words, features, divisor)
        return counted
    octets = words.contiguous().view(torch.uint8)
    count = torch.zeros(*words.shape[1:-1], features, dtype=torch.int32, device=words.device)
    for step in octets.unbind(0):
        bits = np.unpackbits(step.numpy(), axis=-1, count=features, bitorder="little")
        count += torch.from_numpy(bits)
    return count.to(torch.float32) / divisor


def _counted(s: SpikeTensor, divisor: int) -> Tensor:
    """The number of spikes over time by ``divisor``, in the dtype of ``s``."""
    rows = _rows(s)
    wide = s.dtype == torch.float64  # counts are exact in float32, shares are not
    if rows.counts is not None:
        counted = rows.counts.to(s.dtype) if wide else rows.counts
        return (counted / divisor).to(s.dtype)
    counted = (
        count_over_time(rows.words, rows.size, 1 if wide else divisor).view(s.shape[1:]).to(s.dtype)
    )
    return counted / divisor if wide else counted


class _OverTime(torch.autograd.Function):
    """Sum or mean over time. The gradient is a view with stride 0 along time."""

    @staticmethod
    def forward(ctx: Any, s: SpikeTensor, mean: bool) -> Tensor:
        ctx.steps, ctx.mean = len(s), mean
        return own(_counted(s, len(s) if mean else 1))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        grad = grad / ctx.steps if ctx.mean else grad
        return grad.expand(ctx.steps, *grad.shape), None


def _reduces_time(s: Any, dim: Any) -> bool:
    if not isinstance(s, SpikeTensor) or s.device.type != "cpu" or not s.numel():
        return False
    dims = [dim] if isinstance(dim, int) else dim
    return dims is not None and list(dims) in ([0], [-s.ndim]) and len(_rows(s).lead) > 0


def _sum(s: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    return _over_time(s, dim, keepdim, dtype, mean=False)


def _mean(s: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    return _over_time(s, dim, keepdim, dtype, mean=True)


def _over_time(s: Any, dim: Any, keepdim: bool, dtype: Any, mean: bool) -> Any:
    if dtype is not None or not _reduces_time(s, dim):
        return NotImplemented
    result: Tensor = _OverTime.apply(s, mean)  # type: ignore[no-untyped-call]
    return result.unsqueeze(0) if keepdim else result


functions[Tensor.sum] = functions[torch.sum] = _sum
functions[Tensor.mean] = functions[torch.mean] = _mean

# -- views of what has no gradient, without the way through torch's dispatcher ------------------


def _short_view(s: Any, shape: tuple[int, ...]) -> Any:
    if not isinstance(s, SpikeTensor) or s.requires_grad or -1 in shape or not s.numel():
        return NotImplemented
    viewed = s._layout.view(shape) if math.prod(shape) == s.numel() else None
    if viewed is None:
        return NotImplemented
    return join(s, SpikeTensor._of(viewed, s), lambda x: x.view(shape))


def _flatten(s: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    shape = tuple(s.shape)
    start, end = (dim % max(1, len(shape)) for dim in (start_dim, end_dim))
    if not shape or start > end:
        return NotImplemented
    return _short_view(s, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def _split_samples(s: Any, size: Any, dim: int = 0) -> Any:
    pixels = isinstance(s, SpikeTensor) and isinstance(s._layout, ActivePixels)
    whole = pixels and isinstance(size, int) and size > 0 and len(s._layout.count) > 0
    if not whole or s.requires_grad or dim not in (1, 1 - s.ndim):
        return NotImplemented
    parts = map(SpikeTensor._of, s._layout.split(size), repeat(s))
    return tuple(join_parts(s, parts, lambda x: torch.split(x, size, dim)))


functions[Tensor.split] = functions[torch.split] = _split_samples
functions[Tensor.flatten] = functions[torch.flatten] = _flatten
