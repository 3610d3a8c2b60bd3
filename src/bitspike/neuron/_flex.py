"""A spiking neuron made from any function of one time step."""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from bitspike.base import MemoryModule, as_tuple, check_sequence
from bitspike.neuron._arguments import Older
from bitspike.neuron._catalogue import Demo, Describable
from bitspike.neuron._run import run
from bitspike.surrogate import Sigmoid

Tensors = tuple[Tensor, ...]


_spike = Sigmoid()


def _leaky_pair(x: Any, v: Any, w: Any) -> tuple[Any, ...]:
    """Run the step of the picture: a leaky neuron whose potential pulls on a second one."""
    h = 0.7 * v - 0.4 * w + x
    s = _spike(h - 1.0)
    return s, h * (1 - s), 0.9 * w + 0.1 * h


def _leaky(x: Any, v: Any) -> tuple[Any, ...]:
    v = 0.5 * v + x
    return torch.tanh(v), v


class FlexSN(Describable, MemoryModule):
    """A neuron whose equations are the function ``core`` of one time step.

    ::

        Y..., V1[t], V2[t], ... = core(X..., V1[t-1], V2[t-1], ..., P1, P2, ...)

    with inputs X, states V, which start at 0, and tensors P that are the same at every step.
    In multi-step mode the engine runs a core with one input and one output, and compiles it if it
    is elementwise arithmetic; others run step by step. All of X, V and Y have one shape.

    Args:
        core: the function. It runs once on zeros when the neuron is made, which counts its
            outputs.
        num_states: number of states.
        static_inputs: the tensors P, with one element or of the shape of one step. A
            ``nn.Parameter`` becomes a parameter, any other tensor a buffer.
        store_state_seqs: True keeps the states of all steps of a multi-step call in
            ``state_seqs``, a tuple of ``[T, B, ...]``.

    Raises:
        TypeError: if ``core`` is not a function or holds tensors that training would not find, or
            if a static input is not a tensor.
        ValueError: if ``num_states`` is negative, or does not fit the arguments or results of
            ``core``.
        RuntimeError: if ``core`` does not run on zeros.
        StateError: at an input that does not fit the states of an earlier one.
    """

    group = "currents"
    demo = Demo(
        shown={"core": _leaky_pair, "num_states": 2, "step_mode": "s"},
        tested={"core": _leaky, "num_states": 1},
    )

    def __init__(
        self,
        core: Callable[..., Any],
        num_states: int,
        static_inputs: Tensors = (),
        step_mode: str = "m",
        store_state_seqs: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__()
        if not callable(core):
            raise TypeError(f"FlexSN: core must be a function, but got {core!r}")
        if isinstance(num_states, bool) or not isinstance(num_states, int) or num_states < 0:
            raise ValueError(f"FlexSN: num_states must be 0, 1, 2, ..., but got {num_states!r}")
        if any(_is_learned(value) for value in _held_by(core)):
            raise TypeError(
                "FlexSN: core holds a tensor or a module with parameters, which neither training "
                "nor .to() would find. Give tensors in static_inputs."
            )
        self.core = core
        self.num_states = num_states
        self._static_names = tuple(f"_static_input_{k}" for k in range(len(static_inputs)))
        for name, value in zip(self._static_names, static_inputs, strict=True):
            if isinstance(value, nn.Parameter):
                self.register_parameter(name, value)
            elif isinstance(value, Tensor):
                self.register_buffer(name, value)
            else:
                raise TypeError(f"FlexSN: static_inputs must be tensors, but got {value!r}")
        self._state_names = tuple(f"_state_{k}" for k in range(num_states))
        for name in self._state_names:
            self.register_memory(name, None)
            self.register_record(f"{name}_seq")
        self._inputs = self._count_inputs()
        self._outputs = self._count_outputs()
        self._store_state_seqs = bool(store_state_seqs)
        self.step_mode = step_mode
        self._accept(older)

    @property
    def static_inputs(self) -> Tensors:
        """The tensors that are the same at every step."""
        return tuple(getattr(self, name) for name in self._static_names)

    @property
    def states(self) -> tuple[Tensor | None, ...]:
        """The states ``[B, ...]``; None before the first input."""
        return tuple(self._memories[name] for name in self._state_names)

    @states.setter
    def states(self, values: Tensors) -> None:
        if len(values) != self.num_states or not all(isinstance(v, Tensor) for v in values):
            raise ValueError(f"{self._whoami()}: states must be {self.num_states} tensors")
        self._memories.update(zip(self._state_names, values, strict=True))

    @property
    def store_state_seqs(self) -> bool:
        """Whether a multi-step call keeps the states of all its steps in ``state_seqs``."""
        return self._store_state_seqs

    @store_state_seqs.setter
    def store_state_seqs(self, value: bool) -> None:
        self._store_state_seqs = bool(value)
        self._keep_seqs(None)

    @property
    def state_seqs(self) -> Tensors | None:
        """The states ``[T, B, ...]`` of the last multi-step call, or None if they were not kept."""
        seqs = tuple(self._memories[f"{name}_seq"] for name in self._state_names)
        return None if any(seq is None for seq in seqs) else seqs

    def _keep_seqs(self, seqs: Tensors | None) -> None:
        for k, name in enumerate(self._state_names):
            self._memories[f"{name}_seq"] = None if seqs is None else seqs[k]

    @staticmethod
    def init_states(num_states: int, step_mode: str, *inputs: Tensor) -> Tensors:
        """Return the states at the start: zeros like one step of the first input."""
        if not inputs:
            raise ValueError("FlexSN: needs at least one input")
        x = inputs[0].detach()
        x = x if step_mode == "s" else x[0]
        return tuple(torch.zeros_like(x) for _ in range(num_states))

    def materialize_states(
        self, inputs: tuple[Any, ...], states: tuple[Any, ...], step_mode: str
    ) -> tuple[Any, ...]:
        """Return ``states``, or those of the start if a state is None."""
        if any(state is None for state in states):
            return self.init_states(self.num_states, step_mode, *inputs)
        return states

    def single_step_functional_forward(
        self,
        inputs: tuple[Any, ...],
        states: tuple[Any, ...],
        *,
        static_inputs: Tensors | None = None,
        **_: Any,
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Run `functional_forward` for one time step; None takes the neuron's own static inputs."""
        static = self.static_inputs if static_inputs is None else static_inputs
        results = as_tuple(self.core(*inputs, *states, *static))
        return results[: self._outputs], results[self._outputs :]

    def multi_step_functional_forward(
        self,
        inputs: tuple[Any, ...],
        states: tuple[Any, ...],
        *,
        static_inputs: Tensors | None = None,
        **_: Any,
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Run `functional_forward` for a sequence; None takes the neuron's own static inputs."""
        static = self.static_inputs if static_inputs is None else static_inputs
        outputs, states, _seqs = self._run(inputs, states, static, record=False)
        return outputs, states

    def forward(self, *inputs: Tensor) -> Any:
        """Return the output, ``[B, ...]`` or ``[T, B, ...]``; a tuple if ``core`` has several."""
        self._check(inputs)
        step = tuple(x if self.step_mode == "s" else x[0] for x in inputs)
        if any(state is None for state in self.states):
            self.states = self.init_states(self.num_states, "s", *step)
        states = tuple(self.memory_like(name, step[0]) for name in self._state_names)
        inputs = tuple(map(self.watch, inputs))
        if self.step_mode == "s":
            outputs, states = self.single_step_functional_forward(inputs, states)
            seqs = None
        else:
            outputs, states, seqs = self._run(
                inputs, states, self.static_inputs, self.store_state_seqs
            )
        self._keep_seqs(seqs)
        self.states = states
        return outputs[0] if len(outputs) == 1 else outputs

    def _run(
        self, inputs: Tensors, states: Tensors, static: Tensors, record: bool
    ) -> tuple[Tensors, Tensors, Tensors | None]:
        """Return outputs, last states, and with ``record`` the states of all steps."""
        if self._inputs == self._outputs == 1 and self.num_states >= 1:

            def step(x: Any, *states: Any) -> tuple[Any, ...]:
                return as_tuple(self.core(x, *states, *static))

            if not record or self.num_states == 1:
                y, states, v_seq = run(step, inputs[0], states, record=record, backend=self.backend)
                return (y,), states, None if v_seq is None else (v_seq,)
        steps, kept = [], []
        for now in zip(*inputs, strict=True):
            outputs, states = self.single_step_functional_forward(now, states, static_inputs=static)
            steps.append(outputs)
            kept.append(states)
        seqs = tuple(torch.stack(state) for state in zip(*kept, strict=True)) if record else None
        return tuple(torch.stack(y) for y in zip(*steps, strict=True)), states, seqs

    def _check(self, inputs: Tensors) -> None:
        if len(inputs) != self._inputs:
            raise ValueError(
                f"{self._whoami()}: core takes {self._inputs} inputs, but got {len(inputs)}"
            )
        if self.step_mode == "m":
            T = inputs[0].shape[0] if inputs[0].ndim else 0
            for x in inputs:
                check_sequence(self, x, T or None)

    def _count_inputs(self) -> int:
        parameters = inspect.signature(self.core).parameters.values()
        if any(p.kind == p.VAR_POSITIONAL for p in parameters):
            raise TypeError("FlexSN: core must name its arguments, not take *args")
        positional = [p for p in parameters if p.kind <= p.POSITIONAL_OR_KEYWORD]
        inputs = len(positional) - self.num_states - len(self._static_names)
        if inputs < 1:
            raise ValueError(
                f"FlexSN: core takes {len(positional)} arguments, too few for an input, "
                f"{self.num_states} states and {len(self._static_names)} static inputs"
            )
        return inputs

    @torch.no_grad()
    def _count_outputs(self) -> int:
        zero = torch.zeros(1)
        if self.static_inputs:
            zero = zero.to(self.static_inputs[0])
        trial = [zero.clone() for _ in range(self._inputs + self.num_states)]
        try:
            results = as_tuple(self.core(*trial, *self.static_inputs))
        except Exception as error:
            raise RuntimeError(f"FlexSN: core does not run on zeros: {error}") from error
        if len(results) <= self.num_states or not all(isinstance(v, Tensor) for v in results):
            raise ValueError(
                f"FlexSN: core must return a tensor for each output and then {self.num_states} "
                f"states, but returned {len(results)} values"
            )
        return len(results) - self.num_states


def _held_by(core: Any) -> Iterator[Any]:
    """Yield a function, its bound arguments, and the variables of its closure."""
    yield core
    if isinstance(core, functools.partial):
        for value in (core.func, *core.args, *core.keywords.values()):
            yield from _held_by(value)
    for cell in getattr(core, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not yet assigned
            continue


def _is_learned(value: Any) -> bool:
    if isinstance(value, nn.Module):
        return any(True for _ in value.parameters())
    return isinstance(value, Tensor)
