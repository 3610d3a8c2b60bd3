"""The time of the first spike, and losses and accuracy on it."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.base import check_sequence
from bitspike.loss._rates import share, wanted
from bitspike.spikes import plain


def first_spike_index(spikes: Tensor) -> Tensor:
    """Return True where a neuron spikes for the first time; the last axis is time.

    Args:
        spikes: 0 and 1, ``[..., T]``.

    Returns:
        bool, ``[..., T]``, with one True at most along T.
    """
    return (spikes != 0) & (spikes.cumsum(-1) == 1)


class _FirstSpikeTime(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, s_seq: Tensor) -> Tensor:
        last = len(s_seq) - 1
        silent = ~(s_seq != 0).any(0)
        time = (s_seq != 0).to(torch.uint8).argmax(0).masked_fill(silent, last)
        ctx.save_for_backward(time)
        ctx.steps = len(s_seq)
        return time.to(s_seq.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (time,) = ctx.saved_tensors
        return torch.zeros(ctx.steps, *grad.shape, dtype=grad.dtype, device=grad.device).scatter_(
            0, time.unsqueeze(0), -grad.unsqueeze(0)
        )


def first_spike_time(s_seq: Tensor) -> Tensor:
    """Return the time step of each neuron's first spike, and ``T - 1`` if there is none.

    The gradient is -1 for the spike at that step and 0 for all others: a larger spike counts as an
    earlier one.

    Args:
        s_seq: spikes ``[T, ...]``.

    Returns:
        Time steps, from 0, in the dtype of ``s_seq``, ``[...]``.
    """
    check_sequence("first_spike_time", s_seq)
    return _FirstSpikeTime.apply(plain(s_seq))  # type: ignore[no-any-return, no-untyped-call]


def mse_temporal_loss(
    s_seq: Tensor,
    target: Tensor,
    target_is_time: bool = False,
    on_target: int = 0,
    off_target: int = -1,
    tolerance: int = 0,
) -> Tensor:
    """Return the squared difference between the time of the first spike and its target, over T.

    Args:
        s_seq: spikes ``[T, B, C]``.
        target: class numbers ``[B]``, or target time steps ``[B, C]``.
        target_is_time: whether ``target`` holds time steps.
        on_target: target time step of the right class; negative ones count from the end.
        off_target: target time step of the other classes.
        tolerance: a spike closer to its target than this has no loss.

    Returns:
        A scalar.
    """
    check_sequence("mse_temporal_loss", s_seq, ndim=3)
    T, time = len(s_seq), first_spike_time(s_seq)
    goal = target.to(time.dtype) if target_is_time else wanted(target, time, on_target, off_target)
    goal = torch.where(goal < 0, goal + T, goal)
    missed = time - goal
    if tolerance:
        missed = torch.where(missed.abs() < tolerance, missed - missed.detach(), missed)
    return (missed / T).square().mean()


def ce_temporal_loss(s_seq: Tensor, target: Tensor, inverse: str = "negate") -> Tensor:
    """Return the cross-entropy of the inverted times of first spikes: the right class comes first.

    ``L = CE(-t, target)``, or ``CE(1 / (t + 1), target)`` with ``inverse='reciprocal'``.

    Args:
        s_seq: spikes ``[T, B, C]``.
        target: class numbers ``[B]``.
        inverse: ``'negate'`` or ``'reciprocal'``.

    Returns:
        A scalar.

    Raises:
        ValueError: for another ``inverse``.
    """
    check_sequence("ce_temporal_loss", s_seq, ndim=3)
    if inverse not in ("negate", "reciprocal"):
        raise ValueError(f"inverse must be 'negate' or 'reciprocal', but got {inverse!r}")
    time = first_spike_time(s_seq)
    return F.cross_entropy(-time if inverse == "negate" else 1 / (time + 1), target)


def accuracy_temporal(s_seq: Tensor, target: Tensor) -> float:
    """Return the share of samples whose class spikes first.

    Args:
        s_seq: spikes ``[T, B, C]``.
        target: class numbers ``[B]``.

    Returns:
        A number in [0, 1]. Of classes that spike at the same step the first is the answer.
    """
    check_sequence("accuracy_temporal", s_seq, ndim=3)
    return share(-first_spike_time(s_seq), target)
