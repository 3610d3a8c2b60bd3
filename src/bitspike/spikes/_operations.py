"""Operations that stay on bits. What is not listed here unpacks."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data._utils.collate import default_collate_fn_map

from bitspike.spikes._layout import Rows
from bitspike.spikes._tensor import Handler, SpikeTensor, functions, operations

aten = torch.ops.aten


def _rows(s: SpikeTensor) -> Rows:
    return s._layout.rows()


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


@_register(aten.squeeze.dim)
def _squeeze(s: SpikeTensor, dim: int) -> Any:
    shape = list(s.shape)
    if s.ndim and shape[dim] == 1:
        shape.pop(dim % s.ndim)
    return _view(s, shape)


@_register(aten.select.int)
def _select(s: SpikeTensor, dim: int, index: int) -> Any:
    rows = _rows(s)
    dim %= s.ndim
    if dim >= len(rows.lead):
        return NotImplemented
    return SpikeTensor._of(Rows(rows.words.select(dim, index), rows.features), s)


@_register(aten.slice.Tensor)
def _slice(s: SpikeTensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    rows = _rows(s)
    dim %= s.ndim
    if dim >= len(rows.lead):
        return NotImplemented
    return SpikeTensor._of(Rows(aten.slice(rows.words, dim, start, end, step), rows.features), s)


@_register(aten.index.Tensor)
def _index(s: SpikeTensor, indices: list[Tensor | None]) -> Any:
    rows = _rows(s)
    if len(indices) > len(rows.lead) or any(
        i is not None and i.dtype == torch.bool for i in indices
    ):
        return NotImplemented
    return SpikeTensor._of(Rows(aten.index(rows.words, indices), rows.features), s)


@_register(aten.unbind.int)
def _unbind(s: SpikeTensor, dim: int = 0) -> Any:
    rows = _rows(s)
    dim %= s.ndim
    if dim >= len(rows.lead):
        return NotImplemented
    return [SpikeTensor._of(Rows(words, rows.features), s) for words in rows.words.unbind(dim)]


def _joined(tensors: list[Tensor], dim: int, axes: int) -> list[Rows] | None:
    """The rows of all tensors if they can be joined along ``dim`` of ``axes`` axes."""
    if not all(isinstance(s, SpikeTensor) for s in tensors):
        return None
    rows = [_rows(s) for s in tensors]  # type: ignore[arg-type]
    lead = len(rows[0].lead)
    same = all(r.features == rows[0].features and len(r.lead) == lead for r in rows)
    return rows if same and dim % axes < lead + (axes - tensors[0].ndim) else None


@_register(aten.cat.default)
def _cat(tensors: list[Tensor], dim: int = 0) -> Any:
    rows = _joined(tensors, dim, tensors[0].ndim)
    if rows is None:
        return NotImplemented
    dim %= tensors[0].ndim
    words = torch.cat([r.words for r in rows], dim)
    return SpikeTensor._of(Rows(words, rows[0].features), tensors[0])


@_register(aten.stack.default)
def _stack(tensors: list[Tensor], dim: int = 0) -> Any:
    rows = _joined(tensors, dim, tensors[0].ndim + 1)
    if rows is None:
        return NotImplemented
    dim %= tensors[0].ndim + 1
    words = torch.stack([r.words for r in rows], dim)
    return SpikeTensor._of(Rows(words, rows[0].features), tensors[0])


# -- copies -------------------------------------------------------------------------------------


@_register(aten.detach.default, aten.alias.default, aten.lift_fresh.default)
def _same(s: SpikeTensor) -> SpikeTensor:
    return SpikeTensor._of(s._layout, s)


@_register(aten.clone.default)
def _clone(s: SpikeTensor, memory_format: Any = None) -> SpikeTensor:  # noqa: ARG001
    return SpikeTensor._of(s._layout.clone(), s)


@_register(aten._to_copy.default)
def _to_copy(
    s: SpikeTensor, dtype: Any = None, device: Any = None, non_blocking: bool = False, **other: Any
) -> Any:
    if dtype is not None and not dtype.is_floating_point:
        return NotImplemented
    if other.get("layout") not in (None, torch.strided):
        return NotImplemented
    device = s.device if device is None else torch.device(device)
    layout = s._layout.clone() if device == s.device else s._layout.to(device, non_blocking)
    return SpikeTensor(layout, s.dtype if dtype is None else dtype)


@_register(aten.is_pinned.default)
def _is_pinned(s: SpikeTensor, device: Any = None) -> bool:  # noqa: ARG001
    return _rows(s).words.is_pinned()


@_register(aten._pin_memory.default)
def _pin_memory(s: SpikeTensor, device: Any = None) -> SpikeTensor:  # noqa: ARG001
    rows = _rows(s)
    return SpikeTensor._of(Rows(rows.words.pin_memory(), rows.features), s)


# -- sums over time -----------------------------------------------------------------------------


def count_over_time(words: Tensor, features: int) -> Tensor:
    """Spikes of each feature, float32 ``[..., F]``, from words ``[T, ..., W]``."""
    octets = words.contiguous().view(torch.uint8)
    count = torch.zeros(*words.shape[1:-1], features, dtype=torch.int32, device=words.device)
    for step in octets.unbind(0):
        bits = np.unpackbits(step.numpy(), axis=-1, count=features, bitorder="little")
        count += torch.from_numpy(bits)
    return count.to(torch.float32)


fast_counter: Any = None
"""A faster `count_over_time`, if the engine has one."""


def _counted(s: SpikeTensor) -> Tensor:
    rows = _rows(s)
    counter = fast_counter or count_over_time
    return counter(rows.words, rows.size).reshape(s.shape[1:])


class _OverTime(torch.autograd.Function):
    """Sum or mean over time. The gradient is a view with stride 0 along time."""

    @staticmethod
    def forward(ctx: Any, s: SpikeTensor, mean: bool) -> Tensor:
        ctx.steps, ctx.mean = len(s), mean
        count = _counted(s)
        return (count / len(s) if mean else count).to(s.dtype)

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

# -- Python functions ---------------------------------------------------------------------------


def _numpy(s: SpikeTensor, *args: Any, **kwargs: Any) -> Any:
    if s.requires_grad:
        raise RuntimeError("Can't call numpy() on spikes that require grad. Use detach() first.")
    return s.dense().numpy(*args, **kwargs)


functions[Tensor.numpy] = _numpy
functions[Tensor.__array__] = lambda s, *args: s.dense().__array__(*args)
functions[Tensor.tolist] = lambda s: s.dense().tolist()


def _collate(batch: list[Tensor], *, collate_fn_map: Any = None) -> Tensor:  # noqa: ARG001
    return torch.stack(batch)


default_collate_fn_map[SpikeTensor] = _collate
