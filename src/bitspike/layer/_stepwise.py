"""The mechanism that gives a stateless torch layer its two step modes."""

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor

from bitspike import kernels
from bitspike.base import StepModule, seq_to_ann_forward, step_axes, wrong_axes
from bitspike.kernels._held import hold, is_held, once


class Stepwise(StepModule):
    """Mixin to put before a stateless ``torch.nn`` class: ``class Conv2d(Stepwise, nn.Conv2d)``.

    Adds the keyword argument ``step_mode``. In single-step mode the layer is torch's own; in
    multi-step mode its input ``[T, B, ...]`` goes through it as one batch of ``T * B``. An input
    that is held over time, ``img.expand(T, *img.shape)``, is computed once, and the output is
    held as well, until anybody looks at its steps or writes into them.

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
        if Stepwise not in cls.__bases__:  # a user's subclass speaks for itself
            if "__init__" in vars(cls):
                _, *own = inspect.signature(vars(cls)["__init__"]).parameters.values()
                cls.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
            return
        torch_class = next(base for base in cls.__mro__ if not issubclass(base, StepModule))
        signature = inspect.signature(torch_class)
        step_mode = inspect.Parameter(
            "step_mode", inspect.Parameter.KEYWORD_ONLY, default="s", annotation=str
        )
        named = [p for p in signature.parameters.values() if p.kind != p.VAR_KEYWORD]
        cls.__signature__ = signature.replace(parameters=[*named, step_mode])  # type: ignore[attr-defined]
        cls.__doc__ = cls.__doc__ or (
            f"``torch.nn.{torch_class.__name__}`` in both step modes.\n\n"
            "Input and output are torch's in single-step mode, the same with a leading time axis "
            "``[T, B, ...]`` in multi-step mode."
        )

    def __init__(self, *args: Any, step_mode: str = "s", **kwargs: Any) -> None:
        if args and isinstance(args[-1], str) and args[-1] in ("s", "m"):
            args, step_mode = args[:-1], args[-1]  # by position, as SpikingJelly has it
        super().__init__(*args, **kwargs)
        self.step_mode = step_mode

    def forward(self, input: Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
        """One time step ``[B, ...]`` or a sequence ``[T, B, ...]``, as `step_mode` says."""
        torch_forward = super().forward  # type: ignore[misc]

        def stateless(x: Tensor) -> Any:
            return torch_forward(x, *args, **kwargs)

        alone = not args and not kwargs
        if self._backend == "auto":
            return self._run(input, stateless, alone)
        with kernels.use_backend(self._backend):
            return self._run(input, stateless, alone)

    def _run(self, x: Tensor, stateless: Callable[[Tensor], Any], alone: bool) -> Any:
        """What `step_mode` says; ``alone`` if ``x`` is the layer's only argument."""
        if self._step_mode == "s":
            return stateless(x)
        self._check(x)
        if alone and is_held(x):
            return self._held(x, stateless)
        return self._sequence(x, stateless)

    def _check(self, x_seq: Tensor) -> None:
        """Raises ValueError if a sequence has another number of axes than the layer takes."""
        if self._axes and x_seq.ndim not in self._ranks:
            raise wrong_axes(self._whoami(), self._axes, x_seq.shape)

    def _held(self, x_seq: Tensor, stateless: Callable[[Tensor], Any]) -> Any:
        """A sequence of which all steps are the same: one of them, held."""
        return hold(self._sequence(once(x_seq), stateless), len(x_seq))

    def _sequence(self, x_seq: Tensor, stateless: Callable[[Tensor], Any]) -> Any:
        """A whole sequence ``[T, B, ...]`` through torch's layer."""
        return seq_to_ann_forward(x_seq, stateless)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        inner: str = super().extra_repr()  # type: ignore[misc]
        return ", ".join(part for part in (inner, f"step_mode={self.step_mode!r}") if part)
