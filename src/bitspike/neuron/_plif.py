"""The leaky integrate-and-fire neuron that learns its time constant."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import dynamics
from bitspike.base import check_tau
from bitspike.neuron._base import BaseNode


class ParametricLIFNode(BaseNode):
    """Leaky integrate and fire with a learnable time constant, one for the whole layer.

    The parameter is ``w = -ln(init_tau - 1)``, so that ``1 / tau = sigmoid(w)`` stays in (0, 1).
    Charge, with ``r = v_reset`` (0 under soft reset)::

        H[t] = V[t-1] + (X[t] - (V[t-1] - r)) sigmoid(w)     decay_input=True
        H[t] = V[t-1] - (V[t-1] - r) sigmoid(w) + X[t]       decay_input=False

    Fire, reset and the other arguments: see `BaseNode`.

    Args:
        init_tau: membrane time constant at the start, in time steps, greater than 1.
        decay_input: whether the input is multiplied by ``sigmoid(w)`` as well.

    Paper: Fang et al., "Incorporating learnable membrane time constant to enhance learning of
    spiking neural networks", ICCV 2021.
    """

    def __init__(
        self,
        init_tau: float = 2.0,
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
        self.decay_input = bool(decay_input)
        w = -math.log(check_tau(self, "init_tau", init_tau) - 1.0)
        self.w = nn.Parameter(torch.tensor(w))

    @property
    def tau(self) -> float:
        """The time constant that has been learned so far, in time steps."""
        return 1.0 / float(self.w.detach().sigmoid())

    def charge(self, x: Any, v: Any) -> Any:
        """The leaky integration of the class's description."""
        return dynamics.plif_charge(x, v, self.w.sigmoid(), self.decay_input, self.v_reset)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"tau={self.tau:.4g}, decay_input={self.decay_input}, {super().extra_repr()}"
