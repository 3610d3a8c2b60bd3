"""The base of the encoders that turn an input into a train of spikes and play it."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from bitspike.base import MemoryModule
from bitspike.base._states import States
from bitspike.encoding._bits import as_bits


class StatefulEncoder(MemoryModule):
    """Base of the encoders that make a spike train of ``T`` steps and then play it, over and over.

    The input is read at the first call after a reset, ``[B, ...]`` in single-step mode; later
    calls need none. In multi-step mode the first time step of ``[T', B, ...]`` is read, and T'
    steps are played: an image held over time is ``img.expand(T, *img.shape)``. Multi-step output
    is a `bitspike.spikes.SpikeTensor` where the backend makes bits.

    A subclass writes `single_step_encode`.

    Args:
        T: length of the spike train in time steps.
        step_mode: ``'s'`` or ``'m'``.

    Attributes:
        spike: the spike train ``[T, B, ...]``, or None before the first input.
        t: the step that is played next.

    Raises:
        ValueError: if ``T`` is no integer of 1 or more; at a first call without input.
    """

    spike: Tensor | None
    t: int

    def __init__(self, T: int, step_mode: str = "s") -> None:
        super().__init__()
        if isinstance(T, bool) or not isinstance(T, int) or T < 1:
            raise ValueError(
                f"{type(self).__name__}: the spike train's length in time steps must be an "
                f"integer of 1 or more, but got {T!r}"
            )
        self.step_mode = step_mode
        self.T = T
        self.register_memory("spike", None)
        self.register_memory("t", 0)

    @abstractmethod
    def single_step_encode(self, x: Tensor) -> Tensor:
        """The spike train ``[T, B, ...]`` of the input ``[B, ...]``."""
        raise NotImplementedError

    def single_step_forward(self, x: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        """The next time step of the spike train, ``[B, ...]``."""
        return super().single_step_forward(x, *args, **kwargs)  # type: ignore[arg-type, no-any-return]

    def single_step_functional_forward(
        self,
        inputs: tuple[Any, ...],
        states: States,
        **kwargs: Any,  # noqa: ARG002
    ) -> tuple[tuple[Any, ...], States]:
        """One step from the states ``(spike, t)``."""
        spike, t = states
        if spike is None:
            spike = self._encoded(inputs[0] if inputs else None)
        return (spike[t],), (spike, (t + 1) % len(spike))

    def multi_step_functional_forward(
        self,
        inputs: tuple[Any, ...],
        states: States,
        **kwargs: Any,  # noqa: ARG002
    ) -> tuple[tuple[Any, ...], States]:
        """As many steps as the input has, from the states ``(spike, t)``."""
        (x_seq, *_), (spike, t) = inputs, states
        if x_seq.ndim == 0 or len(x_seq) == 0:
            raise ValueError(
                f"{self._whoami()}: multi-step input is [T, B, ...] with T >= 1, but got shape "
                f"{tuple(x_seq.shape)}"
            )
        if spike is None:
            spike = self._encoded(x_seq[0])
        end = t + len(x_seq)
        steps = torch.arange(t, end, device=spike.device) % len(spike)
        played = spike if t == 0 and end == len(spike) else spike[steps]
        return (self._as_bits(played),), (spike, end % len(spike))

    def _encoded(self, x: Tensor | None) -> Tensor:
        if x is None:
            raise ValueError(
                f"{self._whoami()}: there is no spike train to play yet; the first call after a "
                "reset takes the input"
            )
        return self.single_step_encode(x)

    def _as_bits(self, spikes: Tensor) -> Tensor:
        return as_bits(spikes, self.backend)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"T={self.T}, step_mode={self.step_mode!r}"
