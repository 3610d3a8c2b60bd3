"""Copies of spikes: on another device, in shared memory, as arrays, in batches of a DataLoader."""

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor
from torch.utils.data._utils.collate import default_collate_fn_map

from bitspike.spikes._layouts import Permuted
from bitspike.spikes._tensor import SpikeTensor, functions
from bitspike.spikes._views import _register, _stored, _with_words

aten = torch.ops.aten


@_register(aten.detach.default, aten.alias.default, aten.lift_fresh.default)
def _same(s: SpikeTensor) -> SpikeTensor:
    return SpikeTensor._of(s.bits, s)


@_register(aten.clone.default)
def _clone(s: SpikeTensor, memory_format: Any = None) -> SpikeTensor:  # noqa: ARG001
    return SpikeTensor._of(s.bits.clone(), s)


@_register(aten._to_copy.default)
def _to_copy(
    s: SpikeTensor, dtype: Any = None, device: Any = None, non_blocking: bool = False, **other: Any
) -> Any:
    if dtype is not None and not dtype.is_floating_point:
        return NotImplemented
    if other.get("layout") not in (None, torch.strided):
        return NotImplemented
    device = s.device if device is None else torch.device(device)
    layout = s.bits.clone() if device == s.device else s.bits.to(device, non_blocking)
    return SpikeTensor(layout, s.dtype if dtype is None else dtype)


@_register(aten.is_pinned.default)
def _is_pinned(s: SpikeTensor, device: Any = None) -> bool:  # noqa: ARG001
    return _stored(s).words.is_pinned()


@_register(aten._pin_memory.default)
def _pin_memory(s: SpikeTensor, device: Any = None) -> SpikeTensor:  # noqa: ARG001
    return _with_words(s, _stored(s).words.pin_memory())


def _memory(layout: Any) -> list[Tensor]:
    """The tensors that a layout is stored in."""
    if isinstance(layout, Permuted):
        return _memory(layout.base)
    parts = (getattr(layout, field.name) for field in fields(layout))
    return [part for part in parts if isinstance(part, Tensor)]


def _share_memory(s: SpikeTensor) -> SpikeTensor:
    for part in _memory(s.bits):
        part.share_memory_()  # type: ignore[no-untyped-call]
    return s


functions[Tensor.share_memory_] = _share_memory
functions[Tensor.is_shared] = lambda s: all(
    part.untyped_storage().is_shared() for part in _memory(s.bits)
)


# -- what leaves torch -----------------------------------------------------------------------------


def _numpy(s: SpikeTensor, *args: Any, **kwargs: Any) -> Any:
    if s.requires_grad:
        raise RuntimeError("Can't call numpy() on spikes that require grad. Use detach() first.")
    return s.dense().numpy(*args, **kwargs)


functions[Tensor.numpy] = _numpy
functions[Tensor.__array__] = lambda s, dtype=None: s.dense().__array__(dtype)
functions[Tensor.tolist] = lambda s: s.dense().tolist()


def _collate(batch: list[Tensor], *, collate_fn_map: Any = None) -> Tensor:  # noqa: ARG001
    return torch.stack(batch)


default_collate_fn_map[SpikeTensor] = _collate
