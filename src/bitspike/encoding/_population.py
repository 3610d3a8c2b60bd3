"""Population coding: neurons that prefer different values stand for a number."""

import torch
from torch import Tensor, nn

from bitspike.encoding._base import as_bits
from bitspike.neuron import IFNode
from bitspike.surrogate import DeterministicPass, PoissonPass


class PopEncoder(nn.Module):
    """Population coding: each number drives ``pop_dim`` neurons that prefer different values.

    ``A = exp(-((o - mean) / std)**2 / 2)``, held over ``spike_ts`` time steps. The preferred
    values lie evenly spaced in ``mean_range`` at first; ``mean`` and ``std`` are learned.

    Args:
        obs_dim: numbers in an observation.
        pop_dim: neurons for each number.
        spike_ts: time steps ``T``.
        mean_range: the least and the greatest preferred value.
        std: width of the neurons' tuning.

    Shape: input ``[B, obs_dim]``; output ``[T, B, obs_dim * pop_dim]``, activities in (0, 1].

    Raises:
        ValueError: if the input's last axis is not ``obs_dim``.

    Paper: Tang et al., Deep reinforcement learning with population-coded spiking neural network
    for continuous control, CoRL 2020.
    """

    def __init__(
        self,
        obs_dim: int,
        pop_dim: int,
        spike_ts: int,
        mean_range: tuple[float, float],
        std: float,
    ) -> None:
        super().__init__()
        self.obs_dim = obs_dim
        self.pop_dim = pop_dim
        self.encoder_neuron_num = obs_dim * pop_dim
        self.spike_ts = spike_ts
        preferred = torch.linspace(mean_range[0], mean_range[1], pop_dim)
        self.mean = nn.Parameter(preferred.repeat(1, obs_dim, 1))
        self.std = nn.Parameter(torch.full_like(self.mean, std))
        self._make_neurons()

    def _make_neurons(self) -> None:
        """Make the neurons of an encoder that has some."""

    def activity(self, obs: Tensor) -> Tensor:
        """Return the neurons' activities, ``[B, obs_dim * pop_dim]``."""
        if obs.ndim == 0 or obs.shape[-1] != self.obs_dim:
            raise ValueError(
                f"{type(self).__name__}: an observation has {self.obs_dim} numbers, but the input "
                f"has shape {tuple(obs.shape)}"
            )
        distance = (obs.reshape(-1, self.obs_dim, 1) - self.mean) / self.std
        return torch.exp(-0.5 * distance.square()).flatten(1)

    def forward(self, obs: Tensor) -> Tensor:
        """Return the activities, held over time, or their spikes."""
        activity = self.activity(obs)
        return self._over_time(activity.expand(self.spike_ts, *activity.shape))

    def _over_time(self, activity_seq: Tensor) -> Tensor:
        return activity_seq.clone()

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        return f"obs_dim={self.obs_dim}, pop_dim={self.pop_dim}, spike_ts={self.spike_ts}"


class PopSpikeEncoderDeterministic(PopEncoder):
    """`PopEncoder` with spikes: each activity drives an integrate-and-fire neuron.

    Its threshold is 0.999, its reset soft, and the gradient passes the spike unchanged. It keeps
    its potential until a reset.

    Arguments and input as `PopEncoder`'s; output ``[T, B, obs_dim * pop_dim]``, 0 and 1.
    """

    def _make_neurons(self) -> None:
        self.neurons = IFNode(
            v_threshold=0.999,
            v_reset=None,
            surrogate_function=DeterministicPass(),
            detach_reset=True,
            step_mode="m",
        )

    def _over_time(self, activity_seq: Tensor) -> Tensor:
        spikes: Tensor = self.neurons(activity_seq)
        return spikes


class PopSpikeEncoderRandom(PopEncoder):
    """`PopEncoder` with random spikes, which have the activities as their probabilities.

    The gradient passes the spike unchanged. The spikes are a `bitspike.spikes.SpikeTensor` where
    the backend makes bits.

    Arguments and input as `PopEncoder`'s; output ``[T, B, obs_dim * pop_dim]``, 0 and 1.
    """

    def _over_time(self, activity_seq: Tensor) -> Tensor:
        spikes: Tensor = PoissonPass()(activity_seq)
        return as_bits(spikes, "auto")
