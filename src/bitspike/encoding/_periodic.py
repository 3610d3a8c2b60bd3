"""Play a given spike train."""

from typing import Any

from torch import Tensor

from bitspike.encoding._stateful import StatefulEncoder


class PeriodicEncoder(StatefulEncoder):
    """Plays a given spike train over and over: step ``t`` gives ``spike[t % T]``.

    An input is not needed: ``encoder()`` gives the next time step. A spike train that is handed to
    the first call after a reset is played in place of the one from the constructor.

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
        """``x`` itself."""
        return x

    def _encoded(self, x: Tensor | None) -> Tensor:
        return self._train if x is None else self.single_step_encode(x)

    def multi_step_forward(self, x_seq: Tensor | None = None, *args: Any, **kwargs: Any) -> Any:
        """One period ``[T, B, ...]``, or as many steps as ``x_seq`` has."""
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
