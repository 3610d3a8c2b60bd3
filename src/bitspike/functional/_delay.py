"""Let a sequence arrive later."""

import torch
from torch import Tensor

from bitspike.spikes import Rows, SpikeTensor


def check_delay(delay_steps: int) -> int:
    """``delay_steps``, if it is a number of time steps.

    Raises:
        ValueError: if it is not an integer or below 0.
    """
    if isinstance(delay_steps, bool) or not isinstance(delay_steps, int) or delay_steps < 0:
        raise ValueError(
            f"delay_steps is a number of time steps, an integer of 0 or more, but got "
            f"{delay_steps!r}"
        )
    return delay_steps


def _silence(x: Tensor) -> Tensor:
    """Zeros like ``x``; bits if ``x`` is."""
    if not isinstance(x, SpikeTensor):
        return torch.zeros_like(x)
    rows = x._layout.rows()
    return SpikeTensor(Rows(torch.zeros_like(rows.words), rows.features), x.dtype)


def delay(x_seq: Tensor, delay_steps: int) -> Tensor:
    """The sequence ``delay_steps`` later: zeros come first, and as many last steps are lost.

    ``Y[t] = X[t - delay_steps]``, and 0 for ``t < delay_steps``

    Args:
        x_seq: ``[T, ...]``; spikes stored as bits stay bits.
        delay_steps: time steps, 0 or more.

    Returns:
        ``Y``, ``[T, ...]``.

    Raises:
        ValueError: if ``delay_steps`` is not an integer or below 0.
    """
    check_delay(delay_steps)
    if delay_steps == 0:
        return x_seq
    if delay_steps >= len(x_seq):
        return _silence(x_seq)
    return torch.cat((_silence(x_seq[:delay_steps]), x_seq[:-delay_steps]))


def delay_step(
    x: Tensor, queue: tuple[Tensor, ...], delay_steps: int
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One time step of `delay`.

    Args:
        x: ``X[t]``, ``[B, ...]``.
        queue: the inputs that are under way, oldest first; ``()`` at the first step.
        delay_steps: time steps, 0 or more.

    Returns:
        ``X[t - delay_steps]``, zeros while there is none, and the queue for the next step.

    Raises:
        ValueError: if ``delay_steps`` is not an integer or below 0.
    """
    check_delay(delay_steps)
    waiting = (*queue, x)
    if len(waiting) > delay_steps:
        return waiting[0], waiting[1:]
    return _silence(x), waiting
