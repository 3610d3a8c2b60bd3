"""Neurons with connections inside their layer, by which a population decodes an action."""

from typing import Any, Unpack

import torch
from torch import Tensor, nn

from bitspike import dynamics, surrogate
from bitspike.base import MultiStepModule, check_count, check_finite, check_sequence, name_of
from bitspike.neuron._arguments import Older, Potential, Surrogate
from bitspike.neuron._catalogue import Demo, pulse
from bitspike.neuron._mutating import CurrentMembrane, RestartingMembrane
from bitspike.neuron._run import full_precision


class Connections(nn.Conv1d):
    """Map the spikes of a step to the input of the next one, all-to-all in each population.

    Args:
        act_dim: number of populations, one for each dimension of the action.
        dec_pop_dim: number of neurons in a population.
    """

    def __init__(self, act_dim: int, dec_pop_dim: int) -> None:
        super().__init__(act_dim, act_dim * dec_pop_dim, dec_pop_dim, groups=act_dim)

    def forward(self, spike: Tensor) -> Tensor:
        """Return the currents ``[B, N]`` of the spikes ``[B, N]``."""
        return super().forward(spike.view(len(spike), self.in_channels, -1)).flatten(1)


class ILCBaseNode(RestartingMembrane, MultiStepModule):
    """Base of the neurons with intra-layer connections.

    The layer is ``act_dim`` populations of ``dec_pop_dim`` neurons. Spikes of a step enter the
    next one through ``conn``, a linear map inside each population::

        H[t] = charge(V[t-1], X[t] + conn(S[t-1]))      conn left out at the first step
        S[t] = Theta(H[t] - v_threshold)
        V[t] = H (1 - S) + v_reset S, or H - v_threshold S

    Multi-step only: input and output are ``[T, B, act_dim * dec_pop_dim]``, and each call starts
    anew. The connections mix neurons, so that the steps run in a loop, not in a kernel. A subclass
    writes ``neuronal_charge(x)``, which puts ``H[t]`` into ``self.v``. Arguments that
    are not listed: see `BaseNode`, but the surrogate function is `Rect` by default.

    Args:
        act_dim: number of populations.
        dec_pop_dim: number of neurons in a population.

    Raises:
        TypeError: if an argument is not a number, or a dimension not an integer.
        ValueError: if a potential is not finite, or an input is not of that shape.

    Paper: Chen et al., "Fully spiking actor network with intralayer connections for
    reinforcement learning", IEEE TNNLS 2024.
    """

    _has_kernel = False

    def __init__(
        self,
        act_dim: int,
        dec_pop_dim: int,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(v_threshold, v_reset, surrogate_function or surrogate.Rect(), **older)
        self.act_dim = check_count(self, "act_dim", act_dim)
        self.dec_pop_dim = check_count(self, "dec_pop_dim", dec_pop_dim)
        self.out_pop_dim = self.act_dim * self.dec_pop_dim
        self.conn = Connections(self.act_dim, self.dec_pop_dim)

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the spikes ``[T, B, N]`` of a sequence with input ``[T, B, N]``."""
        check_population(self, x_seq, None, self.out_pop_dim)
        self.init_tensor(x_seq[0].detach())
        spikes: list[Tensor] = []
        for x in full_precision(x_seq):
            spikes.append(self.advance(x + self.conn(spikes[-1]) if spikes else x))
        return torch.stack(spikes)


def inhibit(node: "ILCBaseNode") -> None:
    """Let a spike of the neuron in the picture inhibit the next one."""
    nn.init.constant_(node.conn.weight, -0.4)
    nn.init.zeros_(node.conn.bias)  # type: ignore[arg-type]


def population_demo(low: float, high: float, shown: dict[str, Any], tested: dict[str, Any]) -> Demo:
    """Return the demo of a neuron with connections: one neuron with feedback, two populations."""
    return Demo(
        pulse(low, high),
        {"act_dim": 1, "dec_pop_dim": 1, **shown},
        {"act_dim": 2, "dec_pop_dim": 3, **tested},
        ("parts",),
        "spikes of one neuron enter the others",
        prepare=inhibit,
        note="conn",
    )


def check_population(module: nn.Module, x_seq: Tensor, T: int | None, N: int) -> None:
    """Raise ValueError unless ``x_seq`` is ``[T, B, N]``."""
    check_sequence(module, x_seq, T)
    if x_seq.ndim != 3 or x_seq.shape[2] != N:
        raise ValueError(
            f"{name_of(module)}: the input must be [T, B, {N}], but got shape {tuple(x_seq.shape)}"
        )


class ILCIFNode(ILCBaseNode):
    """Integrate and fire, ``H[t] = V[t-1] + X[t]``, with intra-layer connections.

    Connections, arguments and shapes: see `ILCBaseNode`.
    """

    group = "reinforcement"
    demo = population_demo(0.08, 0.3, {}, {})

    def neuronal_charge(self, x: Tensor) -> None:
        """Put the potential before the spike into ``v``."""
        self.v = dynamics.if_charge(x, self.v)


class ILCLIFNode(ILCBaseNode):
    """Leaky integrate and fire, ``H[t] = v_decay V[t-1] + X[t]``, with intra-layer connections.

    Connections, shapes and the other arguments: see `ILCBaseNode`.

    Args:
        v_decay: part of the potential that a step leaves.
    """

    group = "reinforcement"
    demo = population_demo(0.3, 0.6, {}, {})

    def __init__(
        self,
        act_dim: int,
        dec_pop_dim: int,
        v_decay: float = 0.75,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(act_dim, dec_pop_dim, v_threshold, v_reset, surrogate_function, **older)
        self.v_decay = check_finite(self, "v_decay", v_decay)

    def neuronal_charge(self, x: Tensor) -> None:
        """Put the potential before the spike into ``v``."""
        self.v = self.v * self.v_decay + x


class ILCCUBALIFNode(CurrentMembrane, ILCBaseNode):
    """Current-based leaky integrate and fire with intra-layer connections.

    ::

        C[t] = c_decay C[t-1] + X[t]
        H[t] = v_decay V[t-1] + C[t]

    Connections, shapes and the other arguments: see `ILCBaseNode`.

    Args:
        c_decay: part of the current that a step leaves.
        v_decay: part of the potential that a step leaves.
    """

    group = "reinforcement"
    demo = population_demo(0.1, 0.3, {}, {})

    def __init__(
        self,
        act_dim: int,
        dec_pop_dim: int,
        c_decay: float = 0.5,
        v_decay: float = 0.75,
        v_threshold: Potential = 0.5,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        **older: Unpack[Older],
    ) -> None:
        ILCBaseNode.__init__(
            self, act_dim, dec_pop_dim, v_threshold, v_reset, surrogate_function, **older
        )
        self._set_decays(c_decay, v_decay)
