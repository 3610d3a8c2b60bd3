"""The base of the encoders without memory."""

from torch import nn

from bitspike.base import StepModule


class StatelessEncoder(nn.Module, StepModule):
    """Base of the encoders that treat every time step alike and remember nothing.

    Input and output have one shape: ``[B, ...]`` a time step, or ``[T, B, ...]``.
    """

    def __init__(self, step_mode: str = "s") -> None:
        super().__init__()
        self.step_mode = step_mode

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"step_mode={self.step_mode!r}"
