"""Containers that make steps of a sequence, or one large batch of it."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from torch import Tensor, nn

from bitspike.base import (
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


def check_children(container: object, children: Iterable[nn.Module]) -> None:
    """Refuses children, and those of plain ``nn.Sequential`` among them, that want sequences.

    Raises:
        ValueError: if one is in multi-step mode.
    """
    for child in children:
        if is_chain(child):
            check_children(container, child.children())
        elif getattr(child, "step_mode", "s") != "s":
            raise ValueError(
                f"{type(container).__name__} calls what it contains with single steps, so that "
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

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        check_children(self, self)

    def _chain(self, x: Any) -> Any:
        return _run_all(self, x)


class MultiStepContainer(_SequenceContainer):
    """Calls its modules once a time step: ``[T, B, ...]`` in and out, for modules with state.

    Takes what ``torch.nn.Sequential`` takes. `functional.set_step_mode` does not reach into it.

    Raises:
        ValueError: if one of the modules is in multi-step mode.
    """

    def forward(self, x_seq: Tensor) -> Any:
        """A whole sequence ``[T, B, ...]``."""
        check_first(self, x_seq)
        return multi_step_forward(x_seq, self._chain)


class SeqToANNContainer(_SequenceContainer):
    """Calls its modules once, on ``T * B`` samples: ``[T, B, ...]`` in and out, without state.

    Takes what ``torch.nn.Sequential`` takes. `functional.set_step_mode` does not reach into it.

    Raises:
        ValueError: if one of the modules is in multi-step mode.
    """

    def forward(self, x_seq: Tensor) -> Any:
        """A whole sequence ``[T, B, ...]``."""
        check_first(self, x_seq)
        return seq_to_ann_forward(x_seq, self._chain)


class TLastMultiStepContainer(_SequenceContainer):
    """`MultiStepContainer` with time last: ``[B, ..., T]`` in and out."""

    def forward(self, x_seq: Tensor) -> Any:
        """A whole sequence ``[B, ..., T]``."""
        check_first(self, x_seq.movedim(-1, 0))
        return t_last_multi_step_forward(x_seq, self._chain)


class TLastSeqToANNContainer(_SequenceContainer):
    """`SeqToANNContainer` with time last: ``[B, ..., T]`` in and out."""

    def forward(self, x_seq: Tensor) -> Any:
        """A whole sequence ``[B, ..., T]``."""
        check_first(self, x_seq.movedim(-1, 0))
        return t_last_seq_to_ann_forward(x_seq, self._chain)


class StepModeContainer(nn.Sequential, StepModule):
    """An ``nn.Sequential`` of single-step modules with a step mode of its own.

    ``[B, ...]`` in single-step mode. In multi-step mode ``[T, B, ...]``, which goes through as in
    `MultiStepContainer` if ``stateful``, else as in `SeqToANNContainer`.

    `functional.set_step_mode` sets the container and does not reach into it.

    Args:
        stateful: whether one of the modules has a state.
        step_mode: ``'s'`` or ``'m'``.
        *args: what ``torch.nn.Sequential`` takes.

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
        """One time step ``[B, ...]`` or a sequence ``[T, B, ...]``, as `step_mode` says."""
        if self.step_mode == "s":
            return _run_all(self, x)
        check_first(self, x)
        forward = multi_step_forward if self.stateful else seq_to_ann_forward
        return forward(x, partial(_run_all, self))
