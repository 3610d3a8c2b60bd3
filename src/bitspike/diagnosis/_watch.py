"""A warning, once, when a layer stays silent in training."""

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bitspike.diagnosis._probe import Kinds, find_neurons, fires, label
from bitspike.spikes import SpikeTensor


class SilentLayerWarning(UserWarning):
    """A layer of neurons has not fired for many calls in training, and so does not learn."""


class Watch(ExitStack):
    """A handle: `close` it, or use it as a context manager, to stop watching."""


def watch(
    net: nn.Module,
    patience: int = 100,
    pause: int = 100,
    tell: Callable[[str], Any] | None = None,
    kinds: Kinds | None = None,
) -> Watch:
    """Warn once for each layer of neurons that does not fire at all in training.

    It costs next to nothing: a layer that fires is checked once in ``pause`` calls, and for
    spikes stored as bits a check is one pass over 1/32 of the memory. Calls in evaluation or
    without gradients do not count. A copied or pickled network is not watched.

    Args:
        net: the network. It holds the hooks, so that the result need not be kept.
        patience: silent calls in a row before the warning. A call is a batch in multi-step mode
            and a time step in single-step mode.
        pause: unchecked calls of a layer after one in which it has fired.
        tell: a function that gets the message instead of Python's warnings.
        kinds: classes of the neurons; None is all of bitspike's that fire.

    Raises:
        ValueError: if the network has no such neurons, or ``patience`` is less than 1.
    """
    if patience < 1 or pause < 0:
        raise ValueError(
            f"watch: patience must be 1 or more and pause 0 or more, but got {patience} and {pause}"
        )
    handle = Watch()
    for name, module in find_neurons(net, kinds):
        if fires(module):
            hook = _SilenceHook(label(name, module), patience, pause, tell)
            handle.callback(module.register_forward_hook(hook).remove)
    return handle


@dataclass(eq=False)
class _SilenceHook:
    """A forward hook that counts the silent calls of a layer."""

    name: str
    patience: int
    pause: int
    tell: Callable[[str], Any] | None
    skip: int = 0  # calls to come that are not checked
    silent: int = 0  # silent calls in a row
    output_only: ClassVar[bool] = True  # a `layer.FusedSequential` need not make the input

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG002
        if self.skip:
            self.skip -= 1
            return
        if torch.compiler.is_compiling() or not (module.training and torch.is_grad_enabled()):
            return
        if not isinstance(output, Tensor) or self.silent >= self.patience:
            return
        bits = output.words if isinstance(output, SpikeTensor) else output.detach()
        if bits.any():
            self.skip, self.silent = self.pause, 0
            return
        self.silent += 1
        if self.silent < self.patience:
            return
        text = (
            f"{self.name} has not fired once in {self.patience} calls in training: the layers "
            "before it hardly learn. bitspike.health(net, x) shows how far its membrane is from "
            "the threshold."
        )
        if self.tell is not None:
            self.tell(f"Warning: {text}")
        else:
            warnings.warn(text, SilentLayerWarning, stacklevel=2)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial, (_ignore,)  # copies are not watched


def _ignore(module: nn.Module, *args: Any) -> None:
    """Do nothing, in the place of the hook of a copied network."""
