"""Neurons with coloured noise, by which a spiking policy explores."""

from typing import ClassVar, Unpack

import torch
from torch import Tensor, nn

from bitspike import dynamics, surrogate
from bitspike.base import MultiStepModule, check_count
from bitspike.neuron._arguments import Older, Potential, StepCount, Surrogate
from bitspike.neuron._catalogue import T_DEMO, Demo, pulse
from bitspike.neuron._coloured_noise import ColouredNoise
from bitspike.neuron._ilc import Connections, check_population, population_demo
from bitspike.neuron._mutating import CurrentMembrane, RestartingMembrane
from bitspike.neuron._non_spiking import NonSpikingBaseNode
from bitspike.neuron._run import full_precision


class NoisyBaseNode(ColouredNoise, RestartingMembrane, MultiStepModule):
    """Base of the spiking neurons with coloured noise on input and output.

    ::

        H[t] = charge(V[t-1], X[t] + sigma_v eps_v[t])
        S[t] = Theta(H[t] - v_threshold)
        V[t] = H (1 - S) + v_reset S, or H - v_threshold S
        Y[t] = S[t] + sigma_s eps_s[t]      the output

    with ``sigma_v = sigma_s = sigma_init / sqrt(num_node)``; without noise if ``is_training`` is
    False. Multi-step only: input and output are ``[T, B, num_node]``, and each call starts anew.
    ``reset_noise(n)`` makes the noise of the next n calls, ``get_colored_noise()`` returns that
    of the last call, ``load_colored_noise(cn)`` replays it and ``cancel_load()`` ends that. A
    subclass writes ``neuronal_charge(x)``, which puts ``H[t]`` into ``self.v``. Arguments that
    are not listed: see `BaseNode`, but the surrogate function is `Rect` by default.

    Args:
        num_node: number of neurons.
        is_training: whether there is noise (``train()`` and ``eval()`` do not change it).
        T: number of time steps.
        sigma_init: size of the noise.
        beta: colour of the noise: 0 white, 1 pink, 2 Brownian.

    Raises:
        TypeError: if an argument is not a number, or a count not an integer.
        ValueError: if a number is out of its range, or an input is not of that shape.
        RuntimeError: at a call for which no noise is left.

    Paper: Chen et al., "Noisy spiking actor network for exploration", 2024.
    """

    def __init__(
        self,
        num_node: int,
        is_training: bool = True,
        T: StepCount = 5,
        sigma_init: float = 0.5,
        beta: float = 0.0,
        v_threshold: Potential = 0.5,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(v_threshold, v_reset, surrogate_function or surrogate.Rect(), **older)
        self._begin_noise(num_node, is_training, T, beta)
        self.sigma_v = self.sigma_s = self._initial_sigma(sigma_init)

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the noisy spikes ``[T, B, N]`` of a sequence with input ``[T, B, N]``."""
        check_population(self, x_seq, self.T, self.num_node)
        x_seq = full_precision(x_seq)
        if not self.is_training:
            return self._respond(x_seq, None, None)
        noise_v, noise_s = self._next_noises(x_seq)
        noise_v, noise_s = self.sigma_v * noise_v, self.sigma_s * noise_s
        if noise_v.ndim == 2:  # the same noise for each sample
            noise_v, noise_s = noise_v.unsqueeze(1), noise_s.unsqueeze(1)
        return self._respond(x_seq, noise_v, noise_s)

    def _respond(self, x_seq: Tensor, noise_v: Tensor | None, noise_s: Tensor | None) -> Tensor:
        """Return the outputs with these noises of input and output, which are broadcast."""
        spikes = self._run_anew(x_seq if noise_v is None else x_seq + noise_v)
        return spikes if noise_s is None else spikes + noise_s


class NoisyCUBALIFNode(CurrentMembrane, NoisyBaseNode):
    """Current-based leaky integrate and fire with coloured noise.

    ::

        C[t] = c_decay C[t-1] + X[t]
        H[t] = v_decay V[t-1] + C[t]

    Noise, shapes and the other arguments: see `NoisyBaseNode`.

    Args:
        c_decay: part of the current that a step leaves.
        v_decay: part of the potential that a step leaves.
    """

    group = "reinforcement"
    demo = Demo(
        pulse(0.1, 0.3),
        {"num_node": 1, "T": T_DEMO, "sigma_init": 0.1},
        {"num_node": 6, "T": 6, "is_training": False},
        ("parts",),
    )

    def __init__(
        self,
        num_node: int,
        c_decay: float = 0.5,
        v_decay: float = 0.75,
        is_training: bool = True,
        T: StepCount = 5,
        sigma_init: float = 0.5,
        beta: float = 0.0,
        v_threshold: Potential = 0.5,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        **older: Unpack[Older],
    ) -> None:
        NoisyBaseNode.__init__(
            self, num_node, is_training, T, sigma_init, beta,
            v_threshold, v_reset, surrogate_function, **older,
        )  # fmt: skip
        self._set_decays(c_decay, v_decay)


class NoisyILCBaseNode(NoisyBaseNode):
    """Base of the noisy neurons with intra-layer connections.

    As `NoisyBaseNode` with ``num_node = act_dim * dec_pop_dim``; the noisy output of a step
    enters the next one through ``conn``, as in `ILCBaseNode`, and in a loop as there.

    Args:
        act_dim: number of populations.
        dec_pop_dim: number of neurons in a population.
    """

    _has_kernel = False

    def __init__(
        self,
        act_dim: int,
        dec_pop_dim: int,
        is_training: bool = True,
        T: StepCount = 5,
        sigma_init: float = 0.5,
        beta: float = 0.0,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        **older: Unpack[Older],
    ) -> None:
        counts = (
            check_count(self, "act_dim", act_dim),
            check_count(self, "dec_pop_dim", dec_pop_dim),
        )
        NoisyBaseNode.__init__(
            self, counts[0] * counts[1], is_training, T, sigma_init, beta,
            v_threshold, v_reset, surrogate_function, **older,
        )  # fmt: skip
        self.act_dim, self.dec_pop_dim = counts
        self.conn = Connections(*counts)

    def _respond(self, x_seq: Tensor, noise_v: Tensor | None, noise_s: Tensor | None) -> Tensor:
        self.init_tensor(x_seq[0].detach())
        outputs: list[Tensor] = []
        for t, x in enumerate(x_seq):
            x = x + self.conn(outputs[-1]) if outputs else x
            spike = self.advance(x if noise_v is None else x + noise_v[t])
            outputs.append(spike if noise_s is None else spike + noise_s[t])
        return torch.stack(outputs)


class NoisyILCCUBALIFNode(CurrentMembrane, NoisyILCBaseNode):
    """Current-based leaky integrate and fire with noise and intra-layer connections.

    Charge: see `NoisyCUBALIFNode`; the rest: see `NoisyILCBaseNode`.

    Args:
        act_dim: number of populations.
        dec_pop_dim: number of neurons in a population.
        c_decay: part of the current that a step leaves.
        v_decay: part of the potential that a step leaves.
    """

    group = "reinforcement"
    demo = population_demo(
        0.2, 0.5, {"T": T_DEMO, "sigma_init": 0.1}, {"T": 6, "is_training": False}
    )

    def __init__(
        self,
        act_dim: int,
        dec_pop_dim: int,
        c_decay: float = 0.5,
        v_decay: float = 0.75,
        is_training: bool = True,
        T: StepCount = 5,
        sigma_init: float = 0.5,
        beta: float = 0.0,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        **older: Unpack[Older],
    ) -> None:
        NoisyILCBaseNode.__init__(
            self, act_dim, dec_pop_dim, is_training, T, sigma_init, beta,
            v_threshold, v_reset, surrogate_function, **older,
        )  # fmt: skip
        self._set_decays(c_decay, v_decay)


class NoisyNonSpikingBaseNode(ColouredNoise, NonSpikingBaseNode):
    """Base of the neurons that output membrane potentials and take coloured noise.

    ::

        V[t] = charge(V[t-1], X[t] + sigma eps[t])

    ``sigma`` is learned, one for each neuron, ``sigma_init / sqrt(num_node)`` at the start.
    Input is ``[T, B, num_node]``; the output and ``decode``: see `NonSpikingBaseNode`; the noise
    and its methods: see `NoisyBaseNode`.

    Args:
        num_node: number of neurons.
        is_training: whether there is noise.
        T: number of time steps.
        sigma_init: size of the noise at the start.
        beta: colour of the noise: 0 white, 1 pink, 2 Brownian.
        decode: see `NonSpikingBaseNode`.
    """

    _noises: ClassVar[tuple[tuple[str, str], ...]] = (("eps_seq", "cn"),)

    def __init__(
        self,
        num_node: int,
        is_training: bool = True,
        T: StepCount = 5,
        sigma_init: float = 0.5,
        beta: float = 0.0,
        decode: str | None = None,
        **older: Unpack[Older],
    ) -> None:
        NonSpikingBaseNode.__init__(self, decode, **older)
        self._begin_noise(num_node, is_training, T, beta)
        self.sigma = nn.Parameter(torch.full((num_node,), self._initial_sigma(sigma_init)))

    def multi_step_forward(self, x_seq: Tensor) -> Tensor | list[Tensor]:
        """Return the decoded potential ``[B, N]``, or the list of all T potentials."""
        check_population(self, x_seq, self.T, self.num_node)
        if self.is_training:
            (noise,) = self._next_noises(x_seq)
            noise = self.sigma * noise
            x_seq = x_seq + (noise if noise.ndim == 3 else noise.unsqueeze(1))
        return super().multi_step_forward(x_seq)


class NoisyNonSpikingIFNode(NoisyNonSpikingBaseNode):
    """Integrator without spikes and with noise: ``V[t] = V[t-1] + X[t] + sigma eps[t]``.

    Arguments and shapes: see `NoisyNonSpikingBaseNode`.
    """

    group = "reinforcement"
    demo = Demo(
        pulse(0.05, 0.2),
        {"num_node": 1, "T": T_DEMO, "sigma_init": 0.2},
        {"num_node": 6, "T": 6, "is_training": False},
        ("parts",),
    )

    def neuronal_charge(self, x: Tensor) -> None:
        """Put the new potential into ``v``."""
        self.v = dynamics.if_charge(x, self.v)
