"""Neurons in SpikingJelly's style, whose methods change the memories, and the engine's view of it.

`MutatingNode` is the adapter: it gives such a neuron a `step` without side effects. The simple
neurons, to learn from and to change, follow it.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from bitspike import dynamics, kernels
from bitspike.base import MemoryModule, check_between, check_finite, check_sequence
from bitspike.neuron._arguments import Older, Potential, Steps, Surrogate
from bitspike.neuron._catalogue import Demo, Describable, pulse
from bitspike.neuron._run import full_precision, run, run_single
from bitspike.surrogate import Sigmoid


class MutatingNode(Describable, MemoryModule):
    """Base of neurons with a method `advance` that reads and writes memories.

    `step` lends that method other states, so that the engine can run and record it.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v",)
    """The memories, or records, that a step reads and writes."""

    def advance(self, x: Any) -> Any:
        """Run one time step on the memories and return the output. Subclasses write this method."""
        raise NotImplementedError(f"{type(self).__name__} does not define advance(x)")

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, *states)`` to ``(output, *states)``; memories stay as they are.

        Args:
            x: input ``[B, ...]``.
            *states: one for each of ``state_names``.
        """
        own = {name: self._memories[name] for name in self.state_names}
        try:
            self._memories.update(zip(self.state_names, states, strict=True))
            output = self.advance(x)
            return (output, *(self._memories[name] for name in self.state_names))
        finally:
            self._memories.update(own)

    def _keep(self, states: Sequence[Tensor]) -> None:
        self._memories.update(zip(self.state_names, states, strict=True))

    def init_tensor(self, data: Tensor) -> None:
        """Put the states at the start of a sequence, shaped like ``data``, one time step."""
        raise NotImplementedError(f"{type(self).__name__} does not define init_tensor(data)")

    def _run_anew(self, x_seq: Tensor) -> Tensor:
        """Return the outputs ``[T, B, ...]`` of a sequence ``[T, B, ...]``, from the start."""
        self.init_tensor(x_seq[0].detach())
        states = [self._memories[name] for name in self.state_names]
        y_seq, last, _ = run(self.step, x_seq, states, backend=self.backend)
        self._keep(last)
        return y_seq


class Membrane(MutatingNode):
    """Base of spiking neurons that are written as methods on ``v``, which a subclass registers.

    Arguments: see `BaseNode`.
    """

    v: Tensor

    def __init__(
        self,
        v_threshold: Potential,
        v_reset: Potential | None,
        surrogate_function: Surrogate,
        detach_reset: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__()
        self.v_threshold = check_finite(self, "v_threshold", v_threshold)
        self.v_reset = None if v_reset is None else check_finite(self, "v_reset", v_reset)
        self.surrogate_function = surrogate_function
        self.detach_reset = bool(detach_reset)
        self._accept(older)

    def neuronal_charge(self, x: Tensor) -> None:
        """Put the potential before the spike into ``self.v``. Subclasses write this method."""
        raise NotImplementedError(f"{type(self).__name__} does not define neuronal_charge(x)")

    def neuronal_fire(self) -> Tensor:
        """Return the spikes of the charged membrane."""
        return self.surrogate_function(self.v - self.v_threshold)

    def neuronal_reset(self, spike: Tensor) -> None:
        """Put the potential after the spike into ``self.v``."""
        self.v = dynamics.voltage_reset(
            self.v, spike, self.v_threshold, self.v_reset, self.detach_reset
        )

    def advance(self, x: Any) -> Any:
        """Charge, fire, reset; return the spikes."""
        self.neuronal_charge(x)
        spike = self.neuronal_fire()
        self.neuronal_reset(spike)
        return spike


class RestartingMembrane(Membrane):
    """A `Membrane` that starts anew at each sequence, so that ``v`` is a record and no state."""

    def __init__(
        self,
        v_threshold: Potential,
        v_reset: Potential | None,
        surrogate_function: Surrogate,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(v_threshold, v_reset, surrogate_function, **older)
        self.register_record("v")

    def init_tensor(self, data: Tensor) -> None:
        """Put the membrane at rest, shaped like ``data``, one time step."""
        v_start = 0.0 if self.v_reset is None else self.v_reset
        self.v = torch.full_like(full_precision(data), v_start)


class CurrentMembrane(RestartingMembrane):
    """The charge of the current-based leaky neuron.

    ::

        C[t] = c_decay C[t-1] + X[t]
        H[t] = v_decay V[t-1] + C[t]
    """

    state_names: ClassVar[tuple[str, ...]] = ("v", "c")

    c: Tensor
    c_decay: float
    v_decay: float

    def _set_decays(self, c_decay: float, v_decay: float) -> None:
        self.c_decay = check_finite(self, "c_decay", c_decay)
        self.v_decay = check_finite(self, "v_decay", v_decay)
        self.register_record("c")

    def init_tensor(self, data: Tensor) -> None:
        """Put the membrane at rest and the current to 0, shaped like ``data``, one time step."""
        super().init_tensor(data)
        self.c = torch.zeros_like(self.v)

    def neuronal_charge(self, x: Tensor) -> None:
        """Update the current, then the potential before the spike."""
        self.c, self.v = dynamics.cuba_charge(x, self.c, self.v, self.c_decay, self.v_decay)


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
    others, or with a ``single_step_forward`` of its own, runs in a loop. Arguments: see `BaseNode`.

    Raises:
        TypeError: if a potential is not a number.
        ValueError: if a potential is not finite, or ``step_mode`` is unknown.
    """

    def __init__(
        self,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function or Sigmoid(), detach_reset, **older
        )
        self.register_memory("v", 0.0)
        self.step_mode = step_mode

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Return the spikes ``[B, ...]`` of one time step with input ``[B, ...]``."""
        x = full_precision(x)
        states = [self.memory_like(name, x) for name in self.state_names]
        if not self._has_step():
            spike: Tensor = self.advance(self.watch(x))
            return spike
        y, last = run_single(self, self.step, x, states)
        self._keep(last)
        return y

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the spikes ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        check_sequence(self, x_seq)
        if not self._has_step():
            if self.backend in ("numba", "triton"):
                raise kernels.BackendError(
                    f"{self._whoami()}: the backend {self.backend!r} cannot run a neuron whose "
                    f"memories are not all in state_names={self.state_names}, or that writes its "
                    "own single_step_forward"
                )
            return torch.stack([self.single_step_forward(x) for x in x_seq])
        x_seq = full_precision(x_seq)
        now = kernels.one_step(x_seq)
        states = [self.memory_like(name, now) for name in self.state_names]
        y_seq, last, _ = run(self.step, x_seq, states, backend=self.backend, watcher=self)
        self._keep(last)
        return y_seq

    def _has_step(self) -> bool:
        """Return whether `step` is all that a time step does."""
        own = type(self).single_step_forward is not SimpleBaseNode.single_step_forward
        return not own and {name for name, _ in self.named_memories()} == {*self.state_names}


class SimpleIFNode(SimpleBaseNode):
    """Integrate and fire, ``H[t] = V[t-1] + X[t]``, on `SimpleBaseNode`."""

    group = "integrate"
    demo = Demo(pulse(0.08, 0.3))

    def neuronal_charge(self, x: Tensor) -> None:
        """Put the potential before the spike into ``v``."""
        self.v = dynamics.if_charge(x, self.v)


class SimpleLIFNode(SimpleBaseNode):
    """Leaky integrate and fire on `SimpleBaseNode`; the charge is that of `LIFNode`.

    With ``r = v_reset`` (0 under soft reset)::

        H[t] = V[t-1] + (X[t] - (V[t-1] - r)) / tau     decay_input=True
        H[t] = V[t-1] - (V[t-1] - r) / tau + X[t]       decay_input=False

    Arguments that are not listed: see `LIFNode`.

    Args:
        tau: membrane time constant in time steps.
    """

    group = "integrate"
    demo = Demo(shown={"tau": 2.0, "decay_input": True}, tested={"tau": 3.0, "decay_input": True})

    def __init__(
        self,
        tau: Steps,
        decay_input: bool,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        **older: Unpack[Older],
    ) -> None:
        super().__init__(v_threshold, v_reset, surrogate_function, detach_reset, step_mode, **older)
        self.tau = check_between(self, "tau", tau, 0.0, float("inf"))
        self.decay_input = bool(decay_input)

    def neuronal_charge(self, x: Tensor) -> None:
        """Put the potential before the spike into ``v``."""
        self.v = dynamics.lif_charge(x, self.v, self.tau, self.decay_input, self.v_reset)
