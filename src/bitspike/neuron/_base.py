"""What all neurons with one membrane potential share: state, fire, reset."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from bitspike import dynamics, kernels
from bitspike.base import MemoryModule, StepModule, check_finite, check_sequence
from bitspike.neuron import _steps
from bitspike.neuron._describe import Describable
from bitspike.surrogate import Sigmoid, SurrogateFunctionBase

FUSED_FROM = 6_400
"""Neurons from which a single step is worth a call of the engine's."""


def backend_of_one_step(module: StepModule, x: Tensor) -> str:
    """What runs a single step on ``x``: a small one is not worth a kernel that nobody asks for."""
    return "eager" if module.backend == "auto" and x.numel() < FUSED_FROM else module.backend


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

    Raises:
        TypeError, ValueError: for arguments of the wrong type or value.
        StateError: at an input that does not fit the state of an earlier one.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v",)

    v: float | Tensor
    v_seq: Tensor | None
    _store_v_seq: bool = False

    def __init__(
        self,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
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

    @property
    def store_v_seq(self) -> bool:
        """Whether the potential after each step is kept in ``v_seq``.

        An assignment forgets what has been kept.
        """
        return self._store_v_seq

    @store_v_seq.setter
    def store_v_seq(self, value: bool) -> None:
        self._store_v_seq = bool(value)
        self.v_seq = None

    def charge(self, x: Any, v: Any) -> Any:
        """The membrane potential ``h`` before the spike; what a subclass writes."""
        raise NotImplementedError(f"{type(self).__name__} defines neither charge nor step")

    def fire(self, h: Any) -> Any:
        """Spikes of the membrane potential ``h``."""
        return self.surrogate_function(h - self.v_threshold)

    def reset_potential(self, h: Any, s: Any) -> Any:
        """The membrane potential after the spikes ``s``."""
        return dynamics.voltage_reset(h, s, self.v_threshold, self.v_reset, self.detach_reset)

    @staticmethod
    def apply_hard_reset(v: Any, spike: Any, v_reset: float) -> Any:
        """``v (1 - spike) + v_reset spike``."""
        return dynamics.hard_reset(v, spike, v_reset)

    @staticmethod
    def apply_soft_reset(v: Any, spike: Any, v_threshold: float) -> Any:
        """``v - v_threshold spike``."""
        return dynamics.soft_reset(v, spike, v_threshold)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step: ``(x, *states)`` to ``(output, *states)``, without side effects.

        Plain arithmetic on tensors, which the engine may run as it stands or record and compile.
        """
        (v,) = states
        h = self.charge(x, v)
        s = self.fire(h)
        return s, self.reset_potential(h, s)

    def _step_key(self) -> tuple[Any, ...] | None:
        """All that `step` depends on, if that is known and numbers only."""
        return None

    def _tail_key(self) -> tuple[Any, ...] | None:
        """What fire and reset depend on, for a `_step_key`, and all functions of the step.

        Methods can be replaced at any time, those of one object too.
        """
        spike, own = self.surrogate_function, self.__dict__
        if "step" in own or "charge" in own or "fire" in own or "reset_potential" in own:
            return None
        if not isinstance(spike, SurrogateFunctionBase) or not spike.is_plain():
            return None
        shape = spike.parameters_of_shape()
        for value in shape:
            if isinstance(value, Tensor):
                return None
        node, kind = type(self), type(spike)
        return (
            self.v_threshold, self.v_reset, self.detach_reset, spike.spiking, shape, kind,
            node.step, node.charge, node.fire, node.reset_potential, dynamics.voltage_reset,
            kind.forward, kind.spiking_function, kind.fire, kind.primitive, kind.derivative,
        )  # fmt: skip

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Output ``[B, ...]`` of one time step with input ``[B, ...]``."""
        if self._writes("single_step_functional_forward"):
            y: Tensor = super().single_step_forward(x)
            self._record(self.v)
            return y
        x = _steps.full_precision(x)
        states = [self.memory_like(name, x) for name in self.state_names]
        if x.numel() < FUSED_FROM and self.backend not in ("numba", "triton"):
            y, *rest = self.step(self.watch(x), *states)
            after = tuple(rest)
        else:
            y_seq, after, _ = kernels.scan(
                self.step, x.unsqueeze(0), states, backend=self.backend, bits=False,
                watcher=self, key=self._step_key(),
            )  # fmt: skip
            y = y_seq[0]
        self._keep(after)
        self._record(after[0])
        return y

    def _record(self, v: float | Tensor) -> None:
        """Appends the potential after a single step to ``v_seq``, if that is to be kept."""
        if self.store_v_seq and isinstance(v, Tensor):
            self.append_record("v_seq", v)

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Output ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        check_sequence(self, x_seq)
        if self._writes("single_step_functional_forward"):
            if not self.store_v_seq:
                outputs: Tensor = super().multi_step_forward(x_seq)
                return outputs
            self.v_seq = None
            return torch.stack([self.single_step_forward(x) for x in x_seq])
        x_seq = _steps.full_precision(x_seq)
        now = kernels.one_step(x_seq)
        states = [self.memory_like(name, now, compact=True) for name in self.state_names]
        y_seq, after, v_seq = kernels.scan(
            self.step, x_seq, states, self.store_v_seq, self.backend,
            watcher=self, key=self._step_key(),
        )  # fmt: skip
        self._keep(after)
        if v_seq is not None:
            self.v_seq = v_seq
        return y_seq

    def forward_of_current(self, current: kernels.Current) -> Tensor:
        """`multi_step_forward` of what a linear layer would make of spikes, ``[T, B, O]``.

        Where a kernel can compute both together, the current itself is never written down.
        """
        self._refuse_to_run_again()
        if not self.store_v_seq and _runs_by_step(type(self)):  # type: ignore[arg-type]
            states = [self._start(name, current) for name in self.state_names]
            found = kernels.scan_of_current(
                self.step, current, states, self.backend, self, self._step_key()
            )
            if found is not None:
                y_seq, after = found
                self._keep(after)
                return y_seq
        return self.multi_step_forward(current.dense())

    def _start(self, name: str, current: kernels.Current) -> Tensor | float:
        """A state as it is now: a number after a reset, else a tensor that fits."""
        value = self._memories[name]
        if not isinstance(value, Tensor):
            return float(value)
        return self.memory_like(name, current.weight.new_empty(()).expand(current.shape[1:]))

    def materialize_states(
        self, inputs: tuple[Any, ...], states: tuple[Any, ...], step_mode: str
    ) -> tuple[Any, ...]:
        """``states`` as tensors that fit the input, where a reset has left numbers."""
        x = inputs[0].detach()
        x = x if step_mode == "s" else x[0]
        names = (name for name, _ in self.named_memories())
        return tuple(
            self._fitted(name, state, x) if name in self.state_names else state
            for name, state in zip(names, states, strict=True)
        )

    def _fitted(self, name: str, state: float | Tensor, x: Tensor) -> Tensor:
        """``state`` as a tensor like ``x`` if it is what a reset leaves, else as it is."""
        if not isinstance(state, Tensor):
            return torch.full_like(x, float(state))
        spread = state.shape != x.shape and self._is_reset_value(name, state)
        return self._spread(name, state, x) if spread else state

    def _keep(self, states: Sequence[Tensor]) -> None:
        self._memories.update(zip(self.state_names, states, strict=True))

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return (
            f"v_threshold={self.v_threshold}, v_reset={self.v_reset}, "
            f"detach_reset={self.detach_reset}, step_mode={self.step_mode!r}"
        )


@cache
def _runs_by_step(kind: type[BaseNode]) -> bool:
    """Whether the class has the time loop of `BaseNode` around its `step`."""
    functional = kind.single_step_functional_forward
    return (
        kind.multi_step_forward is BaseNode.multi_step_forward
        and functional is MemoryModule.single_step_functional_forward
    )
