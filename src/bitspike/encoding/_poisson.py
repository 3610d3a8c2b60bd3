"""Rate coding with random spikes."""

import torch
from torch import Tensor

from bitspike import kernels
from bitspike.encoding._stateless import StatelessEncoder


class PoissonEncoder(StatelessEncoder):
    """Rate coding: each element fires at each step with the probability that it states.

    ``S = 1 where rand < x``, with ``rand`` uniform on [0, 1) and drawn in float32 whatever the
    input's dtype: 0 never fires, 1 always does. No time axis is added: call it once a step, or
    pass a sequence of probabilities. An image held for T steps is
    ``img.expand(T, *img.shape)``, a view that copies nothing.

    Args:
        step_mode: ``'s'`` or ``'m'``; the encoder does the same in both.
        generator: source of randomness on the input's device; None is torch's global one, so
            that ``torch.manual_seed`` governs it.

    In multi-step mode the spikes come as a `bitspike.spikes.SpikeTensor` where the backend makes
    bits. The backends draw different random numbers: each is reproducible, but the same seed gives
    other spikes in another one.

    Shape: input ``[B, ...]`` or ``[T, B, ...]``, probabilities in [0, 1]; output the same shape,
    0 and 1, in the input's dtype (the default dtype for integer and bool input).

    Raises:
        ValueError: if a value lies outside [0, 1] or is NaN.
    """

    def __init__(self, step_mode: str = "s", generator: torch.Generator | None = None) -> None:
        super().__init__(step_mode)
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of the probabilities ``x``, in the shape of ``x``."""
        dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
        one_step = self.step_mode == "s"
        return kernels.encode_poisson(x.detach(), self.generator, dtype, self.backend, one_step)
