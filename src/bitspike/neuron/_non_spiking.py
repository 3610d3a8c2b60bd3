"""Neurons that never spike: they read the membrane potential out at the end of a network."""

import math
from collections.abc import Callable
from typing import Any, Unpack

import torch
from torch import Tensor

from bitspike import dynamics
from bitspike.base import MultiStepModule, check_between, check_sequence
from bitspike.neuron._arguments import Older, Steps
from bitspike.neuron._catalogue import Demo, pulse
from bitspike.neuron._mutating import MutatingNode
from bitspike.neuron._run import full_precision


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


class NonSpikingBaseNode(MutatingNode, MultiStepModule):
    """Base of the neurons that output membrane potentials; they neither fire nor reset.

    Multi-step only: input ``[T, B, ...]``. Each call starts anew at ``V[0] = 0``. A subclass
    writes ``neuronal_charge(x)``, which puts ``V[t]`` into ``self.v``.

    Args:
        decode: how ``V[1] ... V[T]`` become the output: ``'max-mem'``, ``'max-abs-mem'`` (the
            potential farthest from 0, with its sign), ``'mean-mem'`` or ``'last_mem'`` give
            ``[B, ...]``; None gives the list of all T.
        **older: arguments of older releases.

    Raises:
        ValueError: for an unknown ``decode``, or an input without time steps.
    """

    v: Tensor

    def __init__(self, decode: str | None = None, **older: Unpack[Older]) -> None:
        super().__init__()
        if decode is not None and decode not in _DECODE:
            raise ValueError(
                f"{type(self).__name__}: decode must be None or one of {', '.join(_DECODE)}, but "
                f"got {decode!r}"
            )
        self.decode = decode
        self.register_record("v")
        self._accept(older)

    def init_tensor(self, data: Tensor) -> None:
        """Put the potential to 0, shaped like ``data``, one time step."""
        self.v = torch.zeros_like(data)

    def neuronal_charge(self, x: Tensor) -> None:
        """Put the new potential into ``self.v``. Subclasses write this method."""
        raise NotImplementedError(f"{type(self).__name__} does not define neuronal_charge(x)")

    def advance(self, x: Any) -> Any:
        """Charge; return the new potential."""
        self.neuronal_charge(x)
        return self.v

    def multi_step_forward(self, x_seq: Tensor) -> Tensor | list[Tensor]:
        """Return the decoded potential ``[B, ...]``, or the list of all T potentials."""
        check_sequence(self, x_seq)
        v_seq = self._run_anew(full_precision(x_seq))
        return [*v_seq] if self.decode is None else _DECODE[self.decode](v_seq)


class NonSpikingIFNode(NonSpikingBaseNode):
    """Integrator without spikes: ``V[t] = V[t-1] + X[t]``. See `NonSpikingBaseNode`."""

    group = "outputs"
    demo = Demo(pulse(0.05, 0.2), without=("parts",))

    def neuronal_charge(self, x: Tensor) -> None:
        """Put the new potential into ``v``."""
        self.v = dynamics.if_charge(x, self.v)


class NonSpikingLIFNode(NonSpikingBaseNode):
    """Leaky integrator without spikes: ``V[t] = V[t-1] + (X[t] - V[t-1]) / tau``.

    Arguments that are not listed: see `NonSpikingBaseNode`.

    Args:
        tau: membrane time constant in time steps.

    Raises:
        TypeError: if tau is not a number.
        ValueError: if tau is not positive, or see `NonSpikingBaseNode`.
    """

    group = "outputs"
    demo = Demo(pulse(0.5, 1.0), without=("parts",))

    def __init__(self, tau: Steps = 2.0, decode: str | None = None, **older: Unpack[Older]) -> None:
        super().__init__(decode, **older)
        self.tau = check_between(self, "tau", tau, 0.0, math.inf)

    def neuronal_charge(self, x: Tensor) -> None:
        """Put the new potential into ``v``."""
        self.v = dynamics.lif_charge(x, self.v, self.tau, True, 0.0)
