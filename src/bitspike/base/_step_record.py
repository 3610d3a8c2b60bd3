"""A record of one tensor for each time step, which grows step by step."""

from typing import Self

import torch
from torch import Tensor


class StepRecord:
    """The tensors of all steps so far: `append` copies one of them, `stacked` all.

    A record never changes: `append` returns another one, which shares the steps before.
    """

    __slots__ = ("_before", "_stacked", "_step")

    def __init__(self, step: Tensor, before: "StepRecord | Tensor | None" = None) -> None:
        self._step = step
        self._before = before
        self._stacked: Tensor | None = None

    @classmethod
    def append(cls, before: "StepRecord | Tensor | None", step: Tensor) -> Self:
        """Return the steps ``before``, ``[T, ...]``, and a copy of one more, ``[...]``.

        Where the step has another shape, dtype or device than the one before, a new record begins.
        """
        if before is not None:
            last = before if isinstance(before, Tensor) else before._step
            shape = last.shape[1:] if isinstance(before, Tensor) else last.shape
            if (shape, last.dtype, last.device) != (step.shape, step.dtype, step.device):
                before = None
        return cls(step.clone(), before)

    def stacked(self) -> Tensor:
        """Return all steps, ``[T, ...]``, with their graph even where gradients are disabled."""
        if self._stacked is None:
            steps: list[Tensor] = []
            record: StepRecord | Tensor | None = self
            while isinstance(record, StepRecord) and record._stacked is None:
                steps.append(record._step)
                record = record._before
            with torch.inference_mode(False), torch.enable_grad():
                now = torch.stack(steps[::-1])
                earlier = record._stacked if isinstance(record, StepRecord) else record
                self._stacked = now if earlier is None else torch.cat((earlier, now))
            self._before = None  # its steps are in the stack
        return self._stacked
