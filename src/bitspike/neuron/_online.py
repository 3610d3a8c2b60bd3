"""Leaky integrate-and-fire neurons for online training: no gradient goes back in time."""

from typing import Any, Unpack

import torch
from torch import Tensor

from bitspike.base import SingleStepModule
from bitspike.neuron._arguments import Older, Potential, Steps, Surrogate
from bitspike.neuron._catalogue import Demo
from bitspike.neuron._lif import LIFNode
from bitspike.surrogate import heaviside


class _OnlineLIFNode(SingleStepModule, LIFNode):
    """A `LIFNode` that cuts its potential from the graph before each step of training."""

    def fire(self, h: Any) -> Any:
        """Return the spikes of the potential ``h``, in evaluation without surrogate gradient."""
        return super().fire(h) if self.training else heaviside(h - self.v_threshold)

    def _spikes(self, x: Tensor) -> Tensor:
        if self.training and isinstance(self.v, Tensor):
            self.v = self.v.detach()
        return super().single_step_forward(x)


class OTTTLIFNode(_OnlineLIFNode):
    """Leaky integrate and fire for online training through time (OTTT).

    A step of training detaches ``V[t-1]``, then runs the step of `LIFNode`, and returns the list
    ``[S[t], A[t]]``. The trace replaces the spikes in the update of the next layer's weights; it
    carries no gradient::

        A[t] = (1 - 1 / tau) A[t-1] + S[t]       A[0] = 0

    In evaluation a step returns ``S[t]`` alone, without surrogate gradient, and leaves the
    memory ``trace`` as it is. Single-step only: ``[B, ...]``. Arguments: see `LIFNode`; the
    defaults are others.

    Raises:
        ValueError: if ``step_mode`` is not ``'s'``; else as `LIFNode`.

    Paper: Xiao et al., "Online training through time for spiking neural networks", NeurIPS 2022.
    """

    group = "training"
    demo = Demo(shown={"decay_input": True}, without=("differences",))

    def __init__(
        self,
        tau: Steps = 2.0,
        decay_input: bool = False,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = None,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = True,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            tau, decay_input, v_threshold, v_reset,
            surrogate_function, detach_reset, step_mode, store_v_seq, **older,
        )  # fmt: skip
        self.register_memory("trace", None)

    trace: Tensor | None

    @staticmethod
    def track_trace(spike: Tensor, trace: Tensor, tau: float) -> Tensor:
        """Return the trace after ``spike``, without gradient; all ``[B, ...]``."""
        with torch.no_grad():
            return trace * (1.0 - 1.0 / tau) + spike

    def single_step_forward(self, x: Tensor) -> Tensor | list[Tensor]:  # type: ignore[override]
        """Return the spikes of one time step, ``[B, ...]``; in training a list with the trace."""
        spike = self._spikes(x)
        if not self.training:
            return spike
        trace = torch.zeros_like(spike) if self.trace is None else self.trace
        self.trace = self.track_trace(spike, trace, self.tau)
        return [spike, self.trace]


class SLTTLIFNode(_OnlineLIFNode):
    """Leaky integrate and fire for spatial learning through time (SLTT).

    A step of training detaches ``V[t-1]``, then runs the step of `LIFNode`. In evaluation the
    spikes have no surrogate gradient. Single-step only: ``[B, ...]``. Arguments: see `LIFNode`;
    ``detach_reset`` is True by default.

    Raises:
        ValueError: if ``step_mode`` is not ``'s'``; else as `LIFNode`.

    Paper: Meng et al., "Towards memory- and time-efficient backpropagation for training spiking
    neural networks", ICCV 2023.
    """

    group = "training"
    demo = Demo(without=("differences",))

    def __init__(
        self,
        tau: Steps = 2.0,
        decay_input: bool = True,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = True,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            tau, decay_input, v_threshold, v_reset,
            surrogate_function, detach_reset, step_mode, store_v_seq, **older,
        )  # fmt: skip

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Return the spikes ``[B, ...]`` of one time step with input ``[B, ...]``."""
        return self._spikes(x)
