"""NeuNorm."""

import math

import torch
from torch import Tensor, nn

from bitspike.base import MemoryModule
from bitspike.layer._memory_shape import dense, shaped


def neunorm_step(
    in_spikes: Tensor, state: Tensor | float, weight: Tensor, momentum: float, input_scale: float
) -> tuple[Tensor, Tensor]:
    """One time step of NeuNorm: neurons are inhibited by the activity of all channels in place.

    ``U[t] = momentum U[t-1] + input_scale sum_c S[t]``, ``Y[t] = S[t] - weight U[t]``

    Args:
        in_spikes: spikes ``S[t]``, ``[B, C, H, W]``.
        state: ``U[t-1]``, ``[B, 1, H, W]``, or 0 at the first step.
        weight: broadcast to ``[C, H, W]``.
        momentum: share of ``U`` that remains after a step.
        input_scale: weight of the sum over channels; ``(1 - momentum) / C**2`` in the paper.

    Returns:
        ``Y[t]``, ``[B, C, H, W]``, and ``U[t]``.

    Paper: Wu et al., Direct training for spiking neural networks: faster, larger, better, 2019.
    """
    following = momentum * state + input_scale * in_spikes.sum(dim=1, keepdim=True)
    return in_spikes - weight * following, following


class NeuNorm(MemoryModule):
    """Neurons are inhibited by the activity of all channels at their place.

    ::

        X[t] = k X[t-1] + (1 - k) / in_channels^2 * sum_c S_c[t]
        Y_c[t] = S_c[t] - w_c X[t]

    Input and output are spikes ``[B, C, H, W]`` or ``[T, B, C, H, W]``.

    Args:
        in_channels: channels ``C``.
        height: ``H``.
        width: ``W``.
        k: share of ``X`` that remains after a step.
        shared_across_channels: whether all channels have the same weights ``w``.
        step_mode: ``'s'`` or ``'m'``.

    Raises:
        ValueError: for an input of another shape.
        StateError: at an input that does not fit the state of an earlier one.

    Paper: Wu et al., "Direct Training for Spiking Neural Networks: Faster, Larger, Better",
    AAAI 2019.
    """

    x: float | Tensor

    def __init__(
        self,
        in_channels: int,
        height: int,
        width: int,
        k: float = 0.9,
        shared_across_channels: bool = False,
        step_mode: str = "s",
    ) -> None:
        super().__init__()
        self.step_mode = step_mode
        self.register_memory("x", 0.0)
        self.in_channels = in_channels
        self.k0 = k
        self.k1 = (1.0 - k) / in_channels**2
        channels = 1 if shared_across_channels else in_channels
        self.w = nn.Parameter(torch.empty(channels, height, width))
        nn.init.kaiming_uniform_(self.w, a=math.sqrt(5))

    def single_step_forward(self, x: Tensor) -> Tensor:
        """One time step, ``[B, C, H, W]``."""
        wanted = (self.in_channels, *self.w.shape[1:])
        if x.ndim != 4 or tuple(x.shape[1:]) != wanted:
            shape = ", ".join(map(str, wanted))
            raise ValueError(
                f"{self._whoami()}: one time step must be [B, {shape}], but got {tuple(x.shape)}"
            )
        x = dense(x)
        state = self.memory_like("x", shaped(x, len(x), 1, *wanted[1:]))
        y, self.x = neunorm_step(self.watch(x), state, self.w, self.k0, self.k1)
        return y

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"shape={tuple(self.w.shape)}, k={self.k0}, {super().extra_repr()}"
