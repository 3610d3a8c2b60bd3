"""Copies of spikes: on another device, in shared memory, as arrays, in batches of a DataLoader."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.data._utils.collate import default_collate_fn_map

from bitspike.spikes._tensor import SpikeTensor, functions, register
from bitspike.spikes._views import stored, with_words

aten = torch.ops.aten


@register(aten.detach.default, aten.alias.default, aten.lift_fresh.default)
def _same(s: SpikeTensor) -> SpikeTensor:
    return SpikeTensor.of(s.bits, s)


@register(aten.clone.default)
def _clone(s: SpikeTensor, memory_format: Any = None) -> SpikeTensor:  # noqa: ARG001
    return SpikeTensor.of(s.bits.map(torch.clone), s)


@register(aten._to_copy.default)
def _to_copy(
    s: SpikeTensor, dtype: Any = None, device: Any = None, non_blocking: bool = False, **other: Any
) -> Any:
    if dtype is not None and not dtype.is_floating_point:
        return NotImplemented
    if other.get("layout") not in (None, torch.strided):
        return NotImplemented
    device = s.device if device is None else torch.device(device)
    layout = s.bits.map(torch.clone) if device == s.device else s.bits.to(device, non_blocking)
    return SpikeTensor(layout, s.dtype if dtype is None else dtype)


@register(aten.is_pinned.default)
def _is_pinned(s: SpikeTensor, device: Any = None) -> bool:  # noqa: ARG001
    return stored(s).words.is_pinned()


@register(aten._pin_memory.default)
def _pin_memory(s: SpikeTensor, device: Any = None) -> SpikeTensor:  # noqa: ARG001
    return with_words(s, stored(s).words.pin_memory())


def _share_memory(s: SpikeTensor) -> SpikeTensor:
    for part in s.bits.tensors:
        part.share_memory_()  # type: ignore[no-untyped-call]
    return s


functions[Tensor.share_memory_] = _share_memory
functions[Tensor.is_shared] = lambda s: all(
    part.untyped_storage().is_shared() for part in s.bits.tensors
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
