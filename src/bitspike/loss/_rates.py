"""Losses and accuracy of spike counts, rates and potentials of an output layer."""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.base import check_sequence


def grouped_count(s_seq: Tensor, num_classes: int | None) -> Tensor:
    """Return the spikes of each class, ``[B, C]``; neighbouring outputs may share a class."""
    check_sequence("a loss or accuracy on spikes", s_seq, ndim=3)
    count = s_seq.sum(0)
    if num_classes is None:
        return count
    if num_classes < 1 or count.shape[-1] % num_classes:
        raise ValueError(
            f"the number of outputs must be a multiple of num_classes, but there are "
            f"{count.shape[-1]} outputs and num_classes={num_classes} (shape {tuple(s_seq.shape)})"
        )
    return count.unflatten(-1, (num_classes, -1)).sum(-1)  # type: ignore[no-untyped-call, no-any-return]


def wanted(target: Tensor, like: Tensor, on: float, off: float) -> Tensor:
    """Return ``on`` for the right class and ``off`` for the others, ``[..., C]``."""
    return off + (on - off) * F.one_hot(target, like.shape[-1]).to(like.dtype)


def temporal_efficient_training_cross_entropy(x_seq: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy of the output at every time step, averaged.

    ``L = mean_t CE(X[t], target)``, averaged over samples as well, unlike the cross-entropy of
    the mean over time.

    Args:
        x_seq: ``[T, B, C, ...]``.
        target: class numbers ``[B, ...]``.

    Returns:
        A scalar.

    Paper: Deng et al., Temporal efficient training of spiking neural network via gradient
    re-weighting, ICLR 2022.
    """
    check_sequence("temporal_efficient_training_cross_entropy", x_seq, ndim=3)
    repeated = target.expand(len(x_seq), *target.shape)
    return F.cross_entropy(x_seq.flatten(0, 1), repeated.flatten(0, 1))


def ce_rate_loss(s_seq: Tensor, target: Tensor) -> Tensor:
    """Return `temporal_efficient_training_cross_entropy`, by snnTorch's name for it."""
    return temporal_efficient_training_cross_entropy(s_seq, target)


def ce_count_loss(s_seq: Tensor, target: Tensor, num_classes: int | None = None) -> Tensor:
    """Return the cross-entropy of the number of spikes.

    ``L = CE(sum_t S[t], target)``

    Args:
        s_seq: spikes ``[T, B, N]``.
        target: class numbers ``[B]``.
        num_classes: number of classes if several neighbouring outputs share a class (a
            population code); None is one output for each class.

    Returns:
        A scalar.

    Raises:
        ValueError: if N is no multiple of ``num_classes``.
    """
    return F.cross_entropy(grouped_count(s_seq, num_classes), target)


def ce_max_membrane_loss(v_seq: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy of each output's highest potential.

    ``L = CE(max_t V[t], target)``

    Args:
        v_seq: membrane potentials ``[T, B, C]``.
        target: class numbers ``[B]``.

    Returns:
        A scalar.
    """
    check_sequence("ce_max_membrane_loss", v_seq, ndim=3)
    return F.cross_entropy(v_seq.max(0).values, target)


def mse_count_loss(
    s_seq: Tensor,
    target: Tensor,
    correct_rate: float = 1.0,
    incorrect_rate: float = 0.0,
    num_classes: int | None = None,
) -> Tensor:
    """Return the squared difference between the number of spikes and its target, over T.

    ``L = mean((sum_t S[t] - N)**2) / T`` with ``N = int(T n correct_rate)`` for the right class
    and ``int(T n incorrect_rate)`` for the others, where ``n`` outputs share a class.

    Args:
        s_seq: spikes ``[T, B, N]``.
        target: class numbers ``[B]``.
        correct_rate: target of the right class, in spikes per time step.
        incorrect_rate: target of the other classes, in spikes per time step.
        num_classes: number of classes if several neighbouring outputs share a class; None is
            one output for each class.

    Returns:
        A scalar.

    Raises:
        ValueError: if N is no multiple of ``num_classes``.
    """
    count = grouped_count(s_seq, num_classes)
    most = len(s_seq) * (s_seq.shape[-1] / count.shape[-1])
    goal = wanted(target, count, int(most * correct_rate), int(most * incorrect_rate))
    return F.mse_loss(count, goal) / len(s_seq)


def mse_membrane_loss(
    v_seq: Tensor, target: Tensor, on_target: float = 1.0, off_target: float = 0.0
) -> Tensor:
    """Return the squared difference between potentials and their targets, averaged over time.

    Args:
        v_seq: membrane potentials ``[T, B, C]``.
        target: class numbers ``[B]``, or ``[T, B]`` where they change over time.
        on_target: target of the right class.
        off_target: target of the other classes.

    Returns:
        A scalar.
    """
    check_sequence("mse_membrane_loss", v_seq, ndim=3)
    return F.mse_loss(v_seq, wanted(target, v_seq, on_target, off_target).expand_as(v_seq))


def accuracy_rate(s_seq: Tensor, target: Tensor, num_classes: int | None = None) -> float:
    """Return the share of samples whose class spikes most often.

    Args:
        s_seq: spikes ``[T, B, N]``.
        target: class numbers ``[B]``.
        num_classes: number of classes if several neighbouring outputs share a class; None is
            one output for each class.

    Returns:
        A number in [0, 1]. Of classes with the same count the first is the answer.
    """
    return share(grouped_count(s_seq, num_classes), target)


def share(score: Tensor, target: Tensor) -> float:
    return float((score.argmax(-1) == target).double().mean())
