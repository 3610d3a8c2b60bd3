"""Neurons to learn from and to change: each part of a step is a method."""

from collections.abc import Callable

import torch
from torch import Tensor

from bitspike import dynamics
from bitspike.neuron import _check, _steps
from bitspike.neuron._membrane import Membrane
from bitspike.surrogate import Sigmoid


class SimpleBaseNode(Membrane):
    """Base of a neuron of your own: write ``neuronal_charge``, the rest is there.

    A step with input ``X`` of shape ``[B, ...]`` calls three methods, which read and write the
    memory ``v``::

        H[t] = charge(V[t-1], X[t])          by neuronal_charge(x), which puts it into v
        S[t] = Theta(H[t] - v_threshold)     by neuronal_fire()
        V[t] = H (1 - S) + v_reset S         by neuronal_reset(spike), or H - v_threshold S

    The potential starts at 0, whatever ``v_reset`` is. In multi-step mode, ``[T, B, ...]``, the
    steps run in a loop: this base is for clarity, not for speed.

    Args:
        v_threshold: threshold of the membrane potential.
        v_reset: potential after a spike; None subtracts the threshold instead (soft reset).
        surrogate_function: spike function with a surrogate gradient; None is
            ``surrogate.Sigmoid()``.
        detach_reset: True keeps the gradient from flowing through the spike of the reset.
        step_mode: ``'s'`` or ``'m'``.

    Raises:
        TypeError: if a potential is not a number.
        ValueError: if a potential is not finite, or ``step_mode`` is unknown.
    """

    def __init__(
        self,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
    ) -> None:
        super().__init__(v_threshold, v_reset, surrogate_function or Sigmoid(), detach_reset)
        self.register_memory("v", 0.0)
        self.step_mode = step_mode

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Spikes ``[B, ...]`` of one time step with input ``[B, ...]``."""
        x = _steps.full_precision(x)
        self.v = self.memory_like("v", x)
        self.neuronal_charge(self.watch(x))
        spike = self.neuronal_fire()
        self.neuronal_reset(spike)
        return spike

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Spikes ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        _steps.check_sequence(self, x_seq)
        return torch.stack([self.single_step_forward(x) for x in x_seq])


class SimpleIFNode(SimpleBaseNode):
    """Integrate and fire, ``H[t] = V[t-1] + X[t]``, on `SimpleBaseNode`."""

    def neuronal_charge(self, x: Tensor) -> None:
        """The potential before the spike."""
        self.v = dynamics.if_charge(x, self.v)


class SimpleLIFNode(SimpleBaseNode):
    """Leaky integrate and fire on `SimpleBaseNode`; the charge is `LIFNode`'s.

    With ``r = v_reset`` (0 under soft reset)::

        H[t] = V[t-1] + (X[t] - (V[t-1] - r)) / tau     decay_input=True
        H[t] = V[t-1] - (V[t-1] - r) / tau + X[t]       decay_input=False

    Args:
        tau: membrane time constant in time steps.
        decay_input: whether the input is divided by tau as well.
        v_threshold: see `SimpleBaseNode`, as the other arguments.
        v_reset: see there.
        surrogate_function: see there.
        detach_reset: see there.
        step_mode: see there.
    """

    def __init__(
        self,
        tau: float,
        decay_input: bool,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
    ) -> None:
        super().__init__(v_threshold, v_reset, surrogate_function, detach_reset, step_mode)
        self.tau = _check.between(self, "tau", tau, 0.0, float("inf"))
        self.decay_input = bool(decay_input)

    def neuronal_charge(self, x: Tensor) -> None:
        """The potential before the spike."""
        self.v = dynamics.lif_charge(x, self.v, self.tau, self.decay_input, self.v_reset)
