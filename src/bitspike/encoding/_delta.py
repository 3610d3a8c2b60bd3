"""Spikes where the input changes."""

import torch
from torch import Tensor

from bitspike.base import MemoryModule, ShowsSettings, check_sequence
from bitspike.encoding._base import as_bits, real


class DeltaEncoder(ShowsSettings, MemoryModule):
    """Delta modulation: a spike where the input rises by ``threshold`` or more in one step.

    ``S[t] = X[t] - X[t-1] >= threshold``; with ``off_spike=True`` also -1 where
    ``X[t] - X[t-1] <= -threshold``. The last input is kept until a reset.

    Args:
        threshold: least change that makes a spike.
        padding: True compares the first step after a reset with itself, so that it never spikes;
            False with 0.
        off_spike: True gives -1 where the input falls.
        step_mode: ``'s'`` or ``'m'``.

    Shape: input ``[B, ...]`` or ``[T, B, ...]``; output the same. Multi-step output without off
    spikes is a `bitspike.spikes.SpikeTensor` where the backend makes bits.

    Raises:
        ValueError: if the threshold is not above 0; at a sequence without time steps.
        StateError: at an input that does not fit the one before.
    """

    previous: Tensor | float

    def __init__(
        self,
        threshold: float = 0.1,
        padding: bool = False,
        off_spike: bool = False,
        step_mode: str = "s",
    ) -> None:
        super().__init__()
        if not threshold > 0:
            raise ValueError(f"DeltaEncoder: the threshold must be above 0, but got {threshold}")
        self.threshold = float(threshold)
        self.padding = bool(padding)
        self.off_spike = bool(off_spike)
        self.step_mode = step_mode
        self.register_memory("previous", 0.0)

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Return the spikes of one time step, ``[B, ...]``."""
        return self._encode(x.unsqueeze(0))[0]

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the spikes of a sequence, ``[T, B, ...]``."""
        check_sequence(self, x_seq)
        spikes = self._encode(x_seq)
        return spikes if self.off_spike else as_bits(spikes, self.backend)

    def _encode(self, x_seq: Tensor) -> Tensor:
        x_seq = real(x_seq.detach())
        fresh = not isinstance(self.previous, Tensor)
        before = x_seq[0] if fresh and self.padding else self.memory_like("previous", x_seq[0])
        self.previous = x_seq[-1]
        earlier = torch.cat((before.unsqueeze(0), x_seq[:-1]))
        change = x_seq - earlier
        on = (change >= self.threshold).to(x_seq.dtype)
        return on - (change <= -self.threshold).to(x_seq.dtype) if self.off_spike else on


def delta(
    data: Tensor, threshold: float = 0.1, padding: bool = False, off_spike: bool = False
) -> Tensor:
    """Encode a whole sequence by delta modulation: `DeltaEncoder` as a function.

    Args:
        data: ``[T, ...]``.
        threshold: least change that makes a spike; the others are those of `DeltaEncoder` too.
        padding: whether the first step is compared with itself.
        off_spike: whether a fall gives -1.

    Returns:
        0 and 1, bits where the backend makes them, or -1, 0 and 1, ``[T, ...]``.

    Raises:
        ValueError: if ``data`` has no time step.
    """
    encoder = DeltaEncoder(threshold, padding, off_spike, step_mode="m")
    spikes: Tensor = encoder(data)
    return spikes
