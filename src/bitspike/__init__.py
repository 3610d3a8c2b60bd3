"""Spiking neural networks on PyTorch.

The modules follow ``spikingjelly.activation_based``, so that a program moves over by changing
its import::

    from bitspike import encoding, functional, layer, neuron, surrogate

Every subpackage is an attribute of ``bitspike`` and is imported when it is first used, so that
``bitspike --help`` does not wait for torch. ``from bitspike import *`` brings the packages that
networks are built of.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bitspike._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from bitspike import base as base
    from bitspike import cli as cli
    from bitspike import datasets as datasets
    from bitspike import diagnosis as diagnosis
    from bitspike import dispatch as dispatch
    from bitspike import dynamics as dynamics
    from bitspike import encoding as encoding
    from bitspike import examples as examples
    from bitspike import functional as functional
    from bitspike import kernels as kernels
    from bitspike import layer as layer
    from bitspike import learning as learning
    from bitspike import loss as loss
    from bitspike import memory as memory
    from bitspike import models as models
    from bitspike import monitor as monitor
    from bitspike import neuron as neuron
    from bitspike import playground as playground
    from bitspike import rnn as rnn
    from bitspike import spikes as spikes
    from bitspike import surrogate as surrogate
    from bitspike import testing as testing
    from bitspike import training as training
    from bitspike import visualizing as visualizing
    from bitspike.diagnosis import Health, Watch

__all__ = [
    "__version__",
    "base",
    "encoding",
    "functional",
    "layer",
    "loss",
    "memory",
    "neuron",
    "rnn",
    "surrogate",
]

_SUBPACKAGES = (
    "base", "cli", "datasets", "diagnosis", "dispatch", "dynamics", "encoding", "examples",
    "functional", "kernels", "layer", "learning", "loss", "memory", "models", "monitor", "neuron",
    "playground", "rnn", "spikes", "surrogate", "testing", "training", "visualizing",
)  # fmt: skip


def health(
    net: nn.Module,
    x: Tensor,
    target: Tensor | None = None,
    loss: Callable[..., Tensor] | None = None,
    *,
    kinds: type[nn.Module] | tuple[type[nn.Module], ...] | None = None,
) -> Health:
    """Run ``x`` through a copy of ``net`` and report on each layer of neurons.

    See `bitspike.diagnosis.health` for the arguments in full, and `bitspike.diagnosis.watch` for
    a warning during training.

    Args:
        net: the network; it stays as it is.
        x: a sequence ``[T, B, ...]``, or an image if the network makes its own time steps.
        target: labels ``[B]`` or wanted firing rates ``[B, N]``; with it the report has gradients.
        loss: ``loss(y, target)``, or ``loss(y)`` without a target; None is the mean squared error
            between firing rates and the target.
        kinds: classes of the neurons; None is all of bitspike's.

    Raises:
        ValueError: if the network has no neurons, or the input no time axis to step along.
    """
    from bitspike.diagnosis import health as check

    return check(net, x, target, loss, kinds=kinds)


def _watch(net: nn.Module, *args: Any, **kwargs: Any) -> Watch:
    """Call `bitspike.diagnosis.watch`."""
    from bitspike.diagnosis import watch

    return watch(net, *args, **kwargs)


health.watch = _watch  # type: ignore[attr-defined]  # the name that older programs use


if not TYPE_CHECKING:  # which knows the names from the imports above, and finds misspelt ones

    def __getattr__(name: str) -> Any:
        if name in _SUBPACKAGES:
            return import_module(f"bitspike.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if name.startswith("__")), *_SUBPACKAGES, "health"})
