"""A recorded step over a sequence on torch's operations, for gradients of gradients."""

from collections.abc import Sequence

from torch import Tensor

from bitspike.kernels import eager
from bitspike.kernels._interpret import step_of
from bitspike.kernels._record import Recorded


def scan_recorded(
    recorded: Recorded, x_seq: Tensor, tensors: Sequence[Tensor], store_v_seq: bool
) -> tuple[Tensor | None, ...]:
    """A whole sequence by the reference; see `bitspike.kernels.eager.scan`.

    Args:
        recorded: the step.
        x_seq: input ``[T, B, ...]``.
        tensors: states, fields and learned numbers, in the order of `Recorded.tensors`.
        store_v_seq: True records the first state after each step.

    Returns:
        Outputs, the recorded states or None, the last states.
    """
    states, fields = recorded.states, recorded.states + len(recorded.fields)
    learned = dict(zip(recorded.learned, tensors[fields:], strict=True))
    step = step_of(recorded.program, tensors[states:fields], learned)
    y, last, v_seq = eager.scan(step, x_seq, tensors[:states], store_v_seq)
    return (y, v_seq, *last)
