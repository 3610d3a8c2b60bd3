"""The surrogate of neurons that fire several spikes in a time step."""

from typing import Any, ClassVar

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import COUNT, FINITE, Domain


class MultiLevelSpikeCount(SurrogateFunctionBase):
    """Integer spike counts from 0 to a largest one, for I-LIF neurons.

    Forward ``round(clamp(x, 0, max_spike_count))``, halves to the even number. Primitive
    ``clamp(x, 0, max_spike_count)``, derivative 1 where ``grad_min <= x <= grad_max``, else 0.

    Args:
        max_spike_count: largest number of spikes in a step.
        spiking: False gives the primitive instead of the count.
        grad_window: ``(grad_min, grad_max)``; None is ``(0, max_spike_count)``, with which the
            derivative is the primitive's.

    Raises:
        ValueError: if ``max_spike_count`` is no integer of at least 1, or ``grad_window`` is not
            two numbers in ascending order.

    Paper: Luo et al., "Integer-valued training and spike-driven inference spiking neural network
    for high-performance and energy-efficient object detection", ECCV 2024.
    """

    domains: ClassVar[dict[str, Domain]] = {
        "max_spike_count": COUNT,
        "grad_min": FINITE,
        "grad_max": FINITE,
    }
    binary: ClassVar[bool] = False

    def __init__(
        self,
        max_spike_count: int,
        spiking: bool = True,
        grad_window: tuple[float, float] | None = None,
    ) -> None:
        COUNT.check(max_spike_count, "surrogate.MultiLevelSpikeCount: max_spike_count")
        window = (0.0, float(max_spike_count)) if grad_window is None else tuple(grad_window)
        if len(window) != 2 or not window[0] <= window[1]:
            raise ValueError(
                "surrogate.MultiLevelSpikeCount: grad_window must be (grad_min, grad_max) with "
                f"grad_min <= grad_max, but got {grad_window!r}"
            )
        super().__init__(
            spiking, max_spike_count=max_spike_count, grad_min=window[0], grad_max=window[1]
        )

    @staticmethod
    def fire(x: Any, max_spike_count: Any, grad_min: Any, grad_max: Any) -> Any:  # noqa: ARG004
        """``round(clamp(x, 0, max_spike_count))``."""
        return torch.round(torch.clamp(x, 0, max_spike_count))

    @staticmethod
    def primitive(x: Any, max_spike_count: Any, grad_min: Any, grad_max: Any) -> Any:  # noqa: ARG004
        """``clamp(x, 0, max_spike_count)``."""
        return torch.clamp(x, 0, max_spike_count)

    @staticmethod
    def derivative(x: Any, max_spike_count: Any, grad_min: Any, grad_max: Any) -> Any:  # noqa: ARG004
        """1 where ``grad_min <= x <= grad_max``, else 0."""
        inside = (x >= grad_min) & (x <= grad_max)
        return torch.where(inside, torch.ones_like(x), torch.zeros_like(x))
