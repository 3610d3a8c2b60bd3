"""Leaky integrate-and-fire neurons that learn their time constant or their slope."""

import math
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from bitspike import dynamics
from bitspike.base import check_tau
from bitspike.neuron._arguments import Older, Potential, Steps, Surrogate
from bitspike.neuron._base import BaseNode
from bitspike.neuron._catalogue import Demo, pulse
from bitspike.neuron._run import Sequences, check_precision, run_function
from bitspike.surrogate import Sigmoid


def plif_step(
    x: Any,
    v: Any,
    w: Any,
    decay_input: bool,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any]:
    """Run one step of `ParametricLIFNode` with ``1 / tau = sigmoid(w)``; return ``(s, v)``."""
    h = dynamics.plif_charge(x, v, w.sigmoid(), decay_input, v_reset)
    return dynamics.spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)


def plif_multi_step(
    x_seq: Tensor,
    v: Tensor,
    w: Tensor,
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
    """Run `plif_step` over a sequence, see `if_multi_step`."""
    check_precision(neuron_storage, neuron_fwd, neuron_bwd)
    spike = surrogate_function or Sigmoid()
    own = (w, decay_input, v_threshold, v_reset, spike, detach_reset)
    return run_function(plif_step, x_seq, v, store_v_seq, *own)


class ParametricLIFNode(BaseNode):
    """Leaky integrate and fire with a learnable time constant, one for the whole layer.

    The parameter is ``w = -ln(init_tau - 1)``, so that ``1 / tau = sigmoid(w)`` stays in (0, 1).
    Charge, with ``r = v_reset`` (0 under soft reset)::

        H[t] = V[t-1] + (X[t] - (V[t-1] - r)) sigmoid(w)     decay_input=True
        H[t] = V[t-1] - (V[t-1] - r) sigmoid(w) + X[t]       decay_input=False

    Fire, reset and the other arguments: see `BaseNode`.

    Args:
        init_tau: membrane time constant at the start, in time steps, greater than 1.
        decay_input: whether the input is multiplied by ``sigmoid(w)`` as well.

    Paper: Fang et al., "Incorporating learnable membrane time constant to enhance learning of
    spiking neural networks", ICCV 2021.
    """

    group = "integrate"
    step_function = staticmethod(plif_step)

    def __init__(
        self,
        init_tau: Steps = 2.0,
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
        self.decay_input = bool(decay_input)
        w = -math.log(check_tau(self, "init_tau", init_tau) - 1.0)
        self.w = nn.Parameter(torch.tensor(w))

    @property
    def tau(self) -> float:
        """The learned time constant, in time steps."""
        return 1.0 / float(self.w.detach().sigmoid())

    def charge(self, x: Any, v: Any) -> Any:
        """Return the potential after the leaky integration of ``x``."""
        return dynamics.plif_charge(x, v, self.w.sigmoid(), self.decay_input, self.v_reset)


def klif_step(
    x: Any,
    v: Any,
    k: Any,
    tau: float,
    decay_input: bool,
    scale_reset: bool,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any]:
    """Run one step of `KLIFNode` with the slope ``k``; return ``(s, v)``."""
    h = torch.relu(k * dynamics.lif_charge(x, v, tau, decay_input, v_reset))
    s = surrogate_function(h - v_threshold)
    if scale_reset:
        return s, dynamics.voltage_reset(h / k, s, v_threshold / k, v_reset, detach_reset)
    return s, dynamics.voltage_reset(h, s, v_threshold, v_reset, detach_reset)


class KLIFNode(BaseNode):
    """Leaky integrate and fire with a learnable slope ``k`` of the charged potential.

    ::

        H[t] = relu(k charge(V[t-1], X[t]))      the charge of `LIFNode`
        S[t] = Theta(H[t] - v_threshold)

    With ``scale_reset`` the reset takes ``H / k`` and ``v_threshold / k``. Arguments that are not
    listed: see `LIFNode`.

    Args:
        scale_reset: whether the potential is divided by ``k`` again before the reset.

    Paper: Jiang and Zhang, "KLIF: an optimized spiking neuron unit for tuning surrogate gradient
    slope and membrane potential", arXiv 2302.09238.
    """

    group = "integrate"
    demo = Demo(pulse(1.1, 1.6))
    step_function = staticmethod(klif_step)

    def __init__(
        self,
        scale_reset: bool = False,
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
        self.scale_reset = bool(scale_reset)
        self.tau = check_tau(self, "tau", tau)
        self.decay_input = bool(decay_input)
        self.k = nn.Parameter(torch.tensor(1.0))

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, v)`` to ``(s, v)``."""
        (v,) = states
        return klif_step(
            x, v, self.k, self.tau, self.decay_input, self.scale_reset,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Return the learned slope and the settings for ``repr(net)``."""
        return f"k={self.k.item():.4g}, {super().extra_repr()}"
