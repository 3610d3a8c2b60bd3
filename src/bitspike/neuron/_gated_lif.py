"""The gated leaky integrate-and-fire neuron."""

import math
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from bitspike import kernels
from bitspike.base import MemoryModule, MultiStepModule, check_between, check_count, check_sequence
from bitspike.neuron._arguments import Older, Potential, StepCount, Surrogate
from bitspike.neuron._catalogue import T_DEMO, Demo, Describable, pulse
from bitspike.neuron._run import full_precision, run
from bitspike.surrogate import Sigmoid


def gated_lif_step(
    x: Tensor,
    v: Tensor,
    spike: Tensor,
    alpha: Tensor,
    beta: Tensor,
    gamma: Tensor,
    tau: Tensor,
    v_threshold: Tensor,
    linear_decay: Tensor,
    v_subreset: Tensor,
    conduct: Tensor,
    surrogate_function: Surrogate,
) -> tuple[Tensor, Tensor]:
    """Run one step of `GatedLIFNode`, where the equation stands.

    Args:
        x: input ``[B, C, ...]``.
        v: potential after the last step, ``[B, C, ...]``.
        spike: spikes of the last step, ``[B, C, ...]``.
        alpha: gate between exponential (1) and linear (0) leak.
        beta: gate of the synapse's conductance.
        gamma: gate between proportional (1) and fixed (0) reset.
        tau: part of the potential that the exponential leak leaves.
        v_threshold: threshold.
        linear_decay: amount that the linear leak takes.
        v_subreset: amount that the fixed reset takes.
        conduct: conductance at this step.
        surrogate_function: spike function.

    Returns:
        Spikes and potential, both ``[B, C, ...]``.
    """
    received = x * (1 - beta * (1 - conduct))
    gates = (alpha, gamma, tau, v_threshold, linear_decay, v_subreset)
    return _received_step(surrogate_function, received, v, spike, *gates)


def _received_step(
    surrogate_function: Surrogate,
    received: Any,
    v: Any,
    spike: Any,
    alpha: Any,
    gamma: Any,
    tau: Any,
    v_threshold: Any,
    linear_decay: Any,
    v_subreset: Any,
) -> tuple[Any, Any]:
    """Run a step on the part of the input that the synapse lets through."""
    kept = (1 - alpha * (1 - tau)) * v
    charged = kept - (1 - alpha) * linear_decay + received
    v = charged - kept * gamma * spike - (1 - gamma) * v_subreset * spike
    return surrogate_function(v - v_threshold), v


class GatedLIFNode(Describable, MemoryModule, MultiStepModule):
    """Gated leaky integrate and fire: leak, input and reset are learned mixtures.

    Every parameter is learned; the equations hold its sigmoid, in (0, 1). The spike of the last
    step resets::

        U[t] = (1 - alpha (1 - tau)) V[t-1]
        V[t] = U[t] - (1 - alpha) linear_decay + (1 - beta (1 - conduct[t])) X[t]
               - gamma U[t] S[t-1] - (1 - gamma) v_subreset S[t-1]
        S[t] = Theta(V[t] - v_threshold)

    Multi-step only: input and output are ``[T, B, ...]``, with ``inplane`` ``[T, B, C, ...]``.
    The memory ``v`` (also ``u``) is kept from call to call, the last spike is not: ``S[0] = 0``.

    Args:
        T: number of time steps.
        inplane: number of channels C, each with parameters of its own; None: one of each for
            the whole layer.
        init_linear_decay: at the start; None is ``init_v_threshold / (2 T)``.
        init_v_subreset: at the start; None is ``init_v_threshold``.
        init_tau: at the start.
        init_v_threshold: at the start.
        init_conduct: at the start, at every step.
        step_mode: ``'m'``.

    Raises:
        TypeError: if an argument is not a number, or T or inplane not an integer.
        ValueError: if a start value is not between 0 and 1, ``step_mode`` is not ``'m'``, or an
            input has not T steps or C channels.

    Paper: Yao et al., "GLIF: a unified gated leaky integrate-and-fire neuron for spiking neural
    networks", NeurIPS 2022.
    """

    group = "currents"
    demo = Demo(
        pulse(0.5, 1.2),
        {"T": T_DEMO},
        {"T": 6, "inplane": 6},
        ("parts",),  # the last spike is not kept, as in SpikingJelly
        threshold=lambda node: float(node.v_threshold.sigmoid()),
    )
    step_function = staticmethod(gated_lif_step)

    def __init__(
        self,
        T: StepCount,
        inplane: int | None = None,
        init_linear_decay: Potential | None = None,
        init_v_subreset: Potential | None = None,
        init_tau: float = 0.25,
        init_v_threshold: Potential = 0.5,
        init_conduct: float = 0.5,
        surrogate_function: Surrogate | None = None,
        step_mode: str = "m",
        **older: Unpack[Older],
    ) -> None:
        super().__init__()
        self.T = check_count(self, "T", T)
        self.step_mode = step_mode
        self.surrogate_function = Sigmoid() if surrogate_function is None else surrogate_function
        self.register_memory("v", 0.0)
        self.register_memory("u", 0.0)
        shape = () if inplane is None else (check_count(self, "inplane", inplane),)

        def learned(name: str, value: float, *shape: int) -> nn.Parameter:
            value = check_between(self, name, value, 0.0, 1.0)
            return nn.Parameter(torch.full(shape, -math.log(1.0 / value - 1.0)))

        self.alpha, self.beta, self.gamma = (
            nn.Parameter(0.2 * torch.rand(shape) - 0.1) for _ in range(3)
        )
        self.tau = learned("init_tau", init_tau, *shape)
        self.v_threshold = learned("init_v_threshold", init_v_threshold, *shape)
        decay = init_v_threshold / (2 * self.T) if init_linear_decay is None else init_linear_decay
        self.linear_decay = learned("init_linear_decay", decay, *shape)
        subreset = init_v_threshold if init_v_subreset is None else init_v_subreset
        self.v_subreset = learned("init_v_subreset", subreset, *shape)
        self.conduct = learned("init_conduct", init_conduct, self.T, *shape)
        self._accept(older)

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the spikes ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        check_sequence(self, x_seq, self.T)
        channels = self.alpha.numel() if self.alpha.ndim else None
        if channels is not None and (x_seq.ndim < 3 or x_seq.shape[2] != channels):
            raise ValueError(
                f"{self._whoami()}: the input must be [T, B, C, ...] with inplane={channels} "
                f"channels, but got shape {tuple(x_seq.shape)}"
            )
        x_seq = full_precision(x_seq)
        v = self.memory_like("v", kernels.one_step(x_seq))
        shape = () if channels is None else (channels, *[1] * (x_seq.ndim - 3))

        def gate(name: str) -> Tensor:
            return getattr(self, name).sigmoid().view(shape)  # type: ignore[no-any-return]

        names = ("alpha", "gamma", "tau", "v_threshold", "linear_decay", "v_subreset")
        gates = [gate(name) for name in names]
        spread = (1, *shape) if shape else (1,) * (x_seq.ndim - 1)
        conduct = self.conduct.sigmoid().view(self.T, *spread)

        def step(received: Any, v: Any, spike: Any) -> tuple[Any, ...]:
            spike, v = _received_step(self.surrogate_function, received, v, spike, *gates)
            return spike, v, spike

        received = x_seq * (1 - gate("beta") * (1 - conduct))
        start = [v, torch.zeros_like(v)]
        spikes, (self.v, _), _ = run(step, received, start, backend=self.backend, watcher=self)
        self.u = self.v
        return spikes

    def extra_repr(self) -> str:
        """Return the settings for ``repr(net)``: the parameters are kept as logits."""
        return f"T={self.T}, inplane={self.alpha.numel() if self.alpha.ndim else None}"
