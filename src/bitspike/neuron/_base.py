"""State, fire and reset of the neurons with one membrane potential."""

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from bitspike import dynamics, kernels
from bitspike.base import MemoryModule, check_finite, check_sequence
from bitspike.neuron._arguments import Older, Potential, Surrogate
from bitspike.neuron._catalogue import Describable
from bitspike.neuron._run import full_precision, run, run_current, run_single
from bitspike.surrogate import Sigmoid


class BaseNode(Describable, MemoryModule):
    """Base of the neurons with one membrane potential ``v``.

    One step with input ``X``: charge (a subclass's equation), fire, reset::

        H[t] = charge(V[t-1], X[t])
        S[t] = Theta(H[t] - v_threshold)
        V[t] = H[t] (1 - S[t]) + v_reset S[t]     hard reset
        V[t] = H[t] - v_threshold S[t]            soft reset, v_reset=None

    Input and output are ``[B, ...]`` in single-step and ``[T, B, ...]`` in multi-step mode. The
    state is made at the first input and kept until ``functional.reset_net(net)``. Under autocast
    the membrane stays in float32.

    Args:
        v_threshold: threshold of the membrane potential.
        v_reset: potential after a spike; None subtracts the threshold instead (soft reset).
            It is also the potential at the start; with None that is 0.
        surrogate_function: spike function with a surrogate gradient; None is
            ``surrogate.Sigmoid()``.
        detach_reset: True keeps the gradient from flowing through the spike of the reset.
        step_mode: ``'s'`` or ``'m'``.
        store_v_seq: True keeps the potential after each step's reset in ``v_seq``,
            ``[T, B, ...]``, until the reset.
        **older: arguments of older releases.

    Raises:
        TypeError, ValueError: for arguments of the wrong type or value.
        StateError: at an input that does not fit the state of an earlier one.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v",)

    v: float | Tensor
    v_seq: Tensor | None
    _store_v_seq: bool = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, present in _METHODS_OF_OLDER_RELEASES.items():
            if name in vars(cls):
                raise TypeError(
                    f"{cls.__name__} defines {name}(), which no {BaseNode.__name__} calls: write "
                    f"{present}, or derive from SimpleBaseNode"
                )

    def __init__(
        self,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__()
        self.v_threshold = check_finite(self, "v_threshold", v_threshold)
        self.v_reset = None if v_reset is None else check_finite(self, "v_reset", v_reset)
        self.surrogate_function = Sigmoid() if surrogate_function is None else surrogate_function
        self.detach_reset = bool(detach_reset)
        self.step_mode = step_mode
        self.register_memory("v", 0.0 if self.v_reset is None else self.v_reset)
        self.register_record("v_seq")
        self._store_v_seq = bool(store_v_seq)
        self._accept(older)

    @property
    def store_v_seq(self) -> bool:
        """Whether the potential after each step is kept in ``v_seq``.

        An assignment forgets the potentials that were kept.
        """
        return self._store_v_seq

    @store_v_seq.setter
    def store_v_seq(self, value: bool) -> None:
        self._store_v_seq = bool(value)
        self.v_seq = None

    def charge(self, x: Any, v: Any) -> Any:
        """Return the membrane potential ``h`` before the spike. Subclasses write this method."""
        raise NotImplementedError(f"{type(self).__name__} defines neither charge nor step")

    def fire(self, h: Any) -> Any:
        """Return the spikes of the membrane potential ``h``."""
        return self.surrogate_function(h - self.v_threshold)

    def reset_potential(self, h: Any, s: Any) -> Any:
        """Return the membrane potential after the spikes ``s``."""
        return dynamics.voltage_reset(h, s, self.v_threshold, self.v_reset, self.detach_reset)

    @staticmethod
    def apply_hard_reset(v: Any, spike: Any, v_reset: float) -> Any:
        """Return ``v (1 - spike) + v_reset spike``."""
        return dynamics.hard_reset(v, spike, v_reset)

    @staticmethod
    def apply_soft_reset(v: Any, spike: Any, v_threshold: float) -> Any:
        """Return ``v - v_threshold spike``."""
        return dynamics.soft_reset(v, spike, v_threshold)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, *states)`` to ``(output, *states)``, without side effects.

        The step is plain arithmetic on tensors. The engine runs it as it stands, or records and
        compiles it.
        """
        (v,) = states
        h = self.charge(x, v)
        s = self.fire(h)
        return s, self.reset_potential(h, s)

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Return the output ``[B, ...]`` of one time step with input ``[B, ...]``."""
        if self._writes("single_step_functional_forward"):
            y: Tensor = super().single_step_forward(x)
        else:
            x = full_precision(x)
            states = [self.memory_like(name, x) for name in self.state_names]
            y, last = run_single(self, self.step, x, states)
            self._keep(last)
        if self._store_v_seq and isinstance(self.v, Tensor):
            self.append_record("v_seq", self.v)
        return y

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the output ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        check_sequence(self, x_seq)
        if self._writes("single_step_functional_forward") or self._replaces_single_step():
            if not self.store_v_seq:
                outputs: Tensor = super().multi_step_forward(x_seq)
                return outputs
            self.v_seq = None
            return torch.stack([self.single_step_forward(x) for x in x_seq])
        x_seq = full_precision(x_seq)
        now = kernels.one_step(x_seq)
        states = [self.memory_like(name, now, compact=True) for name in self.state_names]
        y_seq, last, v_seq = run(
            self.step, x_seq, states, record=self.store_v_seq, backend=self.backend, watcher=self
        )
        self._keep(last)
        if v_seq is not None:
            self.v_seq = v_seq
        return y_seq

    def forward_of_current(self, current: kernels.Current) -> Tensor:
        """Return the `multi_step_forward` of a linear layer's output, ``[T, B, O]``.

        Where a kernel computes layer and neurons together, that output is never written to memory.
        """
        self._refuse_to_run_again()
        if not self.store_v_seq and self._runs_by_step():
            states = [self._start(name, current) for name in self.state_names]
            fused = run_current(self.step, current, states, backend=self.backend, watcher=self)
            if fused is not None:
                y_seq, last = fused
                self._keep(last)
                return y_seq
        output: Tensor = self.forward(current.dense())
        return output

    def _replaces_single_step(self) -> bool:
        """Return whether a subclass replaces `single_step_forward` and no `multi_step_forward`."""
        kind = type(self)
        loops = kind.multi_step_forward is BaseNode.multi_step_forward
        return loops and kind.single_step_forward is not BaseNode.single_step_forward

    def _runs_by_step(self) -> bool:
        """Return whether a call is the time loop of `BaseNode` around the neuron's `step`."""
        own, kind = self.__dict__, type(self)
        return not any(
            name in own or getattr(kind, name) is not getattr(BaseNode, name) for name in _CALLS
        )

    def _start(self, name: str, current: kernels.Current) -> Tensor | float:
        """Return a state as it is now: a number after a reset, else a tensor that fits."""
        value = self._memories[name]
        if not isinstance(value, Tensor):
            return float(value)
        return self.memory_like(name, current.weight.new_empty(()).expand(current.shape[1:]))

    def materialize_states(
        self, inputs: tuple[Any, ...], states: tuple[Any, ...], step_mode: str
    ) -> tuple[Any, ...]:
        """Return ``states`` as tensors that fit the input, where a reset has left numbers."""
        x = inputs[0].detach()
        x = x if step_mode == "s" else x[0]
        names = (name for name, _ in self.named_memories())
        return tuple(
            self._fitted(name, state, x) if name in self.state_names else state
            for name, state in zip(names, states, strict=True)
        )

    def _fitted(self, name: str, state: float | Tensor, x: Tensor) -> Tensor:
        """Return a reset value as a tensor like ``x``, and any other state as it is."""
        if not isinstance(state, Tensor):
            return torch.full_like(x, float(state))
        spread = state.shape != x.shape and self._is_reset_value(name, state)
        return self._spread(name, state, x) if spread else state

    def _keep(self, states: Sequence[Tensor]) -> None:
        self._memories.update(zip(self.state_names, states, strict=True))


_METHODS_OF_OLDER_RELEASES = {
    "neuronal_charge": "charge(x, v), which returns the potential",
    "neuronal_fire": "fire(h)",
    "neuronal_reset": "reset_potential(h, s), which returns the potential",
}
_CALLS = (
    "forward",
    "single_step_forward",
    "multi_step_forward",
    "single_step_functional_forward",
)
"""Methods that a call runs through on its way to `step`."""
