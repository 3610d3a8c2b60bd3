"""Look at shapes while a network is being built."""

import sys

from torch import Tensor, nn


class PrintShapeModule(nn.Module):
    """Prints the shape of what passes, to the standard error, and passes it on.

    Args:
        ext_str: printed before the shape.
    """

    def __init__(self, ext_str: str = "PrintShapeModule") -> None:
        super().__init__()
        self.ext_str = ext_str

    def forward(self, x: Tensor) -> Tensor:
        """Returns ``x``."""
        sys.stderr.write(f"{self.ext_str} {tuple(x.shape)}\n")
        return x

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"ext_str={self.ext_str!r}"
