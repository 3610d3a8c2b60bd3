"""Integrate-and-fire neurons."""

from typing import Any, Unpack

import torch
from torch import Tensor

from bitspike import dynamics
from bitspike.neuron._arguments import Older, Potential, Surrogate
from bitspike.neuron._base import BaseNode
from bitspike.neuron._catalogue import Demo, pulse
from bitspike.neuron._run import Sequences, check_precision, run_function
from bitspike.surrogate import Sigmoid


def if_step(
    x: Any,
    v: Any,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any]:
    """Run one step of `IFNode`; return ``(s, v)``."""
    h = dynamics.if_charge(x, v)
    return dynamics.spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)


def if_multi_step(
    x_seq: Tensor,
    v: Tensor,
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
    """Run `if_step` over a sequence ``[T, B, ...]`` from the potential ``v``, ``[B, ...]``.

    Returns:
        Spikes ``[T, B, ...]``, the last potential ``[B, ...]``, and with ``store_v_seq`` the
        potentials ``[T, B, ...]``, else None. So do the other ``multi_step`` functions.

    Raises:
        ValueError: for another ``neuron_storage``, ``neuron_fwd`` or ``neuron_bwd`` than the
            default: neurons are computed and kept in the precision of their input.
    """
    check_precision(neuron_storage, neuron_fwd, neuron_bwd)
    spike = surrogate_function or Sigmoid()
    return run_function(if_step, x_seq, v, store_v_seq, v_threshold, v_reset, spike, detach_reset)


class IFNode(BaseNode):
    """Integrate and fire: a perfect integrator, no leak.

    Charge: ``H[t] = V[t-1] + X[t]``. Fire, reset and arguments: see `BaseNode`.

    Paper: Lapicque, "Recherches quantitatives sur l'excitation electrique des nerfs traitee
    comme une polarisation", 1907; in this form Abbott, Brain Research Bulletin 1999.
    """

    group = "integrate"
    demo = Demo(pulse(0.08, 0.3))
    step_function = staticmethod(if_step)

    def charge(self, x: Any, v: Any) -> Any:
        """Return ``V[t-1] + X[t]``."""
        return dynamics.if_charge(x, v)


class HalfThresholdIFNode(IFNode):
    """Integrate and fire with soft reset that starts at half its threshold.

    So the number of spikes over T is the sum of the input, rounded instead of cut off, as the
    conversion of an ANN needs it. Equations and arguments: see `IFNode`.
    """

    group = "conversion"

    def __init__(
        self,
        v_threshold: Potential = 1.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            v_threshold, None, surrogate_function, detach_reset, step_mode, store_v_seq, **older
        )
        self.set_reset_value("v", self.v_threshold / 2)
        self.reset()
