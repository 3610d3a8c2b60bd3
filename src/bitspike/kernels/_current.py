"""The current of a linear layer that has not been added up yet."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.spikes import SpikeTensor


@dataclass(frozen=True, slots=True, eq=False)
class Current:
    """``F.linear(spikes.flatten(2), weight)``, for whom can compute it with what follows.

    Attributes:
        spikes: ``[T, B, ...]``, without history.
        weight: ``[O, I]``.
    """

    spikes: SpikeTensor
    weight: Tensor

    @property
    def shape(self) -> torch.Size:
        """``[T, B, O]``."""
        return torch.Size([*self.spikes.shape[:2], len(self.weight)])

    @property
    def dtype(self) -> torch.dtype:
        """The weight's."""
        return self.weight.dtype

    def dense(self) -> Tensor:
        """The current itself."""
        return F.linear(self.spikes.flatten(2), self.weight)
