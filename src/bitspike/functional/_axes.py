"""Which axes torch's layers want, and which of them would take time for batch."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.base import StepModule, is_chain

SPACE = {1: "L", 2: "H, W", 3: "D, H, W"}
"""The axes of a space with so many dimensions."""


_CHANNELS_SECOND = (
    nn.ChannelShuffle, nn.FeatureAlphaDropout, nn.Fold, nn.GroupNorm, nn.LocalResponseNorm,
    nn.SyncBatchNorm, nn.Unfold, nn.Upsample,
)  # fmt: skip
"""Layers with channels or places at the axes after the first, whose names do not say how many."""


def _axes_by_name(name: str) -> tuple[str, ...]:
    found = re.search("([123])d$", name)
    space = f"C, {SPACE[int(found[1])]}" if found else ""
    return ("C", space) if name.endswith("BatchNorm1d") else (space,) if space else ()


_AXES = {kind: axes for name, kind in vars(nn).items() if (axes := _axes_by_name(name))}


def step_axes(kind: type[Any]) -> tuple[str, ...]:
    """The axes after the batch that a class of torch's, or one derived from it, takes.

    ``("C, L",)`` for ``nn.Conv1d``, ``("C", "C, L")`` for ``nn.BatchNorm1d``; nothing for a class
    that takes any.
    """
    for base in kind.__mro__:
        if base in _AXES:
            return _AXES[base]
    return ()


def check_first(module: Any, x_seq: Tensor) -> None:
    """Raises ValueError if ``x_seq`` has too few or too many axes for the first of the modules."""
    while isinstance(module, list | tuple) or is_chain(module) or _is_container(module):
        if not len(module):
            return
        module = next(iter(module))
    if isinstance(module, nn.Module):
        check_rank(type(module).__name__, step_axes(type(module)), x_seq.shape, single=False)


def _is_container(module: Any) -> bool:
    return isinstance(module, nn.Sequential) and isinstance(module, StepModule)


def check_rank(name: str, axes: Sequence[str], shape: torch.Size, single: bool = True) -> None:
    """Raises ValueError unless ``shape`` is ``[T, B, ...]`` with one of these ``axes``, or none is.

    ``name`` is how the message calls the module, which ``single`` says to take single steps too.
    """
    if axes and len(shape) not in {3 + one.count(",") for one in axes}:
        raise wrong_axes(name, axes, shape, single)


def check_channels(module: StepModule, channels: int, x_seq: Tensor, single: bool = True) -> None:
    """Raises ValueError unless ``x_seq`` is ``[T, B, C]`` or ``[T, B, C, L]`` with ``channels``.

    A single step ``[B, C, L]`` has as many axes as ``[T, B, C]``.
    """
    if x_seq.ndim not in (3, 4) or x_seq.shape[2] != channels:
        axes = [f"C={channels}", f"C={channels}, L"]
        raise wrong_axes(module._whoami(), axes, x_seq.shape, single)


def wrong_axes(
    name: str, axes: Sequence[str], shape: torch.Size, single: bool = True
) -> ValueError:
    """What to raise if ``shape`` is not ``[T, B, ...]`` with one of these ``axes``."""
    sequence, step = (" or ".join(f"[{lead}, {one}]" for one in axes) for lead in ("T, B", "B"))
    cure = "give the input a time axis, such as img.expand(T, *img.shape)"
    if single:
        cure += f", or call functional.set_step_mode(net, 's') to take single steps {step}"
    return ValueError(
        f"{name}: expected {sequence} in multi-step mode, but got shape {tuple(shape)}; {cure}"
    )


def takes_time_for_batch(module: nn.Module) -> bool:
    """Whether the module is torch's own and wants the batch, or channels, where time shifts it."""
    kind: Any = type(module)
    torch_kind: Any = next(base for base in kind.__mro__ if base.__module__.startswith("torch."))
    if kind.forward is not torch_kind.forward:
        return False  # it may know of time
    if step_axes(kind) or isinstance(module, _CHANNELS_SECOND):
        return True
    if isinstance(module, nn.Flatten):
        return module.start_dim in (0, 1)
    if isinstance(module, nn.Unflatten | nn.Softmax | nn.LogSoftmax | nn.Softmin):
        return module.dim in (None, 1)
    if isinstance(module, nn.PReLU):
        return module.num_parameters > 1
    if isinstance(module, nn.RNNBase | nn.MultiheadAttention):
        return bool(module.batch_first)
    return False
