"""Run single-step and stateless modules on a sequence ``[T, B, ...]``."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import kernels
from bitspike.base._axes import check_first
from bitspike.base._checks import check_sequence
from bitspike.base._containers import has_hooks

Stateless = Callable[..., Any]


def run_module(module: Stateless, x: Any) -> Any:
    """Return ``module(x)``; the modules of an ``nn.Sequential`` are called one by one.

    Torch's own convolutions get a layout that they compute correctly.
    """
    if type(module) is nn.Sequential and not has_hooks(module):
        for child in module:
            x = run_module(child, x)
        return x
    return module(kernels.contiguous_for_torch(module, x))


def chain(x: Any, module: Stateless | Sequence[Stateless]) -> Any:
    """Apply the modules one after the other; the first takes a tuple as its arguments."""
    for child in module if isinstance(module, list | tuple) else (module,):
        x = child(*x) if isinstance(x, tuple) else run_module(child, x)
    return x


def _separate(y: Any, T: int, B: int) -> Any:
    if isinstance(y, tuple):  # max-pooling with return_indices=True
        return tuple(_separate(output, T, B) for output in y)
    return y.reshape(T, B, *y.shape[1:])


def multi_step_forward(
    x_seq: Tensor, single_step_module: Stateless | Sequence[Stateless]
) -> Tensor:
    """Call a single-step module once for each time step.

    Args:
        x_seq: input ``[T, B, ...]``.
        single_step_module: a single-step module, or a list or tuple of them, applied one after
            the other.

    Returns:
        The outputs, stacked: ``[T, B, ...]``.
    """
    check_sequence("multi_step_forward", x_seq)
    return torch.stack([chain(x, single_step_module) for x in x_seq])


def chunk_multi_step_forward(
    split_size: int, x_seq: Tensor, multi_step_module: Callable[[Tensor], Tensor]
) -> Tensor:
    """Call a multi-step module on one piece of the sequence after the other.

    The state passes from piece to piece, so that the result is that of one call; without
    gradients, one piece at a time takes memory.

    Args:
        split_size: time steps in a piece; the last may be shorter.
        x_seq: input ``[T, B, ...]``.
        multi_step_module: a multi-step module.

    Returns:
        The outputs ``[T, B, ...]``.

    Raises:
        ValueError: if ``split_size`` is below 1 or the sequence is empty.
    """
    check_sequence("chunk_multi_step_forward", x_seq)
    if split_size < 1:
        raise ValueError(
            f"chunk_multi_step_forward: split_size is a number of time steps, 1 or more, but got "
            f"{split_size}"
        )
    starts = range(0, len(x_seq), split_size)  # torch.split would unpack spikes stored as bits
    return torch.cat([multi_step_module(x_seq[t : t + split_size]) for t in starts])


def seq_to_ann_forward(
    x_seq: Tensor | tuple[Tensor, ...], stateless_module: Stateless | Sequence[Stateless]
) -> Any:
    """Call a stateless module once, on all time steps as one large batch.

    Args:
        x_seq: input ``[T, B, ...]``, or a tuple of inputs for a module that takes several.
        stateless_module: a stateless module, or a list or tuple of them, applied one after the
            other.

    Returns:
        The outputs ``[T, B, ...]``; a tuple of them if the module returns one.

    Raises:
        ValueError: if an input has fewer than two dimensions, or T and B differ among them; if
            the first module is one of torch's and takes another number of axes.
    """
    inputs = x_seq if isinstance(x_seq, tuple) else (x_seq,)
    for x in inputs:
        check_sequence("seq_to_ann_forward", x, ndim=2)
    if len(inputs) == 1:
        check_first(stateless_module, inputs[0])
    T, B = inputs[0].shape[:2]
    if any(x.shape[:2] != (T, B) for x in inputs):
        raise ValueError(
            "seq_to_ann_forward: all inputs must have the same T and B, but got shapes "
            f"{', '.join(str(tuple(x.shape)) for x in inputs)}"
        )
    merged = tuple(x.flatten(0, 1) for x in inputs)
    return _separate(chain(merged, stateless_module), T, B)


def t_last_multi_step_forward(
    x_seq: Tensor, single_step_module: Stateless | Sequence[Stateless]
) -> Tensor:
    """Return what `multi_step_forward` returns, with the time axis last in input and output.

    Args:
        x_seq: input ``[B, ..., T]``.
        single_step_module: a single-step module, or a list or tuple of them.

    Returns:
        The outputs ``[B, ..., T]``.
    """
    check_sequence("t_last_multi_step_forward, time moved to the front", x_seq.movedim(-1, 0))
    return torch.stack([chain(x, single_step_module) for x in x_seq.unbind(-1)], -1)


def t_last_seq_to_ann_forward(
    x_seq: Tensor, stateless_module: Stateless | Sequence[Stateless]
) -> Any:
    """Return what `seq_to_ann_forward` returns, with the time axis last in input and output.

    Args:
        x_seq: input ``[B, ..., T]``.
        stateless_module: a stateless module, or a list or tuple of them.

    Returns:
        The outputs ``[B, ..., T]``; a tuple of them if the module returns one.
    """
    y = seq_to_ann_forward(x_seq.movedim(-1, 0), stateless_module)
    return (
        tuple(output.movedim(0, -1) for output in y) if isinstance(y, tuple) else y.movedim(0, -1)
    )
