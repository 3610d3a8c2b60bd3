"""A membrane whose steps are methods: charge, fire and reset to be overridden one by one."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from bitspike import dynamics, kernels
from bitspike.base import MemoryModule, check_finite
from bitspike.neuron._describe import Describable
from bitspike.neuron._steps import full_precision


class MethodNeuron(Describable, MemoryModule):
    """Base of neurons whose step is a method that reads and writes memories.

    `step` lends that method other states, so that the engine can run and record it.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v",)
    """The memories, or records, that a step reads and writes."""

    def advance(self, x: Any) -> Any:
        """One time step on the memories: the output for the input ``x``. Subclasses write it."""
        raise NotImplementedError

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step, ``(x, *states)`` to ``(output, *states)``; the memories stay as they are.

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

    def _run(
        self, x_seq: Tensor, states: Sequence[Tensor], watched: bool = False, bits: bool = True
    ) -> Tensor:
        """Outputs ``[T, B, ...]`` from these states, and keeps the last ones."""
        watcher = self if watched else None
        y_seq, after, _ = kernels.scan(
            self.step, x_seq, states, backend=self.backend, bits=bits, watcher=watcher
        )
        self._memories.update(zip(self.state_names, after, strict=True))
        return y_seq


class Membrane(MethodNeuron):
    """Base of neurons that are written as methods on ``v``, which a subclass registers.

    Args:
        v_threshold: threshold of the membrane potential.
        v_reset: potential after a spike; None subtracts the threshold instead (soft reset).
        surrogate_function: spike function with a surrogate gradient.
        detach_reset: True keeps the gradient from flowing through the spike of the reset.
    """

    v: Tensor

    def __init__(
        self,
        v_threshold: float,
        v_reset: float | None,
        surrogate_function: Callable[[Tensor], Tensor],
        detach_reset: bool = False,
    ) -> None:
        super().__init__()
        self.v_threshold = check_finite(self, "v_threshold", v_threshold)
        self.v_reset = None if v_reset is None else check_finite(self, "v_reset", v_reset)
        self.surrogate_function = surrogate_function
        self.detach_reset = bool(detach_reset)

    def neuronal_charge(self, x: Tensor) -> None:
        """Puts the potential before the spike into ``self.v``. Subclasses write it."""
        raise NotImplementedError(f"{type(self).__name__} does not define neuronal_charge(x)")

    def neuronal_fire(self) -> Tensor:
        """Spikes of the charged membrane."""
        return self.surrogate_function(self.v - self.v_threshold)

    def neuronal_reset(self, spike: Tensor) -> None:
        """Puts the potential after the spike into ``self.v``."""
        self.v = dynamics.voltage_reset(
            self.v, spike, self.v_threshold, self.v_reset, self.detach_reset
        )

    def advance(self, x: Any) -> Any:
        """Charge, fire, reset: the spikes."""
        self.neuronal_charge(x)
        spike = self.neuronal_fire()
        self.neuronal_reset(spike)
        return spike

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return (
            f"v_threshold={self.v_threshold}, v_reset={self.v_reset}, step_mode={self.step_mode!r}"
        )


class RestartingMembrane(Membrane):
    """A `Membrane` that starts anew at each sequence, so that ``v`` is a record and no state."""

    def __init__(
        self,
        v_threshold: float,
        v_reset: float | None,
        surrogate_function: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__(v_threshold, v_reset, surrogate_function)
        self.register_record("v")

    def init_tensor(self, data: Tensor) -> None:
        """Makes the membrane at rest, shaped like ``data``, one time step."""
        v_start = 0.0 if self.v_reset is None else self.v_reset
        self.v = torch.full_like(full_precision(data), v_start)

    def _run_anew(self, x_seq: Tensor) -> Tensor:
        """Spikes ``[T, B, ...]`` of a sequence ``[T, B, ...]``."""
        self.init_tensor(x_seq[0].detach())
        return self._run(x_seq, [self._memories[name] for name in self.state_names])


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
        """Makes the membrane at rest and the current 0, shaped like ``data``, one time step."""
        super().init_tensor(data)
        self.c = torch.zeros_like(self.v)

    def neuronal_charge(self, x: Tensor) -> None:
        """Current, then potential before the spike."""
        self.c, self.v = dynamics.cuba_charge(x, self.c, self.v, self.c_decay, self.v_decay)
