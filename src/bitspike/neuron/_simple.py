"""Neurons to learn from and to change: each part of a step is a method."""

from collections.abc import Callable

import torch
from torch import Tensor

from bitspike import dynamics, kernels
from bitspike.base import check_between, check_sequence
from bitspike.neuron import _base, _steps
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
    engine runs these methods, and compiles them if they are elementwise arithmetic. Memories that
    a subclass registers beside ``v`` are to be named in ``state_names = ("v", ...)``: a neuron with
    others, or with a ``single_step_forward`` of its own, runs in a loop.

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
        if self._has_step() and (x.numel() >= _base.FUSED_FROM or self._asks_for_kernels()):
            return self._scan(x.unsqueeze(0), bits=False)[0]
        for name in self.state_names:
            setattr(self, name, self.memory_like(name, x))
        spike: Tensor = self.advance(self.watch(x))
        return spike

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Spikes ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        check_sequence(self, x_seq)
        if self._has_step():
            return self._scan(_steps.full_precision(x_seq))
        if self._asks_for_kernels():
            raise kernels.BackendError(
                f"{self._whoami()}: the backend {self.backend!r} cannot run a neuron whose "
                f"memories are not all in state_names={self.state_names}, or that writes its own "
                "single_step_forward"
            )
        return torch.stack([self.single_step_forward(x) for x in x_seq])

    def _has_step(self) -> bool:
        """Whether `step` is all that a time step does."""
        own = type(self).single_step_forward is not SimpleBaseNode.single_step_forward
        return not own and {name for name, _ in self.named_memories()} == {*self.state_names}

    def _asks_for_kernels(self) -> bool:
        return self.backend in ("numba", "triton")

    def _scan(self, x_seq: Tensor, bits: bool = True) -> Tensor:
        now = kernels.one_step(x_seq)
        states = [self.memory_like(name, now) for name in self.state_names]
        return self._run(x_seq, states, watched=True, bits=bits)


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
        self.tau = check_between(self, "tau", tau, 0.0, float("inf"))
        self.decay_input = bool(decay_input)

    def neuronal_charge(self, x: Tensor) -> None:
        """The potential before the spike."""
        self.v = dynamics.lif_charge(x, self.v, self.tau, self.decay_input, self.v_reset)
