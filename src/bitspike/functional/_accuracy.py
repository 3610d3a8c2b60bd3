"""The share of samples that an output layer gets right."""

from torch import Tensor

from bitspike.base import check_sequence
from bitspike.functional._rate_loss import grouped_count
from bitspike.functional._spike_times import first_spike_time


def accuracy_rate(s_seq: Tensor, target: Tensor, num_classes: int | None = None) -> float:
    """Share of samples whose class spikes most often.

    Args:
        s_seq: spikes ``[T, B, N]``.
        target: class numbers ``[B]``.
        num_classes: number of classes if several neighbouring outputs stand for one; None is one
            output a class.

    Returns:
        A number in [0, 1]. Of classes with the same count the first is the answer.
    """
    return _share(grouped_count(s_seq, num_classes), target)


def accuracy_temporal(s_seq: Tensor, target: Tensor) -> float:
    """Share of samples whose class spikes first.

    Args:
        s_seq: spikes ``[T, B, C]``.
        target: class numbers ``[B]``.

    Returns:
        A number in [0, 1]. Of classes that spike at the same step the first is the answer.
    """
    check_sequence("accuracy_temporal", s_seq, ndim=3)
    return _share(-first_spike_time(s_seq), target)


def _share(score: Tensor, target: Tensor) -> float:
    return float((score.argmax(-1) == target).double().mean())
