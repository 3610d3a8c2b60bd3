"""Undo max-pooling."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from bitspike.base import StepModule
from bitspike.layer._stepwise import Stepwise

# Stepwise writes the docstrings.


class _TwoSequences(StepModule):
    """Goes before `Stepwise`: the indices are a sequence as the input is."""

    def forward(
        self,
        input: Tensor,  # noqa: A002
        indices: Tensor,
        output_size: Sequence[int] | None = None,
    ) -> Any:
        """Undoes max-pooling with ``return_indices=True``.

        Args:
            input: what the pooling returned, ``[B, C, ...]`` or ``[T, B, C, ...]``.
            indices: of the same shape.
            output_size: the size of the space that was pooled, or the whole shape; None: what the
                kernel, stride and padding give.

        Raises:
            ValueError: if the shapes differ, or the number of axes is not that of the layer.
        """
        if indices.shape != input.shape:
            raise ValueError(
                f"{self._whoami()}: input and indices must have one shape, but got "
                f"{tuple(input.shape)} and {tuple(indices.shape)}"
            )
        lead = input.ndim - len(self.kernel_size)  # type: ignore[attr-defined]
        if output_size is not None and len(output_size) == input.ndim:
            if tuple(output_size[:lead]) != input.shape[:lead]:
                raise ValueError(
                    f"{self._whoami()}: output_size={tuple(output_size)} as a whole shape must "
                    f"begin as the input's, {tuple(input.shape)}, does; or give the size of the "
                    "space only"
                )
            output_size = output_size[lead:]
        if self.step_mode == "m" and indices.ndim >= 2:
            indices = indices.flatten(0, 1)
        return super().forward(input, indices, output_size)  # type: ignore[misc]


class MaxUnpool1d(_TwoSequences, Stepwise, nn.MaxUnpool1d): ...


class MaxUnpool2d(_TwoSequences, Stepwise, nn.MaxUnpool2d): ...


class MaxUnpool3d(_TwoSequences, Stepwise, nn.MaxUnpool3d): ...
