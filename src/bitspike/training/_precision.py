"""Mixed precision, the same in training and evaluation."""

from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

import torch
from torch import Tensor


class Precision:
    """Full precision, or torch's automatic mixed precision.

    With ``amp`` matrix products run in float16 on CUDA, with a `torch.amp.GradScaler`, and in
    bfloat16 on the CPU, which needs none. Neurons keep their membrane in float32 either way.

    Args:
        device: where the network is.
        amp: whether to use mixed precision.

    Raises:
        ValueError: if ``amp`` is asked for on a device without it.
    """

    _DTYPES: ClassVar = {"cuda": torch.float16, "cpu": torch.bfloat16}

    def __init__(self, device: torch.device, amp: bool) -> None:
        if amp and device.type not in self._DTYPES:
            raise ValueError(
                f"mixed precision is there on {' and '.join(self._DTYPES)}, not on {device.type}"
            )
        self.amp = amp
        self.device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=amp and device.type == "cuda")

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context in which the network is called."""
        if not self.amp:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self._DTYPES[self.device.type])

    def update(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Clear the gradients, run backward, and take one step of the optimizer."""
        # As optimizer.zero_grad() without its profiling, which a step of a millisecond would feel.
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(optimizer)
        self.scaler.update()
