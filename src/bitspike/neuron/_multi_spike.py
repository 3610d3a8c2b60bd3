"""The leaky integrate-and-fire neuron with any number of spikes a step."""

from typing import Any

import torch

from bitspike import dynamics
from bitspike.base import check_positive, check_tau
from bitspike.neuron._base import BaseNode


class MultiSpikeLIFNode(BaseNode):
    """Leaky integrate and fire that may spike several times a step (as in sinabs).

    ::

        H[t] = V[t-1] + (X[t] - V[t-1]) / tau
        S[t] = max(0, floor(H[t] / v_threshold))       at most max_spikes
        V[t] = H[t] - v_threshold S[t]

    The gradient of S with respect to ``H / v_threshold`` is that of a periodic sum of the surrogate
    at each threshold, cut to the spikes' range: 1 where ``v_threshold / 2 < H``, up to
    ``max_spikes + 1/2`` thresholds, else 0. Arguments that are not listed: see `BaseNode`.

    Args:
        tau: membrane time constant in time steps, greater than 1.
        v_threshold: potential of one spike.
        max_spikes: the most spikes in one step.
    """

    def __init__(
        self,
        tau: float = 2.0,
        v_threshold: float = 1.0,
        max_spikes: float = 15.0,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__(v_threshold, None, None, detach_reset, step_mode, store_v_seq)
        # The gradient is this neuron's own, of another number of spikes.
        self.surrogate_function = None  # type: ignore[assignment]
        check_positive(self, "v_threshold", v_threshold)
        self.tau = check_tau(self, "tau", tau)
        self.max_spikes = check_positive(self, "max_spikes", max_spikes)

    def charge(self, x: Any, v: Any) -> Any:
        """The charge of the class's description."""
        return dynamics.lif_charge(x, v, self.tau, True, None)

    def fire(self, h: Any) -> Any:
        """Spikes, straight through in the gradient."""
        u = h / self.v_threshold
        straight = torch.clamp(u - 0.5, 0.0, self.max_spikes)
        spikes = torch.clamp(torch.floor(u), 0.0, self.max_spikes)
        return straight + (spikes - straight).detach()

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"tau={self.tau}, max_spikes={self.max_spikes}, {super().extra_repr()}"
