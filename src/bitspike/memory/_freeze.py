"""A copy of a network for prediction only."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import kernels
from bitspike.base import MemoryModule


class Frozen:
    """A copy of a network that only predicts; made by `freeze`."""

    def __init__(self, net: nn.Module) -> None:
        self._net = copy.deepcopy(net).eval().requires_grad_(False)
        self._stateful = [m for m in self._net.modules() if isinstance(m, MemoryModule)]
        self._prepared: dict[Any, Any] = {}
        self._reset()

    def __call__(self, x: Tensor) -> Tensor:
        """Return the network's output for ``x``, from the state after a reset.

        Raises:
            RuntimeError: if ``x`` requires a gradient.
        """
        if isinstance(x, Tensor) and x.requires_grad and torch.is_grad_enabled():
            raise RuntimeError(
                f"the network is frozen, and no gradient flows through it to the input "
                f"{tuple(x.shape)}: call the network that you froze instead, or pass x.detach()"
            )
        try:
            with torch.no_grad(), kernels.keep_prepared(self._prepared):
                y: Tensor = self._net(x)
                return y
        finally:
            self._reset()

    def _reset(self) -> None:
        for module in self._stateful:
            module.reset()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_prepared": {}}

    def __repr__(self) -> str:
        return f"Frozen({self._net!r})"


def freeze(net: nn.Module) -> Frozen:
    """Return a copy of ``net`` as it is now, for prediction: call it with an input.

    The copy has its own weights, is in evaluation mode, keeps no graph, and starts each call from
    the state after a reset. Kernels prepare the weights once, which saves most on small batches
    and wide layers. The output is that of ``net.eval()`` after ``reset_net``, to the bit. Later
    changes of ``net`` do not reach the copy, and calls of the copy do not change ``net``.

    Args:
        net: any module. Layers and neurons keep their step mode and backend.

    Returns:
        An object that is called with ``x``, ``[T, B, ...]`` for a network in multi-step mode. Each
        thread needs its own, by ``copy.deepcopy``.

    Raises:
        TypeError: if ``net`` is no module.
    """
    if not isinstance(net, nn.Module):
        raise TypeError(f"freeze: net must be a torch.nn.Module, but got {type(net).__name__}")
    return Frozen(net)
