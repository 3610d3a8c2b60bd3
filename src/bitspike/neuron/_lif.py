"""Leaky integrate-and-fire neurons: with a time constant, and as an RC circuit."""

from collections.abc import Callable
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from bitspike import dynamics
from bitspike.base import check_positive, check_tau
from bitspike.neuron._arguments import Older, Potential, Steps, Surrogate
from bitspike.neuron._base import BaseNode
from bitspike.neuron._catalogue import Demo, pulse
from bitspike.neuron._run import Sequences, check_precision, run_function
from bitspike.surrogate import Sigmoid


def lif_step(
    x: Any,
    v: Any,
    tau: float,
    decay_input: bool,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any]:
    """Run one step of `LIFNode`; return ``(s, v)``."""
    h = dynamics.lif_charge(x, v, tau, decay_input, v_reset)
    return dynamics.spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)


def lif_multi_step(
    x_seq: Tensor,
    v: Tensor,
    tau: float = 2.0,
    decay_input: bool = True,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    surrogate_function: Surrogate | None = None,
    detach_reset: bool = False,
    store_v_seq: bool = False,
    *,
    neuron_storage: torch.dtype | str | None = None,
    neuron_fwd: str = "fp32",
    neuron_bwd: str = "fp32",
) -> Sequences:
    """Run `lif_step` over a sequence, see `if_multi_step`."""
    check_precision(neuron_storage, neuron_fwd, neuron_bwd)
    spike = surrogate_function or Sigmoid()
    own = (float(tau), decay_input, v_threshold, v_reset, spike, detach_reset)
    return run_function(lif_step, x_seq, v, store_v_seq, *own)


class LIFNode(BaseNode):
    """Leaky integrate and fire.

    Charge, with ``r = v_reset`` (0 under soft reset)::

        H[t] = V[t-1] + (X[t] - (V[t-1] - r)) / tau     decay_input=True
        H[t] = V[t-1] - (V[t-1] - r) / tau + X[t]       decay_input=False

    Fire, reset and the other arguments: see `BaseNode`.

    Args:
        tau: membrane time constant in time steps, greater than 1.
        decay_input: whether the input is divided by tau as well.

    Paper: Gerstner, Kistler, Naud and Paninski, "Neuronal Dynamics", 2014, chapter 1.3.
    """

    group = "integrate"
    step_function: ClassVar[Callable[..., Any] | None] = staticmethod(lif_step)

    def __init__(
        self,
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
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq, **older
        )
        self.tau = check_tau(self, "tau", tau)
        self.decay_input = bool(decay_input)

    def charge(self, x: Any, v: Any) -> Any:
        """Return the potential after the leaky integration of ``x``."""
        return dynamics.lif_charge(x, v, self.tau, self.decay_input, self.v_reset)


class LapicqueNode(BaseNode):
    """Lapicque's neuron: an RC circuit with a threshold (snnTorch's Lapicque).

    ::

        H[t] = V[t-1] + dt (R X[t] - V[t-1]) / (R C)

    Fire, reset and the other arguments: see `BaseNode`; the reset is soft by default.

    Args:
        R: resistance of the membrane, greater than 0.
        C: its capacitance, greater than 0; ``R C`` is the time constant.
        dt: length of a time step, less than ``R C``.

    Paper: Lapicque, "Recherches quantitatives sur l'excitation electrique des nerfs traitee
    comme une polarisation", 1907.
    """

    group = "integrate"
    demo = Demo(pulse(1.2, 2.5), {"R": 1.0, "C": 5.0})

    def __init__(
        self,
        R: float = 5.0,
        C: float = 1.0,
        dt: float = 1.0,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = None,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq, **older
        )
        self.R = check_positive(self, "R", R)
        self.C = check_positive(self, "C", C)
        self.dt = check_positive(self, "dt", dt)
        if self.dt >= self.R * self.C:
            raise ValueError(
                f"LapicqueNode: dt must be less than R C = {self.R * self.C:g}, but got {dt!r}"
            )

    def charge(self, x: Any, v: Any) -> Any:
        """Return the potential after one step of the circuit with the current ``x``."""
        return dynamics.lif_charge(self.R * x, v, self.R * self.C / self.dt, True, None)
