"""A linear layer on constant-rate spikes and the neurons behind it as an operator."""

from typing import Any

from torch import Tensor

from bitspike import dispatch
from bitspike.kernels.fused import Current
from bitspike.kernels.runtime.operator import operator
from bitspike.kernels.scan.operator import recorded_step
from bitspike.kernels.scan.record import scan_recorded
from bitspike.spikes import ActivePixels, SpikeTensor


def _linear_scan(
    index: Tensor,
    count: Tensor,
    units: Tensor,
    steps: int,
    weight: Tensor,
    states: list[Tensor],
    numbers: list[float],
    step: str,
) -> tuple[Tensor, list[Tensor]]:
    """Return spikes ``[T, B, O]`` and last states of the `ActivePixels` index, count, units."""
    pixels = ActivePixels(index, count, units, steps, (weight.shape[1],))
    current = Current(SpikeTensor(pixels, weight.dtype), weight)
    recorded = recorded_step(step, numbers, [], weight)
    kernels: Any = dispatch.available("fused", current, states)
    result: Any = None if kernels is None else kernels.scan_of_record(recorded, current, states)
    if result is not None:
        spikes, last = result
        return spikes.dense(), list(last)
    outputs: Any = scan_recorded(recorded, current.dense(), states, False)
    y, _, *rest = outputs
    return y, rest


def _fake(
    index: Tensor,  # noqa: ARG001
    count: Tensor,
    units: Tensor,  # noqa: ARG001
    steps: int,
    weight: Tensor,
    states: list[Tensor],
    *_: Any,
) -> tuple[Tensor, list[Tensor]]:
    shape = len(count), len(weight)
    return weight.new_empty((steps, *shape)), [weight.new_empty(shape) for _ in states]


linear_scan_operator = operator(_linear_scan, _fake, "linear_scan")
