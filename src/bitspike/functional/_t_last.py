"""Feed a sequence whose time axis is the last, ``[B, ..., T]``."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bitspike.base import check_sequence
from bitspike.functional._sequence import Stateless, chain, seq_to_ann_forward


def t_last_multi_step_forward(
    x_seq: Tensor, single_step_module: Stateless | Sequence[Stateless]
) -> Tensor:
    """`multi_step_forward` with the time axis last, in input and output.

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
    """`seq_to_ann_forward` with the time axis last, in input and output.

    Args:
        x_seq: input ``[B, ..., T]``.
        stateless_module: a stateless module, or a list or tuple of them.

    Returns:
        The outputs ``[B, ..., T]``; a tuple of them if the module returns one.
    """
    y = seq_to_ann_forward(x_seq.movedim(-1, 0), stateless_module)
    return tuple(one.movedim(0, -1) for one in y) if isinstance(y, tuple) else y.movedim(0, -1)
