"""Neurons with a second variable that remembers potential or spikes."""

from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from bitspike import dynamics
from bitspike.base import check_finite, check_positive, check_tau
from bitspike.neuron._arguments import Older, Potential, Steps, Surrogate
from bitspike.neuron._base import BaseNode
from bitspike.neuron._catalogue import Demo, pulse
from bitspike.neuron._run import run
from bitspike.surrogate import Rect, Sigmoid, heaviside


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
        b: amount that a spike adds to it.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v", "w")

    w: float | Tensor

    def __init__(
        self,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        v_rest: Potential = 0.0,
        w_rest: Potential = 0.0,
        tau_w: Steps = 2.0,
        a: float = 0.0,
        b: float = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq, **older
        )
        self.v_rest = check_finite(self, "v_rest", v_rest)
        self.w_rest = check_finite(self, "w_rest", w_rest)
        self.tau_w = check_positive(self, "tau_w", tau_w)
        self.a = check_finite(self, "a", a)
        self.b = check_finite(self, "b", b)
        self.register_memory("w", self.w_rest)

    @staticmethod
    def jit_neuronal_adaptation(w: Any, tau_w: float, a: float, v_rest: float, v: Any) -> Any:
        """Return the adaptation current after the charge to ``v``, before a spike."""
        return dynamics.adaptation(v, w, tau_w, a, v_rest)

    def neuronal_adaptation(self) -> None:
        """Let the memory ``w`` follow the memory ``v`` by one step."""
        self.w = self.jit_neuronal_adaptation(self.w, self.tau_w, self.a, self.v_rest, self.v)


def izhikevich_step(
    x: Any,
    v: Any,
    w: Any,
    tau: float,
    a0: float,
    v_rest: float,
    v_c: float,
    tau_w: float,
    a: float,
    b: float,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any, Any]:
    """Run one step of `IzhikevichNode`; return ``(s, v, w)``."""
    h = v + (x + a0 * (v - v_rest) * (v - v_c) - w) / tau
    w = dynamics.adaptation(h, w, tau_w, a, v_rest)
    s, v = dynamics.spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)
    return s, v, w + b * s


def izhikevich_multi_step(
    x_seq: Tensor,
    v: Tensor,
    w: Tensor,
    tau: float = 2.0,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    v_rest: float = 0.0,
    a: float = 0.1,
    b: float = 0.2,
    tau_w: float = 2.0,
    v_c: float = 0.8,
    a0: float = 1.0,
    detach_reset: bool = False,
    surrogate_function: Surrogate | None = None,
    store_state_seq: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]:
    """Run `izhikevich_step` over a sequence.

    Returns:
        Spikes ``[T, B, ...]``, the last potential and adaptation ``[B, ...]``, and with
        ``store_state_seq`` those of all steps ``[T, B, ...]``, else None.
    """
    spike = surrogate_function or Sigmoid()
    own = (tau, a0, v_rest, v_c, tau_w, a, b, v_threshold, v_reset, spike, detach_reset)
    if not store_state_seq:
        s_seq, (v, w), _ = run(lambda x, v, w: izhikevich_step(x, v, w, *own), x_seq, [v, w])
        return s_seq, v, w, None, None
    steps = []
    for x in x_seq:
        _, v, w = step = izhikevich_step(x, v, w, *own)
        steps.append(step)
    s_seq, v_seq, w_seq = (torch.stack(parts) for parts in zip(*steps, strict=True))
    return s_seq, v, w, v_seq, w_seq


class IzhikevichNode(AdaptBaseNode):
    """Izhikevich's neuron: quadratic charge with adaptation.

    ::

        H[t] = V[t-1] + (X[t] + a0 (V[t-1] - v_rest) (V[t-1] - v_c) - W[t-1]) / tau
        W[t] = W[t-1] + (a (H[t] - v_rest) - W[t-1]) / tau_w + b S[t]

    Fire, reset and arguments that are not listed: see `AdaptBaseNode` and `LIFNode`.

    Args:
        v_c: critical potential.
        a0: strength of the quadratic term, greater than 0.

    Paper: Izhikevich, "Simple model of spiking neurons", IEEE Transactions on Neural Networks
    2003.
    """

    group = "integrate"
    demo = Demo(pulse(0.9, 1.6), {"tau_w": 10.0, "a": 0.4, "b": 0.3}, {"a": 0.3, "b": 0.2})
    step_function = staticmethod(izhikevich_step)

    def __init__(
        self,
        tau: Steps = 2.0,
        v_c: Potential = 0.8,
        a0: float = 1.0,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        v_rest: Potential = -0.1,
        w_rest: Potential = 0.0,
        tau_w: Steps = 2.0,
        a: float = 0.0,
        b: float = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            v_threshold, v_reset, v_rest, w_rest, tau_w, a, b,
            surrogate_function, detach_reset, step_mode, store_v_seq, **older,
        )  # fmt: skip
        self.tau = check_tau(self, "tau", tau)
        self.v_c = check_finite(self, "v_c", v_c)
        self.a0 = check_positive(self, "a0", a0)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, v, w)`` to ``(s, v, w)``."""
        v, w = states
        return izhikevich_step(
            x, v, w, self.tau, self.a0, self.v_rest, self.v_c, self.tau_w, self.a, self.b,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip


def adaptive_lif_step(
    x: Any,
    v: Any,
    a: Any,
    tau: Any,
    tau_a: Any,
    beta: Any,
    v_threshold: Any,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any, Any]:
    """Run one step of `AdaptiveLIFNode`; return ``(s, v, a)``."""
    threshold = v_threshold + beta * a
    h = dynamics.lif_charge(x, v, tau, True, v_reset)
    s = surrogate_function(h - threshold)
    v = dynamics.voltage_reset(h, s, threshold, v_reset, detach_reset)
    return s, v, a - a / tau_a + s


def _raised_threshold(node: Any) -> float:
    raised: float = node.v_threshold + node.beta * torch.as_tensor(node.a).mean().item()
    return raised


class AdaptiveLIFNode(BaseNode):
    """Leaky integrate and fire whose threshold rises with each spike (ALIF, as in LSNNs).

    ::

        H[t] = V[t-1] + (X[t] - (V[t-1] - r)) / tau            r = v_reset, 0 under soft reset
        S[t] = Theta(H[t] - (v_threshold + beta A[t-1]))
        A[t] = A[t-1] (1 - 1 / tau_a) + S[t]

    Reset with the raised threshold; arguments that are not listed: see `LIFNode`.

    Args:
        tau_a: time constant of the threshold in time steps, greater than 1.
        beta: amount that a spike adds to the threshold.

    Paper: Bellec et al., "Long short-term memory and learning-to-learn in networks of spiking
    neurons", NeurIPS 2018.
    """

    group = "integrate"
    demo = Demo(shown={"tau": 3.0, "beta": 0.4}, threshold=_raised_threshold)
    step_function = staticmethod(adaptive_lif_step)

    state_names: ClassVar[tuple[str, ...]] = ("v", "a")

    def __init__(
        self,
        tau: Steps = 2.0,
        tau_a: Steps = 20.0,
        beta: float = 0.2,
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
        self.tau_a = check_tau(self, "tau_a", tau_a)
        self.beta = check_finite(self, "beta", beta)
        self.register_memory("a", 0.0)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, v, a)`` to ``(s, v, a)``."""
        v, a = states
        return adaptive_lif_step(
            x, v, a, self.tau, self.tau_a, self.beta,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip


def clif_step(
    x: Any, v: Any, m: Any, tau: float, v_threshold: float, spike_function: Surrogate
) -> tuple[Any, Any, Any]:
    """Run one step of `ComplementaryLIFNode`; return ``(s, v, m)``."""
    h = dynamics.lif_charge(x, v, tau, False, None)
    m = m * torch.sigmoid(h / tau)
    s = spike_function(h - v_threshold)
    m = m + s
    return s, h - s * (v_threshold + torch.sigmoid(m)), m


class ComplementaryLIFNode(BaseNode):
    """Leaky integrate and fire with a complementary potential ``m`` for the gradient's sake.

    ::

        H[t] = V[t-1] - V[t-1] / tau + X[t]
        S[t] = Theta(H[t] - v_threshold)
        M[t] = M[t-1] sigmoid(H[t] / tau) + S[t]
        V[t] = H[t] - S[t] (v_threshold + sigmoid(M[t]))

    In evaluation spikes have no surrogate gradient. Arguments that are not listed: see `LIFNode`.

    Args:
        surrogate_function: spike function with a surrogate gradient; None is
            ``surrogate.Rect()``.
        store_state_seqs: True keeps ``[v_seq, m_seq]`` of the last multi-step call in
            ``state_seqs``.

    Paper: Huang et al., "CLIF: complementary leaky integrate-and-fire neuron for spiking neural
    networks", ICML 2024.
    """

    group = "currents"
    demo = Demo(pulse(0.7, 1.0))
    step_function = staticmethod(clif_step)

    state_names: ClassVar[tuple[str, ...]] = ("v", "m")

    def __init__(
        self,
        tau: Steps = 2.0,
        v_threshold: Potential = 1.0,
        surrogate_function: Surrogate | None = None,
        step_mode: str = "s",
        store_state_seqs: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(v_threshold, None, surrogate_function or Rect(), False, step_mode, **older)
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
        """Put every memory back, and forget the recorded sequences."""
        super().reset()
        self.state_seqs = None

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, v, m)`` to ``(s, v, m)``."""
        v, m = states
        smooth = not getattr(self.surrogate_function, "spiking", True)
        fire = self.surrogate_function if self.training or smooth else heaviside
        return clif_step(x, v, m, self.tau, self.v_threshold, fire)

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the spikes ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        if not self.store_state_seqs:
            return super().multi_step_forward(x_seq)
        spikes, states = [], []
        for x in x_seq:
            spikes.append(self.single_step_forward(x))
            states.append((self.v, self.m))
        self.state_seqs = [torch.stack(seq) for seq in zip(*states, strict=True)]
        return torch.stack(spikes)
