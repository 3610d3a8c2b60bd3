"""A linear layer on constant-rate spikes and the neurons behind it as an operator."""

from typing import Any

import torch
from torch import Tensor

from bitspike import dispatch
from bitspike.kernels.fused import Current
from bitspike.kernels.runtime.operator import operator
from bitspike.kernels.scan.operator import check_states, recorded_step
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
    check_states(states, step, (len(count), len(weight)), weight.dtype)
    _check_pixels(index, count, weight.shape[1])
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


def _check_pixels(index: Tensor, count: Tensor, features: int) -> None:
    """Raise ValueError unless all listed pixels, and what fills up their groups, are features."""
    groups = (count.unsqueeze(-1) + 3) // 4
    listed = index[torch.arange(index.shape[-1], device=index.device) < 4 * groups]
    for values in (listed, count):
        if values.numel() and not 0 <= int(values.min()) <= int(values.max()) <= features:
            raise ValueError(
                f"linear_scan: index and count must be from 0 to {features}, the features, but got "
                f"{int(values.min())} to {int(values.max())}"
            )


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
