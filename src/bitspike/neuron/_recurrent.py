"""Neurons whose last spikes enter their next input."""

from typing import Any, ClassVar, Unpack

import torch
from torch import nn

from bitspike.base import check_count
from bitspike.neuron._arguments import Older, Potential, Steps, Surrogate
from bitspike.neuron._base import BaseNode
from bitspike.neuron._catalogue import Demo, beats
from bitspike.neuron._lif import LIFNode
from bitspike.neuron._synaptic import SynapticNode

_MIXES = "spikes of one neuron enter the others"


class _Recurrent(BaseNode):
    """Adds the weighted spikes of the last step to the input of the next class in the MRO."""

    def _connect(self, features: int | None) -> None:
        self.register_memory("s", 0.0)
        self.features = None if features is None else check_count(self, "features", features)
        self.recurrent: nn.Module | None = None
        if self.features is None:
            self.weight = nn.Parameter(torch.zeros(()))
        else:
            self.recurrent = nn.Linear(self.features, self.features, bias=False)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, *states, s)`` to ``(s, *states, s)``."""
        *states_of_neuron, s = states
        feedback = self.weight * s if self.recurrent is None else self.recurrent(s)
        s, *after = super().step(x + feedback, *states_of_neuron)
        return (s, *after, s)


def _inhibit(node: _Recurrent) -> None:
    """Let a spike of the neuron in the picture inhibit the next one."""
    nn.init.constant_(node.weight, -0.4)


class RecurrentLIFNode(_Recurrent, LIFNode):
    """Leaky integrate and fire whose last spikes enter its input (snnTorch's RLeaky).

    ``X[t] + W S[t-1]`` takes the place of the input ``X[t]`` of `LIFNode`. Arguments that are not
    listed: see there.

    Args:
        features: None: ``W`` is one learnable number, the neuron's own feedback, 0 at the start.
            An integer N: each of the N neurons of the last axis, ``[B, ..., N]``, receives the
            spikes of all; ``W`` is the weight of ``recurrent``, an ``nn.Linear`` without bias.
    """

    group = "currents"
    demo = Demo(
        tested={"features": 6},
        loop=_MIXES,
        prepare=_inhibit,
        note="conn",
    )

    state_names: ClassVar[tuple[str, ...]] = ("v", "s")

    def __init__(
        self,
        features: int | None = None,
        tau: Steps = 2.0,
        decay_input: bool = True,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            tau, decay_input, v_threshold, v_reset,
            surrogate_function, detach_reset, step_mode, store_v_seq, **older,
        )  # fmt: skip
        self._connect(features)


class RecurrentSynapticNode(_Recurrent, SynapticNode):
    """A `SynapticNode` whose last spikes enter its input (snnTorch's RSynaptic).

    Arguments that are not listed: see there; ``features``: see `RecurrentLIFNode`.

    Args:
        features: None or the number of neurons on the last axis.
        alpha: part of the current that a step leaves, between 0 and 1.
        beta: part of the potential that a step leaves, between 0 and 1.
    """

    group = "currents"
    demo = Demo(
        beats(0.5), {"alpha": 0.7, "v_reset": 0.0}, {"features": 6},
        loop=_MIXES, prepare=_inhibit, note="conn",
    )  # fmt: skip

    state_names: ClassVar[tuple[str, ...]] = ("v", "i", "s")

    def __init__(
        self,
        features: int | None = None,
        alpha: float = 0.9,
        beta: float = 0.8,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = None,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            alpha, beta, v_threshold, v_reset,
            surrogate_function, detach_reset, step_mode, store_v_seq, **older,
        )  # fmt: skip
        self._connect(features)
