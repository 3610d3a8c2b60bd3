"""The complementary leaky integrate-and-fire neuron."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from bitspike import dynamics
from bitspike.base import check_tau
from bitspike.neuron._base import BaseNode
from bitspike.surrogate import Rect, heaviside


class ComplementaryLIFNode(BaseNode):
    """Leaky integrate and fire with a complementary potential ``m`` for the gradient's sake.

    ::

        H[t] = V[t-1] - V[t-1] / tau + X[t]
        S[t] = Theta(H[t] - v_threshold)
        M[t] = M[t-1] sigmoid(H[t] / tau) + S[t]
        V[t] = H[t] - S[t] (v_threshold + sigmoid(M[t]))

    In evaluation spikes have no surrogate gradient.

    Args:
        tau: membrane time constant in time steps, greater than 1.
        v_threshold: threshold of the membrane potential.
        surrogate_function: spike function with a surrogate gradient; None is
            ``surrogate.Rect()``.
        step_mode: ``'s'`` or ``'m'``.
        store_state_seqs: True keeps ``[v_seq, m_seq]`` of the last multi-step call in
            ``state_seqs``.

    Paper: Huang et al., "CLIF: complementary leaky integrate-and-fire neuron for spiking neural
    networks", ICML 2024.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v", "m")

    def __init__(
        self,
        tau: float = 2.0,
        v_threshold: float = 1.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        step_mode: str = "s",
        store_state_seqs: bool = False,
    ) -> None:
        super().__init__(v_threshold, None, surrogate_function or Rect(), step_mode=step_mode)
        self.tau = check_tau(self, "tau", tau)
        self.register_memory("m", 0.0)
        self.state_seqs: list[Tensor] | None = None
        self.store_state_seqs = store_state_seqs

    @property
    def store_state_seqs(self) -> bool:
        """Whether multi-step calls keep the sequences of both states."""
        return self._store_state_seqs

    @store_state_seqs.setter
    def store_state_seqs(self, value: bool) -> None:
        self._store_state_seqs = bool(value)
        self.state_seqs = None

    def reset(self) -> None:
        """Puts every memory back, and forgets the recorded sequences."""
        super().reset()
        self.state_seqs = None

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step, ``(x, v, m)`` to ``(s, v, m)``."""
        v, m = states
        smooth = not getattr(self.surrogate_function, "spiking", True)
        fire = self.surrogate_function if self.training or smooth else heaviside
        return dynamics.clif_step(x, v, m, self.tau, self.v_threshold, fire)

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Spikes ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        if not self.store_state_seqs:
            return super().multi_step_forward(x_seq)
        spikes, states = [], []
        for x in x_seq:
            spikes.append(self.single_step_forward(x))
            states.append((self.v, self.m))
        self.state_seqs = [torch.stack(one) for one in zip(*states, strict=True)]
        return torch.stack(spikes)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"tau={self.tau}, {super().extra_repr()}"
