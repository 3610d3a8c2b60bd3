"""The leaky integrate-and-fire neuron with a learnable slope."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import dynamics
from bitspike.base import check_tau
from bitspike.neuron._base import BaseNode


class KLIFNode(BaseNode):
    """Leaky integrate and fire with a learnable slope ``k`` of the charged potential.

    ::

        H[t] = relu(k charge(V[t-1], X[t]))      the charge of `LIFNode`
        S[t] = Theta(H[t] - v_threshold)

    With ``scale_reset`` the reset takes ``H / k`` and ``v_threshold / k``. Arguments that are not
    listed: see `LIFNode`.

    Args:
        scale_reset: whether the potential is divided by ``k`` again before the reset.
        tau: membrane time constant in time steps, greater than 1.
        decay_input: whether the input is divided by tau as well.

    Paper: Jiang and Zhang, "KLIF: an optimized spiking neuron unit for tuning surrogate gradient
    slope and membrane potential", arXiv 2302.09238.
    """

    def __init__(
        self,
        scale_reset: bool = False,
        tau: float = 2.0,
        decay_input: bool = True,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq
        )
        self.scale_reset = bool(scale_reset)
        self.tau = check_tau(self, "tau", tau)
        self.decay_input = bool(decay_input)
        self.k = nn.Parameter(torch.tensor(1.0))

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step, ``(x, v)`` to ``(s, v)``."""
        (v,) = states
        return dynamics.klif_step(
            x, v, self.k, self.tau, self.decay_input, self.scale_reset,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        own = f"k={self.k.item():.4g}, tau={self.tau}, decay_input={self.decay_input}"
        return f"{own}, scale_reset={self.scale_reset}, {super().extra_repr()}"
