"""Neurons whose input first passes a synapse with a memory of its own."""

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor

from bitspike import dynamics
from bitspike.base import check_between, check_finite
from bitspike.neuron._base import BaseNode
from bitspike.surrogate import Rect


class CUBALIFNode(BaseNode):
    """Current-based leaky integrate and fire.

    ::

        C[t] = c_decay C[t-1] + X[t]
        H[t] = v_decay V[t-1] + C[t]

    Fire, reset and the other arguments: see `BaseNode`. The step mode is set by
    ``functional.set_step_mode`` or by assignment.

    Args:
        c_decay: what is left of the current after a step.
        v_decay: what is left of the potential after a step.

    Paper: Davies et al., "Loihi: a neuromorphic manycore processor with on-chip learning", IEEE
    Micro 2018.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v", "c")

    def __init__(
        self,
        c_decay: float = 0.5,
        v_decay: float = 0.75,
        v_threshold: float = 0.5,
        v_reset: float | None = 0.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(v_threshold, v_reset, surrogate_function or Rect())
        self.register_memory("c", 0.0)
        self.c_decay = check_finite(self, "c_decay", c_decay)
        self.v_decay = check_finite(self, "v_decay", v_decay)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step, ``(x, v, c)`` to ``(s, v, c)``."""
        v, c = states
        s, c, v = dynamics.cuba_lif_step(
            x, c, v, self.c_decay, self.v_decay,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip
        return s, v, c

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"c_decay={self.c_decay}, v_decay={self.v_decay}, {super().extra_repr()}"


class SynapticNode(BaseNode):
    """Leaky integrate and fire with an exponential synaptic current (snnTorch's Synaptic).

    ::

        I[t] = alpha I[t-1] + X[t]
        H[t] = beta V[t-1] + I[t]

    Fire, reset and the other arguments: see `BaseNode`; the reset is soft by default.

    Args:
        alpha: what is left of the current after a step, between 0 and 1.
        beta: what is left of the potential after a step, between 0 and 1.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v", "i")

    def __init__(
        self,
        alpha: float = 0.9,
        beta: float = 0.8,
        v_threshold: float = 1.0,
        v_reset: float | None = None,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq
        )
        self.alpha = check_between(self, "alpha", alpha, 0.0, 1.0)
        self.beta = check_between(self, "beta", beta, 0.0, 1.0)
        self.register_memory("i", 0.0)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step, ``(x, v, i)`` to ``(s, v, i)``."""
        v, i = states
        s, i, v = dynamics.cuba_lif_step(
            x, i, v, self.alpha, self.beta,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip
        return s, v, i

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"alpha={self.alpha}, beta={self.beta}, {super().extra_repr()}"


class AlphaNode(BaseNode):
    """A neuron whose answer to an input spike rises and falls (snnTorch's Alpha).

    ::

        R[t] = alpha R[t-1] + X[t]
        F[t] = beta F[t-1] - X[t]
        H[t] = V[t-1] + k (R[t] + F[t])      k = ln(alpha) / (ln(beta) - ln(alpha)) + 1

    Here the potential integrates that answer. Fire, reset and the other arguments: see
    `BaseNode`; the reset is soft by default.

    Args:
        alpha: decay of the rising part, between 0 and 1, greater than ``beta``.
        beta: decay of the falling part, between 0 and 1.

    Raises:
        ValueError: if ``alpha`` is not greater than ``beta``.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v", "rising", "falling")

    def __init__(
        self,
        alpha: float = 0.9,
        beta: float = 0.8,
        v_threshold: float = 1.0,
        v_reset: float | None = None,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq
        )
        self.alpha = check_between(self, "alpha", alpha, 0.0, 1.0)
        self.beta = check_between(self, "beta", beta, 0.0, 1.0)
        if self.alpha <= self.beta:
            raise ValueError(
                f"AlphaNode: alpha must be greater than beta, but got {alpha!r} and {beta!r}"
            )
        self.register_memory("rising", 0.0)
        self.register_memory("falling", 0.0)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step, ``(x, v, rising, falling)`` to ``(s, v, rising, falling)``."""
        v, rising, falling = states
        return dynamics.alpha_step(
            x, v, rising, falling, self.alpha, self.beta,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"alpha={self.alpha}, beta={self.beta}, {super().extra_repr()}"
