"""Dropout that holds over a whole sequence."""

import torch
from torch import Tensor, nn

from bitspike import kernels
from bitspike.base import MemoryModule, check_finite, check_rank, check_sequence


class Dropout(MemoryModule):
    """Dropout whose mask is drawn once and holds for all time steps until the reset.

    In training ``Y[t] = X[t] M / (1 - p)`` with ``M`` 0 with probability ``p`` for each element,
    else 1; in evaluation ``Y = X``. The random numbers are those of the global torch generator.
    Input and output are ``[B, ...]`` or ``[T, B, ...]``.

    Args:
        p: probability of an element to be dropped, at least 0 and less than 1.
        step_mode: ``'s'`` or ``'m'``.

    Raises:
        TypeError, ValueError: if ``p`` is not such a number.
        StateError: at an input that does not fit the mask of an earlier one.

    Paper: Lee et al., "Enabling Spike-Based Backpropagation for Training Deep Neural Network
    Architectures", Frontiers in Neuroscience 2020.
    """

    _states_carry_gradient = False

    mask: Tensor | None

    def __init__(self, p: float = 0.5, step_mode: str = "s") -> None:
        super().__init__()
        self.step_mode = step_mode
        self.p = check_finite(self, "p", p)
        if not 0.0 <= self.p < 1.0:
            raise ValueError(
                f"{type(self).__name__}: p must be at least 0 and less than 1, but got {p}"
            )
        self.register_memory("mask", None)

    def create_mask(self, x: Tensor) -> Tensor:
        """A new mask for time steps like ``x``: 0 or ``1 / (1 - p)``."""
        return nn.functional.dropout(_ones(x), self.p, training=True)

    def single_step_forward(self, x: Tensor) -> Tensor:
        """One time step, ``[B, ...]``."""
        return x * self._mask_for(x) if self.training else x

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """A whole sequence, ``[T, B, ...]``, or the next part of one."""
        self._check(x_seq)
        return x_seq * self._mask_for(kernels.one_step(x_seq)) if self.training else x_seq

    def _check(self, x_seq: Tensor) -> None:
        check_sequence(self, x_seq, ndim=2)

    def _mask_for(self, x: Tensor) -> Tensor:
        if self.mask is None:
            self.mask = self.create_mask(x)
        return self.memory_like("mask", x)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"p={self.p}, {super().extra_repr()}"


class Dropout2d(Dropout):
    """`Dropout` of whole channels: ``[B, C, H, W]`` or ``[T, B, C, H, W]``."""

    def __init__(self, p: float = 0.2, step_mode: str = "s") -> None:
        super().__init__(p, step_mode)

    def create_mask(self, x: Tensor) -> Tensor:
        """A new mask for time steps like ``x``, the same value in a whole channel."""
        return nn.functional.dropout2d(_ones(x), self.p, training=True)

    def _check(self, x_seq: Tensor) -> None:
        check_rank(self._whoami(), ["C, H, W"], x_seq.shape)
        super()._check(x_seq)


def _ones(x: Tensor) -> Tensor:
    return torch.ones(x.shape, dtype=x.dtype, device=x.device)
