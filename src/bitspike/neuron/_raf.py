"""The resonate-and-fire neuron."""

import math
from typing import Annotated, Any, ClassVar, Unpack

from bitspike import dynamics
from bitspike.base import check_between, check_positive
from bitspike.neuron._arguments import Older, Potential, Surrogate, Unit
from bitspike.neuron._base import BaseNode
from bitspike.neuron._catalogue import Demo, beats


def raf_step(
    x: Any,
    u: Any,
    v: Any,
    b: float,
    omega: float,
    dt: float,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any, Any]:
    """Run one step of `RAFNode`; return ``(s, u, v)``; only ``v`` is reset."""
    decay, angle = math.exp(b * dt), omega * dt
    cosine, sine = math.cos(angle), math.sin(angle)
    charged = decay * (u * cosine - v * sine) + x
    h = decay * (u * sine + v * cosine)
    s, v = dynamics.spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)
    return s, charged, v


class RAFNode(BaseNode):
    """Resonate and fire: a damped oscillation that fires when its input comes in time.

    With ``e = exp(b dt)`` and ``p = omega dt``::

        U[t] = e (U[t-1] cos p - V[t-1] sin p) + X[t]
        H[t] = e (U[t-1] sin p + V[t-1] cos p)

    Only ``V`` is reset. Fire, reset and the other arguments: see `BaseNode`.

    Args:
        b: damping a time step, less than 0.
        omega: angular frequency, radians a time step, greater than 0.
        dt: length of a step, greater than 0.

    Paper: Izhikevich, "Resonate-and-fire neurons", Neural Networks 2001.
    """

    group = "currents"
    demo = Demo(beats(1.2), {"b": -0.1, "omega": 1.05})
    step_function = staticmethod(raf_step)

    state_names: ClassVar[tuple[str, ...]] = ("v", "u")

    def __init__(
        self,
        b: Annotated[float, Unit("1 / step")] = -0.2,
        omega: Annotated[float, Unit("rad / step")] = 1.0,
        dt: float = 1.0,
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
        self.b = check_between(self, "b", b, -math.inf, 0.0)
        self.omega = check_positive(self, "omega", omega)
        self.dt = check_positive(self, "dt", dt)
        self.register_memory("u", 0.0)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, v, u)`` to ``(s, v, u)``."""
        v, u = states
        s, u, v = raf_step(
            x, u, v, self.b, self.omega, self.dt,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip
        return s, v, u
