"""Containers of single-step modules: over a sequence, and with their output fed back."""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bitspike.base import (
    MemoryModule,
    MultiStepModule,
    StepModule,
    check_first,
    is_chain,
    multi_step_forward,
    run_module,
    seq_to_ann_forward,
    t_last_multi_step_forward,
    t_last_seq_to_ann_forward,
)
from bitspike.layer._memory_shape import shaped


def check_children(container: object, children: Iterable[nn.Module]) -> None:
    """Raise ValueError if a child, or a child of an ``nn.Sequential`` below, wants sequences."""
    for child in children:
        if is_chain(child):
            check_children(container, child.children())
        elif getattr(child, "step_mode", "s") != "s":
            raise ValueError(
                f"{type(container).__name__} calls its modules with single steps, so that "
                f"{type(child).__name__} must be in step_mode 's' there, but it is in "
                f"{child.step_mode!r}"
            )


def _run_all(modules: Iterable[nn.Module], x: Any) -> Any:
    for module in modules:
        x = run_module(module, x)
    return x


class _SequenceContainer(nn.Sequential, MultiStepModule):
    """An ``nn.Sequential`` of single-step modules that takes sequences."""

    _keeps_children = True
    _time_axis: ClassVar[int] = 0
    _run_sequence: ClassVar[Callable[..., Any]]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        check_children(self, self)

    def forward(self, x_seq: Tensor) -> Any:
        """Run a whole sequence."""
        check_first(self, x_seq.movedim(self._time_axis, 0))
        return type(self)._run_sequence(x_seq, partial(_run_all, self))


class MultiStepContainer(_SequenceContainer):
    """Call modules once a time step: ``[T, B, ...]`` in and out, for modules with state.

    The arguments are those of ``torch.nn.Sequential``. `functional.set_step_mode` does not reach
    into it.

    Raises:
        ValueError: if one of the modules is in multi-step mode.
    """

    _run_sequence = staticmethod(multi_step_forward)


class SeqToANNContainer(_SequenceContainer):
    """Call modules once, on ``T * B`` samples: ``[T, B, ...]`` in and out, without state.

    Otherwise as `MultiStepContainer`.
    """

    _run_sequence = staticmethod(seq_to_ann_forward)


class TLastMultiStepContainer(_SequenceContainer):
    """`MultiStepContainer` with time last: ``[B, ..., T]`` in and out."""

    _time_axis = -1
    _run_sequence = staticmethod(t_last_multi_step_forward)


class TLastSeqToANNContainer(_SequenceContainer):
    """`SeqToANNContainer` with time last: ``[B, ..., T]`` in and out."""

    _time_axis = -1
    _run_sequence = staticmethod(t_last_seq_to_ann_forward)


class StepModeContainer(nn.Sequential, StepModule):
    """An ``nn.Sequential`` of single-step modules with a step mode of its own.

    ``[B, ...]`` in single-step mode. In multi-step mode ``[T, B, ...]``, which goes through as in
    `MultiStepContainer` if ``stateful``, else as in `SeqToANNContainer`.

    `functional.set_step_mode` sets the container and does not reach into it.

    Args:
        stateful: whether one of the modules has a state.
        step_mode: ``'s'`` or ``'m'``.
        *args: modules, as ``torch.nn.Sequential`` takes them.

    Raises:
        ValueError: if one of the modules is in multi-step mode.
    """

    _keeps_children = True

    def __init__(self, stateful: bool, step_mode: str = "s", *args: Any) -> None:
        super().__init__(*args)
        check_children(self, self)
        self.stateful = bool(stateful)
        self.step_mode = step_mode

    def forward(self, x: Tensor) -> Any:
        """Run one time step ``[B, ...]`` or a sequence ``[T, B, ...]``, as `step_mode` says."""
        if self.step_mode == "s":
            return _run_all(self, x)
        check_first(self, x)
        forward = multi_step_forward if self.stateful else seq_to_ann_forward
        return forward(x, partial(_run_all, self))


class _Recurrent(MemoryModule):
    """Hold the last output ``y``; ``functional.set_step_mode`` does not reach into it."""

    _keeps_children = True
    y: Tensor | None

    def __init__(self, sub_module: nn.Module, step_mode: str, rc: nn.Linear | None = None) -> None:
        super().__init__()
        self.step_mode = step_mode
        check_children(self, [sub_module])
        if rc is not None:
            self.rc = rc
        self.sub_module = sub_module
        self.register_memory("y", None)

    @abstractmethod
    def _first(self, x: Tensor) -> Tensor:
        """Return ``Y[-1]`` for the input ``x`` of one time step."""

    @abstractmethod
    def _combine(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the input of the sub-module."""

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Run one time step, ``[B, ...]``."""
        if self.y is None:
            self.y = self._first(x)
        last = self.memory_like("y", shaped(x, *x.shape[:1], *self.y.shape[1:]))
        y = self.watch(self.sub_module(self._combine(x, last)))
        self.y = y
        return y


class ElementWiseRecurrentContainer(_Recurrent):
    """A module that sees the input and its own last output.

    ::

        Y[t] = sub_module(element_wise_function(Y[t-1], X[t]))      Y[-1] = 0

    Input and output are ``[B, ...]`` or ``[T, B, ...]``.

    Args:
        sub_module: a single-step module whose output has the shape of its input.
        element_wise_function: takes the last output and the input, such as ``torch.add``.
        step_mode: ``'s'`` or ``'m'``; ``sub_module`` stays in single-step mode.

    Raises:
        ValueError: if ``sub_module`` is in multi-step mode.
        StateError: at an input that does not fit the output of an earlier one.
    """

    def __init__(
        self,
        sub_module: nn.Module,
        element_wise_function: Callable[[Tensor, Tensor], Tensor],
        step_mode: str = "s",
    ) -> None:
        super().__init__(sub_module, step_mode)
        self.element_wise_function = element_wise_function

    def _first(self, x: Tensor) -> Tensor:
        return torch.zeros(x.shape, dtype=x.dtype, device=x.device)

    def _combine(self, x: Tensor, y: Tensor) -> Tensor:
        return self.element_wise_function(y, x)

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        return f"element_wise_function={self.element_wise_function}, {super().extra_repr()}"


class LinearRecurrentContainer(_Recurrent):
    """A module that sees a linear combination of the input and of its own last output.

    ::

        Y[t] = sub_module(rc([X[t], Y[t-1]]))       Y[-1] = 0

    Input ``[B, ..., in_features]`` or ``[T, B, ..., in_features]``, output with ``out_features``.
    ``rc`` is an ``nn.Linear`` from ``in_features + out_features`` to ``in_features``.

    Args:
        sub_module: a single-step module from ``in_features`` to ``out_features``.
        in_features: features of the input.
        out_features: features of the output of ``sub_module``.
        bias: whether ``rc`` has a bias.
        step_mode: ``'s'`` or ``'m'``; ``sub_module`` stays in single-step mode.

    Raises:
        ValueError: if ``sub_module`` is in multi-step mode.
        StateError: at an input that does not fit the output of an earlier one.
    """

    def __init__(
        self,
        sub_module: nn.Module,
        in_features: int,
        out_features: int,
        bias: bool = True,
        step_mode: str = "s",
    ) -> None:
        rc = nn.Linear(in_features + out_features, in_features, bias)
        super().__init__(sub_module, step_mode, rc)
        self.sub_module_out_features = out_features

    def _first(self, x: Tensor) -> Tensor:
        shape = (*x.shape[:-1], self.sub_module_out_features)
        return torch.zeros(shape, dtype=x.dtype, device=x.device)

    def _combine(self, x: Tensor, y: Tensor) -> Tensor:
        z: Tensor = self.rc(torch.cat((x, y), dim=-1))
        return z
