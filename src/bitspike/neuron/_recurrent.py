"""Neurons that hear their own last spikes."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bitspike.base import check_count
from bitspike.neuron._base import BaseNode
from bitspike.neuron._lif import LIFNode
from bitspike.neuron._synaptic import SynapticNode


class _Recurrent(BaseNode):
    """Adds the last spikes, weighted, to the input of the neuron that stands behind it."""

    def _connect(self, features: int | None) -> None:
        self.register_memory("s", 0.0)
        self.features = None if features is None else check_count(self, "features", features)
        self.recurrent: nn.Module | None = None
        if self.features is None:
            self.weight = nn.Parameter(torch.zeros(()))
        else:
            self.recurrent = nn.Linear(self.features, self.features, bias=False)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step, ``(x, *states, s)`` to ``(s, *states, s)``."""
        *states_of_neuron, s = states
        heard = self.weight * s if self.recurrent is None else self.recurrent(s)
        s, *after = super().step(x + heard, *states_of_neuron)
        return (s, *after, s)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"features={self.features}, {super().extra_repr()}"


class RecurrentLIFNode(_Recurrent, LIFNode):
    """Leaky integrate and fire that hears its own last spikes (snnTorch's RLeaky).

    ``X[t] + W S[t-1]`` takes the place of the input ``X[t]`` of `LIFNode`. Arguments that are not
    listed: see there.

    Args:
        features: None: ``W`` is one learnable number, the neuron's own feedback, 0 at the start.
            An integer N: each neuron of the last axis, ``[B, ..., N]``, hears all of them;
            ``W`` is the weight of ``recurrent``, an ``nn.Linear`` without bias.
        tau: membrane time constant in time steps, greater than 1.
        decay_input: whether the input is divided by tau as well.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v", "s")

    def __init__(
        self,
        features: int | None = None,
        tau: float = 2.0,
        decay_input: bool = True,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__(
            tau, decay_input, v_threshold, v_reset,
            surrogate_function, detach_reset, step_mode, store_v_seq,
        )  # fmt: skip
        self._connect(features)


class RecurrentSynapticNode(_Recurrent, SynapticNode):
    """A `SynapticNode` that hears its own last spikes (snnTorch's RSynaptic).

    Arguments that are not listed: see there; ``features``: see `RecurrentLIFNode`.

    Args:
        features: None or the number of neurons on the last axis.
        alpha: what is left of the current after a step, between 0 and 1.
        beta: what is left of the potential after a step, between 0 and 1.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v", "i", "s")

    def __init__(
        self,
        features: int | None = None,
        alpha: float = 0.9,
        beta: float = 0.8,
        v_threshold: float = 1.0,
        v_reset: float | None = None,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__(
            alpha, beta, v_threshold, v_reset,
            surrogate_function, detach_reset, step_mode, store_v_seq,
        )  # fmt: skip
        self._connect(features)
