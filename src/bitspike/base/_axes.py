"""The axes that layers take, and the checks of inputs against them."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.base._containers import is_chain
from bitspike.base._step_module import StepModule

SPACE = {1: "L", 2: "H, W", 3: "D, H, W"}
"""The axes of a space by its number of dimensions."""

_CHANNELS_SECOND = (
    nn.ChannelShuffle, nn.FeatureAlphaDropout, nn.Fold, nn.GroupNorm, nn.LocalResponseNorm,
    nn.SyncBatchNorm, nn.Unfold, nn.Upsample,
)  # fmt: skip
"""Layers that take channels or positions from the second axis on, without saying so by name."""


def _axes_by_name(name: str) -> tuple[str, ...]:
    dimensions = re.search("([123])d$", name)
    space = f"C, {SPACE[int(dimensions[1])]}" if dimensions else ""
    return ("C", space) if name.endswith("BatchNorm1d") else (space,) if space else ()


_AXES = {kind: axes for name, kind in vars(nn).items() if (axes := _axes_by_name(name))}


def step_axes(kind: type[Any]) -> tuple[str, ...]:
    """Return the axes after the batch that a class of torch's, or a subclass of it, takes.

    ``("C, L",)`` for ``nn.Conv1d``, ``("C", "C, L")`` for ``nn.BatchNorm1d``; an empty tuple for
    a class that takes any axes.
    """
    for base in kind.__mro__:
        if base in _AXES:
            return _AXES[base]
    return ()


def check_first(module: Any, x_seq: Tensor) -> None:
    """Raise ValueError if ``x_seq`` has too few or too many axes for the first of the modules."""
    while isinstance(module, list | tuple) or is_chain(module) or _is_container(module):
        if not len(module):
            return
        module = next(iter(module))
    if isinstance(module, nn.Module):
        check_rank(type(module).__name__, step_axes(type(module)), x_seq.shape, single=False)


def _is_container(module: Any) -> bool:
    return isinstance(module, nn.Sequential) and isinstance(module, StepModule)


def check_rank(name: str, axes: Sequence[str], shape: torch.Size, single: bool = True) -> None:
    """Raise ValueError unless ``shape`` is ``[T, B, ...]`` with one of the given ``axes``.

    Args:
        name: name of the module in the message.
        axes: the alternatives for the axes after ``[T, B]``; without any, every shape passes.
        shape: shape of the input.
        single: True if the module takes single steps as well, which the message then suggests.
    """
    if axes and len(shape) not in {3 + alternative.count(",") for alternative in axes}:
        raise wrong_axes(name, axes, shape, single)


def check_channels(module: StepModule, channels: int, x_seq: Tensor, single: bool = True) -> None:
    """Raise ValueError unless ``x_seq`` is ``[T, B, C]`` or ``[T, B, C, L]`` with ``channels``.

    A single step ``[B, C, L]`` has as many axes as ``[T, B, C]``.
    """
    if x_seq.ndim not in (3, 4) or x_seq.shape[2] != channels:
        axes = [f"C={channels}", f"C={channels}, L"]
        raise wrong_axes(module._whoami(), axes, x_seq.shape, single)


def wrong_axes(
    name: str, axes: Sequence[str], shape: torch.Size, single: bool = True
) -> ValueError:
    """Return the error for a ``shape`` that is not ``[T, B, ...]`` with one of these ``axes``."""
    sequence, step = (" or ".join(f"[{lead}, {a}]" for a in axes) for lead in ("T, B", "B"))
    cure = "give the input a time axis, such as img.expand(T, *img.shape)"
    if single:
        cure += f", or call functional.set_step_mode(net, 's') to take single steps {step}"
    return ValueError(
        f"{name}: expected {sequence} in multi-step mode, but got shape {tuple(shape)}; {cure}"
    )


def takes_time_for_batch(module: nn.Module) -> bool:
    """Return whether the module is torch's own and would take a leading time axis for the batch."""
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
