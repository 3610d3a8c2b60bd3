"""The binary digits of the input, one a time step."""

import torch
from torch import Tensor

from bitspike.encoding._bits import real
from bitspike.encoding._stateful import StatefulEncoder


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
        """The spike train ``[K, B, ...]``."""
        rest = real(x)
        highest = 1 - 2**-self.T
        if not bool(((rest >= 0) & (rest <= highest)).all()):  # also true of NaN
            raise ValueError(
                f"{self._whoami()}: {self.T} binary digits reach from 0 to 1 - 2**-{self.T} = "
                f"{highest:g}, but the input ranges from {float(rest.min()):g} to "
                f"{float(rest.max()):g} (shape {tuple(rest.shape)})"
            )
        digits = []
        for k in range(self.T):
            weight = 0.5 ** (k + 1)
            digits.append((rest >= weight).to(rest.dtype))
            rest = rest - weight * digits[-1]
        return torch.stack(digits)
