"""Neurons that never spike: read the membrane potential out at the end of a network."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bitspike import dynamics
from bitspike.base import MultiStepModule, check_between, check_sequence
from bitspike.neuron import _steps
from bitspike.neuron._membrane import MethodNeuron


def _max_abs(v_seq: Tensor) -> Tensor:
    high, low = v_seq.max(0).values, v_seq.min(0).values
    return torch.where(high.abs() > low.abs(), high, low)


_DECODE: dict[str, Callable[[Tensor], Tensor]] = {
    "max-mem": lambda v_seq: v_seq.max(0).values,
    "max-abs-mem": _max_abs,
    "mean-mem": lambda v_seq: v_seq.mean(0),
    "last_mem": lambda v_seq: v_seq[-1],
}
# SpikingJelly spells the last one in two ways.
_DECODE["last-mem"] = _DECODE["last-me"] = _DECODE["last_mem"]


class NonSpikingBaseNode(MethodNeuron, MultiStepModule):
    """Base of the neurons that output membrane potentials; they neither fire nor reset.

    Multi-step only: input ``[T, B, ...]``. Each call starts anew at ``V[0] = 0``. A subclass
    writes ``neuronal_charge(x)``, which puts ``V[t]`` into ``self.v``.

    Args:
        decode: what becomes of ``V[1] ... V[T]``: ``'max-mem'``, ``'max-abs-mem'`` (the one
            farthest from 0, with its sign), ``'mean-mem'`` or ``'last_mem'`` give ``[B, ...]``;
            None gives the list of all T.

    Raises:
        ValueError: for an unknown ``decode``, or an input without time steps.
    """

    v: Tensor

    def __init__(self, decode: str | None = None) -> None:
        super().__init__()
        if decode is not None and decode not in _DECODE:
            raise ValueError(
                f"{type(self).__name__}: decode must be None or one of {', '.join(_DECODE)}, but "
                f"got {decode!r}"
            )
        self.decode = decode
        self.register_record("v")

    def init_tensor(self, data: Tensor) -> None:
        """Makes the potential 0, shaped like ``data``, one time step."""
        self.v = torch.zeros_like(data)

    def neuronal_charge(self, x: Tensor) -> None:
        """Puts the new potential into ``self.v``. Subclasses write it."""
        raise NotImplementedError(f"{type(self).__name__} does not define neuronal_charge(x)")

    def advance(self, x: Any) -> Any:
        """The new potential."""
        self.neuronal_charge(x)
        return self.v

    def multi_step_forward(self, x_seq: Tensor) -> Tensor | list[Tensor]:
        """The decoded potential ``[B, ...]``, or the list of T of them."""
        check_sequence(self, x_seq)
        x_seq = _steps.full_precision(x_seq)
        self.init_tensor(x_seq[0].detach())
        v_seq = self._run(x_seq, [self._memories[name] for name in self.state_names])
        return [*v_seq] if self.decode is None else _DECODE[self.decode](v_seq)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"decode={self.decode!r}, {super().extra_repr()}"


class NonSpikingIFNode(NonSpikingBaseNode):
    """Integrator without spikes: ``V[t] = V[t-1] + X[t]``. See `NonSpikingBaseNode`."""

    def neuronal_charge(self, x: Tensor) -> None:
        """The new potential."""
        self.v = dynamics.if_charge(x, self.v)


class NonSpikingLIFNode(NonSpikingBaseNode):
    """Leaky integrator without spikes: ``V[t] = V[t-1] + (X[t] - V[t-1]) / tau``.

    Args:
        tau: membrane time constant in time steps.
        decode: see `NonSpikingBaseNode`.

    Raises:
        TypeError: if tau is not a number.
        ValueError: if tau is not positive, or see `NonSpikingBaseNode`.
    """

    def __init__(self, tau: float = 2.0, decode: str | None = None) -> None:
        super().__init__(decode)
        self.tau = check_between(self, "tau", tau, 0.0, math.inf)

    def neuronal_charge(self, x: Tensor) -> None:
        """The new potential."""
        self.v = dynamics.lif_charge(x, self.v, self.tau, True, 0.0)
