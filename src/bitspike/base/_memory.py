"""`MemoryModule`, by which all of bitspike's modules hold state."""

import copy
from collections.abc import Callable, Iterator
from typing import Any, Self

import torch
from torch import Tensor, nn

from bitspike.base._freed_graph import is_freed, probe
from bitspike.base._lent_states import States, as_tuple, holding, only_one, runs_again
from bitspike.base._step_module import StepModule
from bitspike.base._step_record import StepRecord


class StateError(RuntimeError):
    """State of an earlier batch meets an input that it does not fit: a forgotten reset."""


class MemoryModule(nn.Module, StepModule):
    """Base of every module with state.

    A *memory* is registered by name with its reset value, is read and written as an attribute,
    follows ``.to()``, and is neither parameter nor buffer: it is absent from ``state_dict``.
    It survives ``copy.deepcopy`` and pickling, cut from the graph.

    A *record* is held in the same way, but is no state: it reports what happened (such as the
    potentials of all steps) and has no effect on the next step.

    Subclasses write `single_step_forward`; `multi_step_forward` is the loop over it unless they
    override it. Or they write `single_step_functional_forward`, which takes the states and returns
    the new ones; each form follows from the other.
    """

    # False where no gradient ever flows through a state, as with the mask of dropout.
    _states_carry_gradient: bool = True

    def __init__(self) -> None:
        super().__init__()
        self._memories: dict[str, Any] = {}
        self._memories_rv: dict[str, Any] = {}
        self._records: set[str] = set()
        self._graph_node: Any = None

    # -- memories ---------------------------------------------------------------------------

    def register_memory(self, name: str, value: Any) -> None:
        """Add the memory ``name`` with the value that it has now and after each reset.

        Raises:
            ValueError: if the module already has an attribute of that name.
        """
        if hasattr(self, name):
            raise ValueError(f"{self._whoami()} already has an attribute {name!r}")
        self._memories[name] = value
        self.set_reset_value(name, value)

    def register_record(self, name: str) -> None:
        """Add the record ``name``: None at first and after each reset.

        Raises:
            ValueError: if the module already has an attribute of that name.
        """
        self.register_memory(name, None)
        self._records.add(name)

    def append_record(self, name: str, step: Tensor) -> None:
        """Append ``step``, ``[...]``, to the record ``name``, which reads as ``[T, ...]``.

        The steps are copied at once and stacked when the record is read.
        """
        self._memories[name] = StepRecord.append(self._memories[name], step)

    def set_reset_value(self, name: str, value: Any) -> None:
        """Change the value of the memory ``name`` after a reset (not its value now)."""
        if name not in self._memories:
            raise KeyError(f"{self._whoami()} has no memory {name!r}; call register_memory first")
        self._memories_rv[name] = copy.deepcopy(value)

    def get_reset_value(self, name: str) -> Any:
        """Return the value of the memory ``name`` after a reset."""
        return self._memories_rv[name]

    def reset(self) -> None:
        """Set every memory to its reset value."""
        for name, value in self._memories_rv.items():
            plain = value is None or isinstance(value, float)
            self._memories[name] = value if plain else copy.deepcopy(value)
        self.watch_node(None)

    def detach(self) -> None:
        """Cut every memory from the graph, for truncated backpropagation through time."""
        self._settle_records()
        for name, value in self._memories.items():
            if isinstance(value, Tensor):
                self._memories[name] = value.detach()
        self._graph_node = None

    def memories(self) -> Iterator[Any]:
        """Yield the values of this module's own memories."""
        for _, value in self.named_memories():
            yield value

    def named_memories(self) -> Iterator[tuple[str, Any]]:
        """Yield names and values of this module's own memories."""
        for name, value in self._memories.items():
            if name not in self._records:
                yield name, value

    def memory_like(self, name: str, x: Tensor, compact: bool = False) -> Tensor:
        """Return the memory ``name`` as a tensor shaped like ``x``, one time step of the input.

        The first input after a reset makes the tensor, filled with the reset value; later inputs
        must fit. A reset value that is a tensor is broadcast: ``[N]`` holds for each sample of
        ``[B, N]``. With ``compact`` a number becomes a view, which cannot be written into.

        Raises:
            ValueError: if the reset value does not broadcast to ``x``.
            StateError: if the memory has another shape or device than ``x``, or belongs to a
                graph that backward has freed.
        """
        value = self._memories[name]
        if not isinstance(value, Tensor):
            dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
            shape = () if compact else x.shape
            value = torch.full(shape, float(value), dtype=dtype, device=x.device)
            value = value.expand(x.shape) if compact else value
            self._memories[name] = value
            return value
        compiling = torch.compiler.is_compiling()  # Dynamo does not look at graphs of its inputs
        if not compiling and value.is_inference() and not torch.is_inference_mode_enabled():
            value = self._memories[name] = value.clone()  # autograd takes no other
        if value.shape != x.shape and self._is_reset_value(name, value):
            value = self._memories[name] = self._spread(name, value, x)
            return value
        cure = "Call functional.reset_net(net) after each batch."
        if value.shape != x.shape or value.device != x.device:
            raise StateError(
                f"{self._whoami()}: the state {name!r} of an earlier input has shape "
                f"{tuple(value.shape)} on {value.device}, but this input has shape "
                f"{tuple(x.shape)} on {x.device}. {cure}"
            )
        if not compiling and value.grad_fn is not None and is_freed(self._graph_node):
            raise StateError(
                f"{self._whoami()}: the state {name!r} belongs to an earlier batch whose graph "
                f"backward() has already freed. {cure} To carry the state on without its "
                "history (truncated BPTT), call functional.detach_net(net) instead."
            )
        return value

    def _is_reset_value(self, name: str, value: Tensor) -> bool:
        reset_value = self._memories_rv.get(name)
        if not isinstance(reset_value, Tensor) or reset_value.shape != value.shape:
            return False
        return value.grad_fn is None and torch.equal(value.to(reset_value), reset_value)

    def _spread(self, name: str, value: Tensor, x: Tensor) -> Tensor:
        """Return the reset value ``value`` for each sample of ``x``, one time step."""
        value = value.to(x.device, x.dtype if x.is_floating_point() else value.dtype)
        try:
            return value.expand(x.shape).clone()
        except RuntimeError:
            raise ValueError(
                f"{self._whoami()}: the reset value of {name!r} has shape {tuple(value.shape)}, "
                f"which does not broadcast to one time step of the input, {tuple(x.shape)}; "
                "give set_reset_value a number, or one value for each neuron in the last axes"
            ) from None

    def watch(self, x: Tensor) -> Tensor:
        """Return ``x`` as the root of the graph that the state belongs to from now on."""
        learns = not x.requires_grad and any(p.requires_grad for p in self.parameters())
        y, node = probe(x, learns)
        if node is not None:
            self.watch_node(node)
        return y

    def watch_node(self, node: Any) -> None:
        """Remember a node of the graph that the state belongs to from now on.

        Use it in place of `watch`, with a node that saves tensors for backward, or with None.
        """
        self.__dict__["_graph_node"] = node  # nn.Module.__setattr__ takes long

    # -- forward ----------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run one time step or a whole sequence, as `step_mode` says.

        Raises:
            StateError: inside of a backward pass, where the state is no longer that of the forward.
        """
        self._refuse_to_run_again()
        if self.step_mode == "s":
            return self.single_step_forward(*args, **kwargs)
        return self.multi_step_forward(*args, **kwargs)

    def _refuse_to_run_again(self) -> None:
        idle = not self._states_carry_gradient and not self.training
        if runs_again() and not idle and any(True for _ in self.named_memories()):
            raise StateError(
                f"{self._whoami()}: it runs a second time inside of backward(), as "
                "torch.utils.checkpoint does it, from the state that its first run left behind. "
                "Use functional.save_memory(net) instead, which restores states"
            )

    def single_step_forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Run one time step, ``[B, ...]``."""
        if not self._writes("single_step_functional_forward"):
            raise NotImplementedError(f"{type(self).__name__} does not define single_step_forward")
        return self._on_own_states(self.single_step_functional_forward, "s", (x, *args), kwargs)

    def multi_step_forward(self, x_seq: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Run a whole sequence, ``[T, B, ...]``: single steps in a loop, stacked."""
        if self._writes("single_step_functional_forward", "multi_step_functional_forward"):
            call = self.multi_step_functional_forward
            return self._on_own_states(call, "m", (x_seq, *args), kwargs)
        return torch.stack([self.single_step_forward(x, *args, **kwargs) for x in x_seq])

    # -- forward as a function of the states ------------------------------------------------

    def materialize_states(
        self,
        inputs: tuple[Any, ...],  # noqa: ARG002
        states: States,
        step_mode: str,  # noqa: ARG002
    ) -> States:
        """Return states that fit the inputs, made from those after a reset; here, ``states``."""
        return states

    def functional_forward(
        self, inputs: tuple[Any, ...], states: States, **kwargs: Any
    ) -> tuple[tuple[Any, ...], States]:
        """Return outputs and new states of one call; the module's own states stay as they are.

        Args:
            inputs: the arguments of `forward`, ``[B, ...]`` or ``[T, B, ...]`` as `step_mode` says.
            states: one for each memory, in the order of `memories`.
            **kwargs: passed on.

        Returns:
            A tuple of the outputs and a tuple of the new states.

        Raises:
            ValueError: if the number of states is not that of the memories.
        """
        states = self.materialize_states(inputs, states, self.step_mode)
        if self.step_mode == "s":
            return self.single_step_functional_forward(inputs, states, **kwargs)
        return self.multi_step_functional_forward(inputs, states, **kwargs)

    def single_step_functional_forward(
        self, inputs: tuple[Any, ...], states: States, **kwargs: Any
    ) -> tuple[tuple[Any, ...], States]:
        """Return what `functional_forward` returns, for one time step."""
        return self._on_states(self.single_step_forward, inputs, states, kwargs)

    def multi_step_functional_forward(
        self, inputs: tuple[Any, ...], states: States, **kwargs: Any
    ) -> tuple[tuple[Any, ...], States]:
        """Return what `functional_forward` returns, for a whole sequence."""
        if not self._writes("single_step_functional_forward"):
            return self._on_states(self.multi_step_forward, inputs, states, kwargs)
        steps = []
        for step_inputs in zip(*inputs, strict=True):
            outputs, states = self.single_step_functional_forward(step_inputs, states, **kwargs)
            steps.append(outputs)
        return tuple(torch.stack(output) for output in zip(*steps, strict=True)), states

    def _writes(self, *methods: str) -> bool:
        """Return whether the class overrides one of these methods."""
        kind = type(self)
        return any(getattr(kind, m) is not getattr(MemoryModule, m) for m in methods)

    def _on_states(
        self,
        call: Callable[..., Any],
        inputs: tuple[Any, ...],
        states: States,
        kwargs: dict[str, Any],
    ) -> tuple[tuple[Any, ...], States]:
        with holding([self], states):
            return as_tuple(call(*inputs, **kwargs)), tuple(self.memories())

    def _on_own_states(
        self,
        call: Callable[..., tuple[tuple[Any, ...], States]],
        step_mode: str,
        inputs: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        states = self.materialize_states(inputs, tuple(self.memories()), step_mode)
        outputs, states = call(inputs, states, **kwargs)
        for (name, _), state in zip(list(self.named_memories()), states, strict=True):
            self._memories[name] = state
        return only_one(outputs)

    # -- as nn.Module needs it --------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        memories = self.__dict__.get("_memories")
        if memories is not None and name in memories:
            value = memories[name]
            return value.stacked() if isinstance(value, StepRecord) else value
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        memories = self.__dict__.get("_memories")
        if memories is not None and name in memories:
            memories[name] = value
        else:
            super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name in self._memories:
            del self._memories[name]
            del self._memories_rv[name]
            self._records.discard(name)
        else:
            super().__delattr__(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._memories]  # type: ignore[no-untyped-call]

    def __getstate__(self) -> dict[str, Any]:
        """Return memories without their graph: only leaf tensors can be copied or pickled."""
        self._settle_records()
        state = self.__dict__.copy()
        state["_memories"] = {
            name: value.detach() if isinstance(value, Tensor) else value
            for name, value in self._memories.items()
        }
        state["_graph_node"] = None
        return state

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._settle_records()
        for store in (self._memories, self._memories_rv):
            for name, value in store.items():
                if isinstance(value, Tensor):
                    store[name] = fn(value)
        return self

    def _settle_records(self) -> None:
        """Stack the steps that `append_record` has collected."""
        for name in self._records:
            value = self._memories[name]
            if isinstance(value, StepRecord):
                self._memories[name] = value.stacked()

    def _replicate_for_data_parallel(self) -> Self:
        replica: Self = super()._replicate_for_data_parallel()  # type: ignore[no-untyped-call]
        replica._memories = self._memories.copy()
        return replica

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        return f"step_mode={self.step_mode!r}"
