"""A linear layer on constant-rate spikes and the neurons behind it, as one kernel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike import dispatch
from bitspike.kernels.scan import Watcher
from bitspike.kernels.scan.reference import Step
from bitspike.spikes import SpikeTensor


@dataclass(frozen=True, slots=True, eq=False)
class Current:
    """``F.linear(spikes.flatten(2), weight)``, not computed yet.

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
        """Return the current itself."""
        return F.linear(self.spikes.flatten(2), self.weight)


def scan_of_current(
    step: Step,
    current: Current,
    states: Sequence[Tensor | float],
    backend: str = "auto",
    watcher: Watcher | None = None,
    key: Any = None,
) -> tuple[Tensor, tuple[Tensor, ...]] | None:
    """Run `scan` together with the linear layer before it; None where no kernel does both.

    A state may be the number from which all neurons start.

    Returns:
        Spikes ``[T, B, O]`` and the last states.
    """
    kernels = dispatch.available("fused", current, states, backend=backend)
    if kernels is None:
        return None
    result: tuple[Tensor, tuple[Tensor, ...]] | None = kernels.scan(step, current, states, key)
    if result is not None and watcher is not None and result[1][0].grad_fn is not None:
        watcher.watch_node(result[1][0].grad_fn)
    return result
