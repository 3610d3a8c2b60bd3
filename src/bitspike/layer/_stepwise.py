"""The mechanism that gives a stateless torch layer its two step modes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bitspike import kernels
from bitspike.base import StepModule, seq_to_ann_forward, step_axes, wrong_axes
from bitspike.kernels import constant_step, is_constant, repeat_step

Size = int | tuple[int, ...]
"""A size for all axes of a space, or for each."""
Device = torch.device | str | int | None


class Stepwise(StepModule):
    """Mixin to put before a stateless ``torch.nn`` class: ``class Conv2d(Stepwise, nn.Conv2d)``.

    Adds the keyword argument ``step_mode``. In single-step mode the layer is torch's own; in
    multi-step mode its input ``[T, B, ...]`` goes through it as one batch of ``T * B``. An input
    that is held over time, ``img.expand(T, *img.shape)``, is computed once, and the output is
    held as well, until its steps are read one by one or written into.

    Raises:
        ValueError: for another ``step_mode`` than ``'s'`` and ``'m'``, or, in multi-step mode,
            for an input with another number of axes than ``[T, B, ...]`` has for this layer.
    """

    _axes: tuple[str, ...] = ()
    _ranks: frozenset[int] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._axes = step_axes(cls)
        cls._ranks = frozenset(3 + axes.count(",") for axes in cls._axes)

    def __init__(self, *args: Any, step_mode: str = "s", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.step_mode = step_mode

    def forward(self, input: Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
        """Run one time step ``[B, ...]`` or a sequence ``[T, B, ...]``, as `step_mode` says."""
        torch_forward = super().forward  # type: ignore[misc]

        def stateless(x: Tensor) -> Any:
            return torch_forward(x, *args, **kwargs)

        alone = not args and not kwargs
        if self._backend == "auto" or torch.compiler.is_compiling():
            return self._run(input, stateless, alone)
        with kernels.use_backend(self._backend):
            return self._run(input, stateless, alone)

    def _run(self, x: Tensor, stateless: Callable[[Tensor], Any], alone: bool) -> Any:
        """Run as `step_mode` says; ``alone`` if ``x`` is the layer's only argument."""
        if self._step_mode == "s":
            return stateless(x)
        self._check(x)
        if alone and is_constant(x):
            return self._held(x, stateless)
        return self._sequence(x, stateless)

    def _check(self, x_seq: Tensor) -> None:
        """Raise ValueError if a sequence has another number of axes than the layer takes."""
        if self._axes and x_seq.ndim not in self._ranks:
            raise wrong_axes(self._whoami(), self._axes, x_seq.shape)

    def _held(self, x_seq: Tensor, stateless: Callable[[Tensor], Any]) -> Any:
        """Run the one step of a held sequence, and hold the result."""
        return repeat_step(self._sequence(constant_step(x_seq), stateless), len(x_seq))

    def _sequence(self, x_seq: Tensor, stateless: Callable[[Tensor], Any]) -> Any:
        """Run a whole sequence ``[T, B, ...]``."""
        return seq_to_ann_forward(x_seq, stateless)

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        inner: str = super().extra_repr()  # type: ignore[misc]
        return ", ".join(part for part in (inner, f"step_mode={self.step_mode!r}") if part)
