"""Integrate-and-fire neurons whose potential runs away by itself: quadratic and exponential."""

from typing import Any, Unpack

from torch import Tensor

from bitspike import dynamics
from bitspike.base import check_finite, check_positive, check_tau
from bitspike.neuron._arguments import Older, Potential, Steps, Surrogate
from bitspike.neuron._base import BaseNode
from bitspike.neuron._catalogue import Demo, pulse
from bitspike.neuron._run import Sequences, run_function
from bitspike.surrogate import Sigmoid


def qif_step(
    x: Any,
    v: Any,
    tau: float,
    a0: float,
    v_rest: float,
    v_c: float,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any]:
    """Run one step of `QIFNode`; return ``(s, v)``."""
    h = dynamics.qif_charge(x, v, tau, a0, v_rest, v_c)
    return dynamics.spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)


def qif_multi_step(
    x_seq: Tensor,
    v: Tensor,
    tau: float = 2.0,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    v_rest: float = 0.0,
    v_c: float = 0.8,
    a0: float = 1.0,
    detach_reset: bool = False,
    surrogate_function: Surrogate | None = None,
    store_v_seq: bool = False,
) -> Sequences:
    """Run `qif_step` over a sequence, see `if_multi_step`."""
    spike = surrogate_function or Sigmoid()
    own = (tau, a0, v_rest, v_c, v_threshold, v_reset, spike, detach_reset)
    return run_function(qif_step, x_seq, v, store_v_seq, *own)


class QIFNode(BaseNode):
    """Quadratic integrate and fire: the potential runs away by itself above ``v_c``.

    Charge: ``H[t] = V[t-1] + (X[t] + a0 (V[t-1] - v_rest) (V[t-1] - v_c)) / tau``. Fire, reset and
    the other arguments: see `LIFNode`.

    Args:
        v_c: critical potential.
        a0: strength of the quadratic term, greater than 0.
        v_rest: resting potential.

    Paper: Gerstner, Kistler, Naud and Paninski, "Neuronal Dynamics", 2014, chapter 5.3.
    """

    group = "integrate"
    demo = Demo(pulse(0.4, 1.0))
    step_function = staticmethod(qif_step)

    def __init__(
        self,
        tau: Steps = 2.0,
        v_c: Potential = 0.8,
        a0: float = 1.0,
        v_threshold: Potential = 1.0,
        v_rest: Potential = 0.0,
        v_reset: Potential | None = -0.1,
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
        self.v_c = check_finite(self, "v_c", v_c)
        self.a0 = check_positive(self, "a0", a0)
        self.v_rest = check_finite(self, "v_rest", v_rest)

    def charge(self, x: Any, v: Any) -> Any:
        """Return the potential after the quadratic charge with ``x``."""
        return dynamics.qif_charge(x, v, self.tau, self.a0, self.v_rest, self.v_c)


def eif_step(
    x: Any,
    v: Any,
    tau: float,
    delta_t: float,
    theta_rh: float,
    v_rest: float,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any]:
    """Run one step of `EIFNode`; return ``(s, v)``."""
    h = dynamics.eif_charge(x, v, tau, delta_t, theta_rh, v_rest)
    return dynamics.spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)


def eif_multi_step(
    x_seq: Tensor,
    v: Tensor,
    tau: float = 2.0,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    v_rest: float = 0.0,
    theta_rh: float = 1.0,
    delta_t: float = 1.0,
    detach_reset: bool = False,
    surrogate_function: Surrogate | None = None,
    store_v_seq: bool = False,
) -> Sequences:
    """Run `eif_step` over a sequence, see `if_multi_step`."""
    spike = surrogate_function or Sigmoid()
    own = (tau, delta_t, theta_rh, v_rest, v_threshold, v_reset, spike, detach_reset)
    return run_function(eif_step, x_seq, v, store_v_seq, *own)


class EIFNode(BaseNode):
    """Exponential integrate and fire: a soft onset of the spike at ``theta_rh``.

    Charge::

        H[t] = V[t-1] + (X[t] + v_rest - V[t-1] + delta_T exp((V[t-1] - theta_rh) / delta_T)) / tau

    Fire, reset and the other arguments: see `LIFNode`.

    Args:
        delta_T: sharpness of the onset, greater than 0.
        theta_rh: rheobase threshold, where the onset begins.
        v_rest: resting potential.

    Paper: Fourcaud-Trocme et al., "How spike generation mechanisms determine the neuronal
    response to fluctuating inputs", Journal of Neuroscience 2003.
    """

    group = "integrate"
    demo = Demo(pulse(0.4, 1.0), tested={"tau": 8.0, "v_threshold": 0.6})
    step_function = staticmethod(eif_step)

    def __init__(
        self,
        tau: Steps = 2.0,
        delta_T: Potential = 1.0,
        theta_rh: Potential = 0.8,
        v_threshold: Potential = 1.0,
        v_rest: Potential = 0.0,
        v_reset: Potential | None = -0.1,
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
        self.delta_T = check_positive(self, "delta_T", delta_T)
        self.theta_rh = check_finite(self, "theta_rh", theta_rh)
        self.v_rest = check_finite(self, "v_rest", v_rest)

    def charge(self, x: Any, v: Any) -> Any:
        """Return the potential after the exponential charge with ``x``."""
        return dynamics.eif_charge(x, v, self.tau, self.delta_T, self.theta_rh, self.v_rest)
