"""Neurons with a second variable that adapts."""

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor

from bitspike import dynamics
from bitspike.base import check_finite, check_positive, check_tau
from bitspike.neuron._base import BaseNode


class AdaptBaseNode(BaseNode):
    """Base of the neurons with an adaptation current ``w``.

    After the charge and before the spike::

        W[t] = W[t-1] + (a (H[t] - v_rest) - W[t-1]) / tau_w       then + b S[t]

    Arguments that are not listed: see `BaseNode`.

    Args:
        v_rest: resting potential.
        w_rest: adaptation current at the start.
        tau_w: time constant of the adaptation in time steps, greater than 0.
        a: how strongly the potential drives the adaptation.
        b: what a spike adds to it.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v", "w")

    w: float | Tensor

    def __init__(
        self,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        v_rest: float = 0.0,
        w_rest: float = 0.0,
        tau_w: float = 2.0,
        a: float = 0.0,
        b: float = 0.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq
        )
        self.v_rest = check_finite(self, "v_rest", v_rest)
        self.w_rest = check_finite(self, "w_rest", w_rest)
        self.tau_w = check_positive(self, "tau_w", tau_w)
        self.a = check_finite(self, "a", a)
        self.b = check_finite(self, "b", b)
        self.register_memory("w", self.w_rest)

    @staticmethod
    def jit_neuronal_adaptation(w: Any, tau_w: float, a: float, v_rest: float, v: Any) -> Any:
        """The adaptation current after the charge to ``v``, before a spike."""
        return dynamics.adaptation(v, w, tau_w, a, v_rest)

    def neuronal_adaptation(self) -> None:
        """Lets the memory ``w`` follow the memory ``v`` by one step."""
        self.w = self.jit_neuronal_adaptation(self.w, self.tau_w, self.a, self.v_rest, self.v)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        own = f"v_rest={self.v_rest}, w_rest={self.w_rest}, tau_w={self.tau_w}"
        return f"{own}, a={self.a}, b={self.b}, {super().extra_repr()}"


class IzhikevichNode(AdaptBaseNode):
    """Izhikevich's neuron: quadratic charge with adaptation.

    ::

        H[t] = V[t-1] + (X[t] + a0 (V[t-1] - v_rest) (V[t-1] - v_c) - W[t-1]) / tau
        W[t] = W[t-1] + (a (H[t] - v_rest) - W[t-1]) / tau_w + b S[t]

    Fire, reset and arguments that are not listed: see `AdaptBaseNode`.

    Args:
        tau: membrane time constant in time steps, greater than 1.
        v_c: critical potential.
        a0: strength of the quadratic term, greater than 0.

    Paper: Izhikevich, "Simple model of spiking neurons", IEEE Transactions on Neural Networks
    2003.
    """

    def __init__(
        self,
        tau: float = 2.0,
        v_c: float = 0.8,
        a0: float = 1.0,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        v_rest: float = -0.1,
        w_rest: float = 0.0,
        tau_w: float = 2.0,
        a: float = 0.0,
        b: float = 0.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__(
            v_threshold, v_reset, v_rest, w_rest, tau_w, a, b,
            surrogate_function, detach_reset, step_mode, store_v_seq,
        )  # fmt: skip
        self.tau = check_tau(self, "tau", tau)
        self.v_c = check_finite(self, "v_c", v_c)
        self.a0 = check_positive(self, "a0", a0)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step, ``(x, v, w)`` to ``(s, v, w)``."""
        v, w = states
        return dynamics.izhikevich_step(
            x, v, w, self.tau, self.a0, self.v_rest, self.v_c, self.tau_w, self.a, self.b,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"tau={self.tau}, v_c={self.v_c}, a0={self.a0}, {super().extra_repr()}"


class AdaptiveLIFNode(BaseNode):
    """Leaky integrate and fire whose threshold rises with each spike (ALIF, as in LSNNs).

    ::

        H[t] = V[t-1] + (X[t] - (V[t-1] - r)) / tau            r = v_reset, 0 under soft reset
        S[t] = Theta(H[t] - (v_threshold + beta A[t-1]))
        A[t] = A[t-1] (1 - 1 / tau_a) + S[t]

    Reset with the raised threshold; arguments that are not listed: see `BaseNode`.

    Args:
        tau: membrane time constant in time steps, greater than 1.
        tau_a: time constant of the threshold in time steps, greater than 1.
        beta: what a spike adds to the threshold.

    Paper: Bellec et al., "Long short-term memory and learning-to-learn in networks of spiking
    neurons", NeurIPS 2018.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v", "a")

    def __init__(
        self,
        tau: float = 2.0,
        tau_a: float = 20.0,
        beta: float = 0.2,
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
        self.tau = check_tau(self, "tau", tau)
        self.tau_a = check_tau(self, "tau_a", tau_a)
        self.beta = check_finite(self, "beta", beta)
        self.register_memory("a", 0.0)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step, ``(x, v, a)`` to ``(s, v, a)``."""
        v, a = states
        return dynamics.adaptive_lif_step(
            x, v, a, self.tau, self.tau_a, self.beta,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        own = f"tau={self.tau}, tau_a={self.tau_a}, beta={self.beta}"
        return f"{own}, {super().extra_repr()}"
