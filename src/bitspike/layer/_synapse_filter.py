"""A synapse that filters the spikes it receives."""

import math

import torch
from torch import Tensor, nn

from bitspike.base import MemoryModule, check_tau
from bitspike.layer._memory_shape import dense


def synapse_filter_step(x: Tensor, out_i: Tensor, reciprocal_tau: float | Tensor) -> Tensor:
    """One time step of a synaptic current, which a spike raises and which leaks without one.

    ``I[t] = I[t-1] - (1 - S[t]) I[t-1] / tau + S[t]``

    Args:
        x: spikes ``S[t]``, ``[B, ...]``.
        out_i: current ``I[t-1]`` of the step before, the same shape.
        reciprocal_tau: ``1 / tau``, tau in time steps; a number or a tensor.

    Returns:
        ``I[t]``, ``[B, ...]``.
    """
    return out_i - (1.0 - x) * out_i * reciprocal_tau + x


class SynapseFilter(MemoryModule):
    """A current that a spike raises by 1 and that leaks in the steps without one.

    ::

        I[t] = I[t-1] - (1 - S[t]) I[t-1] / tau + S[t]

    Input: spikes ``[B, ...]`` or ``[T, B, ...]``; output: currents of the same shape.

    Args:
        tau: time constant in time steps, greater than 1.
        learnable: whether tau is learned: ``1 / tau = sigmoid(w)``.
        step_mode: ``'s'`` or ``'m'``.

    Raises:
        TypeError, ValueError: if tau is not a number greater than 1.
        StateError: at an input that does not fit the state of an earlier one.

    Paper: Diehl and Cook, "Unsupervised learning of digit recognition using
    spike-timing-dependent plasticity", Frontiers in Computational Neuroscience 2015; learned:
    Fang et al., "Exploiting Neuron and Synapse Filter Dynamics in Spatial Temporal Learning of
    Deep Spiking Neural Network", IJCAI 2020.
    """

    out_i: float | Tensor

    def __init__(self, tau: float = 100.0, learnable: bool = False, step_mode: str = "s") -> None:
        super().__init__()
        self.step_mode = step_mode
        self.learnable = bool(learnable)
        self._tau = check_tau(self, "tau", tau)
        if learnable:
            self.w = nn.Parameter(torch.tensor(-math.log(self._tau - 1.0)))
        self.register_memory("out_i", 0.0)

    @property
    def tau(self) -> float:
        """Time constant in time steps, as it is now."""
        return 1.0 / float(self.w.detach().sigmoid()) if self.learnable else self._tau

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Current ``[B, ...]`` after the spikes ``[B, ...]`` of one time step."""
        x = dense(x)
        current = self.memory_like("out_i", x)
        leak = self.w.sigmoid() if self.learnable else 1.0 / self._tau
        self.out_i = synapse_filter_step(self.watch(x), current, leak)
        return self.out_i

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Currents ``[T, B, ...]`` of the spikes ``[T, B, ...]``."""
        y_seq: Tensor = super().multi_step_forward(dense(x_seq))
        return y_seq

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"tau={self.tau:g}, learnable={self.learnable}, {super().extra_repr()}"
