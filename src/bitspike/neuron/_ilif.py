"""The leaky integrate-and-fire neuron with several spikes a step."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from bitspike import dynamics
from bitspike.neuron._lif import LIFNode
from bitspike.surrogate import MultiLevelSpikeCount


class ILIFNode(LIFNode):
    """Integer leaky integrate and fire: up to ``D`` spikes a step, as one whole number.

    ::

        H[t] = V[t-1] - V[t-1] / tau + X[t]
        S[t] = round(clamp(H[t] / v_threshold, 0, D))
        V[t] = H[t] - v_threshold S[t]

    Arguments that are not listed: see `BaseNode`.

    Args:
        tau: membrane time constant in time steps, greater than 1.
        v_threshold: potential of one spike.
        surrogate_function: a ``surrogate.MultiLevelSpikeCount``, which knows D; None is D = 4.

    Raises:
        ValueError: for another surrogate function, or one with ``spiking=False``.

    Paper: Luo et al., "Integer-valued training and spike-driven inference spiking neural network
    for high-performance and energy-efficient object detection", ECCV 2024.
    """

    def __init__(
        self,
        tau: float = 4.0 / 3.0,
        v_threshold: float = 1.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        spike = MultiLevelSpikeCount(4) if surrogate_function is None else surrogate_function
        if not isinstance(spike, MultiLevelSpikeCount) or not spike.spiking:
            raise ValueError(
                "ILIFNode: surrogate_function must be a MultiLevelSpikeCount with spiking=True, "
                f"but got {spike!r}"
            )
        super().__init__(tau, False, v_threshold, None, spike, detach_reset, step_mode, store_v_seq)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step, ``(x, v)`` to ``(s, v)``."""
        (v,) = states
        return dynamics.ilif_step(
            x, v, self.tau, self.v_threshold, self.surrogate_function, self.detach_reset
        )
