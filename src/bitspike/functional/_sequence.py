"""Feed a sequence ``[T, B, ...]`` to modules that know nothing of time."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Stateless = Callable[[Tensor], Tensor]


def _chain(x: Tensor, module: Stateless | Sequence[Stateless]) -> Tensor:
    for one in module if isinstance(module, list | tuple) else (module,):
        x = one(x)
    return x


def check_sequence(x_seq: Tensor, ndim: int, function: str) -> None:
    """Raises ValueError unless ``x_seq`` has ``ndim`` dimensions or more, and T >= 1."""
    if x_seq.ndim < ndim or x_seq.shape[0] == 0:
        shape = "[T, B, ...]" if ndim > 1 else "[T, ...]"
        raise ValueError(
            f"{function}: the input must be a sequence {shape} with T >= 1, but got shape "
            f"{tuple(x_seq.shape)}"
        )


def _separate(y: Any, T: int, B: int) -> Any:
    if isinstance(y, tuple):  # max-pooling with return_indices=True
        return tuple(_separate(one, T, B) for one in y)
    return y.reshape(T, B, *y.shape[1:])


def multi_step_forward(
    x_seq: Tensor, single_step_module: Stateless | Sequence[Stateless]
) -> Tensor:
    """Calls a single-step module once a time step.

    Args:
        x_seq: input ``[T, B, ...]``.
        single_step_module: a single-step module, or a list or tuple of them, applied one after
            the other.

    Returns:
        The outputs, stacked: ``[T, B, ...]``.
    """
    check_sequence(x_seq, 1, "multi_step_forward")
    return torch.stack([_chain(x, single_step_module) for x in x_seq])


def seq_to_ann_forward(x_seq: Tensor, stateless_module: Stateless | Sequence[Stateless]) -> Tensor:
    """Calls a stateless module once, on all time steps as one large batch.

    Args:
        x_seq: input ``[T, B, ...]``.
        stateless_module: a stateless module, or a list or tuple of them, applied one after the
            other.

    Returns:
        The outputs ``[T, B, ...]``.
    """
    check_sequence(x_seq, 2, "seq_to_ann_forward")
    T, B = x_seq.shape[:2]
    y_seq: Tensor = _separate(_chain(x_seq.flatten(0, 1), stateless_module), T, B)
    return y_seq
