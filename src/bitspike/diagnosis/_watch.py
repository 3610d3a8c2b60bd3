"""A warning, once, when a layer stays silent in training."""

import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from bitspike.diagnosis._kinds import Kinds, fires, label, neurons
from bitspike.spikes import SpikeTensor


class SilentLayerWarning(UserWarning):
    """A layer of neurons has not fired for many calls in training, and so does not learn."""


class Watch:
    """What `watch` returns: `close` it, or use it as a context manager, to stop watching."""

    def __init__(self, hooks: list[RemovableHandle]) -> None:
        self._hooks = hooks

    def close(self) -> None:
        """Takes the hooks off the network. May be called again."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def watch(
    net: nn.Module,
    patience: int = 100,
    pause: int = 100,
    tell: Callable[[str], Any] | None = None,
    kinds: Kinds | None = None,
) -> Watch:
    """Warns once for each layer of neurons that does not fire at all in training.

    It costs next to nothing: a layer that fires is looked at once in ``pause`` calls, and for
    spikes stored as bits a look is one pass over 1/32 of the memory. Calls in evaluation or
    without gradients do not count. A copied or pickled network is not watched.

    Args:
        net: the network. It holds the hooks, so that what is returned need not be kept.
        patience: silent calls in a row before the warning. A call is a batch in multi-step mode
            and a time step in single-step mode.
        pause: calls of a layer that are let through unseen after it has fired.
        tell: gets the message instead of Python's warnings.
        kinds: classes of the neurons; None is all of bitspike's that fire.

    Raises:
        ValueError: if the network has no such neurons, or ``patience`` is less than 1.
    """
    if patience < 1 or pause < 0:
        raise ValueError(
            f"watch: patience must be 1 or more and pause 0 or more, but got {patience} and {pause}"
        )
    found = [(name, module) for name, module in neurons(net, kinds) if fires(module)]
    sentries = [_Sentry(label(name, module), patience, pause, tell) for name, module in found]
    return Watch(
        [
            module.register_forward_hook(sentry)
            for (_, module), sentry in zip(found, sentries, strict=True)
        ]
    )


class _Sentry:
    """The hook of one layer."""

    output_only = True  # a `layer.FusedSequential` need not make the neurons' input

    def __init__(
        self, name: str, patience: int, pause: int, tell: Callable[[str], Any] | None
    ) -> None:
        self._name, self._patience, self._pause, self._tell = name, patience, pause, tell
        self._skip = self._silent = 0

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG002
        if self._skip:
            self._skip -= 1
            return
        if torch.compiler.is_compiling() or not (module.training and torch.is_grad_enabled()):
            return
        if not isinstance(output, Tensor) or self._silent >= self._patience:
            return
        if _any(output):
            self._skip, self._silent = self._pause, 0
            return
        self._silent += 1
        if self._silent == self._patience:
            self._warn()

    def _warn(self) -> None:
        text = (
            f"{self._name} has not fired once in {self._patience} calls in training: what lies "
            "before it hardly learns. bitspike.health(net, x) says how far its membrane is from "
            "the threshold."
        )
        if self._tell is not None:
            self._tell(f"Warning: {text}")
        else:
            warnings.warn(text, SilentLayerWarning, stacklevel=3)

    def __reduce__(self) -> tuple[Callable[[], Callable[..., None]], tuple[()]]:
        return _deaf, ()


def _any(spikes: Tensor) -> bool:
    bits = spikes.words if isinstance(spikes, SpikeTensor) else spikes.detach()
    return bool(bits.any())


def _deaf() -> Callable[..., None]:
    return _ignore


def _ignore(module: nn.Module, *args: Any) -> None:
    pass
