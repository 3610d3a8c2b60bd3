"""The resonate-and-fire neuron."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor

from bitspike import dynamics
from bitspike.base import check_between, check_positive
from bitspike.neuron._base import BaseNode


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

    state_names: ClassVar[tuple[str, ...]] = ("v", "u")

    def __init__(
        self,
        b: float = -0.2,
        omega: float = 1.0,
        dt: float = 1.0,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq
        )
        self.b = check_between(self, "b", b, -math.inf, 0.0)
        self.omega = check_positive(self, "omega", omega)
        self.dt = check_positive(self, "dt", dt)
        self.register_memory("u", 0.0)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step, ``(x, v, u)`` to ``(s, v, u)``."""
        v, u = states
        s, u, v = dynamics.raf_step(
            x, u, v, self.b, self.omega, self.dt,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip
        return s, v, u

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"b={self.b}, omega={self.omega}, dt={self.dt}, {super().extra_repr()}"
