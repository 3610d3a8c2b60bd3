"""Encoders with a period: a given spike train, and the binary digits of the input."""

from typing import Any

import torch
from torch import Tensor

from bitspike.encoding._base import StatefulEncoder, real


class PeriodicEncoder(StatefulEncoder):
    """Play a given spike train over and over: step ``t`` gives ``spike[t % T]``.

    An input is not needed: ``encoder()`` gives the next time step. A spike train that is passed to
    the first call after a reset is played in place of the train from the constructor.

    Args:
        spike: the spike train ``[T, B, ...]``.
        step_mode: ``'s'`` or ``'m'``.
    """

    def __init__(self, spike: Tensor, step_mode: str = "s") -> None:
        if spike.ndim == 0:
            raise ValueError("PeriodicEncoder: the spike train must be [T, ...], but got a number")
        super().__init__(len(spike), step_mode)
        self.register_buffer("_train", spike, persistent=False)
        self._train: Tensor

    def single_step_encode(self, x: Tensor) -> Tensor:
        """Return ``x`` itself."""
        return x

    def _encoded(self, x: Tensor | None) -> Tensor:
        return self._train if x is None else self.single_step_encode(x)

    def multi_step_forward(self, x_seq: Tensor | None = None, *args: Any, **kwargs: Any) -> Any:
        """Return one period ``[T, B, ...]``, or as many steps as ``x_seq`` has."""
        if x_seq is not None:
            return super().multi_step_forward(x_seq, *args, **kwargs)
        train = self._train if self.spike is None else self.spike
        self.spike, start = train, self.t
        return self._as_bits(train if start == 0 else train.roll(-start, 0))

    def _source(self) -> Tensor | None:
        return self.spike

    def _remember(self, x: Tensor, given: Tensor) -> None:  # noqa: ARG002
        self._see(given)

    def _as_bits(self, spikes: Tensor) -> Tensor:
        binary = not spikes.requires_grad and bool(((spikes == 0) | (spikes == 1)).all())
        return super()._as_bits(spikes) if binary else spikes


class WeightedPhaseEncoder(StatefulEncoder):
    """Weighted phase coding: the ``K`` binary digits of the input, the highest first.

    ``x = sum_k 2**-(k + 1) S[k]`` up to an error below ``2**-K``; after ``K`` steps the code
    begins again. The input is read once, see `StatefulEncoder`.

    Args:
        K: number of digits, the period in time steps.
        step_mode: ``'s'`` or ``'m'``.

    Shape: input ``[B, ...]`` in ``[0, 1 - 2**-K]`` (multi-step ``[T, B, ...]``); output the same,
    0 and 1.

    Raises:
        ValueError: for an input outside ``[0, 1 - 2**-K]``.

    Paper: Kim et al., Deep neural networks with weighted spikes, Neurocomputing 2018.
    """

    def __init__(self, K: int, step_mode: str = "s") -> None:
        super().__init__(K, step_mode)

    def single_step_encode(self, x: Tensor) -> Tensor:
        """Return the spike train ``[K, B, ...]``."""
        rest, highest = real(x), 1 - 2**-self.T
        reach = f"{self.T} binary digits reach from 0 to 1 - 2**-{self.T} = {highest:g}"
        self._check_range(rest, highest, reach)
        digits = []
        for k in range(self.T):
            weight = 0.5 ** (k + 1)
            digits.append((rest >= weight).to(rest.dtype))
            rest = rest - weight * digits[-1]
        return torch.stack(digits)
