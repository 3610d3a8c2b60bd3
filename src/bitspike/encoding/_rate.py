"""Rate coding with random spikes: step by step, ahead of time, and as a function."""

import torch
from torch import Tensor

from bitspike import kernels
from bitspike.encoding._base import StatelessEncoder, real
from bitspike.layer import delay


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
        """Return spikes of the probabilities ``x``, in the shape of ``x``."""
        dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
        one_step = self.step_mode == "s"
        return kernels.encode_poisson(x.detach(), self.generator, dtype, self.backend, one_step)


class PoissonSequences:
    """Random spikes of images held for T steps; they depend on a seed and the image's number.

    Each element fires at each step with the probability that it states, as in `PoissonEncoder`.
    But no generator is drawn from: the spikes of an image are a function of ``seed``, of the
    image's number and of its values, not of the thread, the order or the batch in which it comes.
    So the threads of `datasets.Batches` can encode batches ahead, and a run that is resumed in the
    middle of an epoch meets the same spikes::

        encoder = encoding.PoissonSequences(T=100, seed=epoch)
        batches = Batches(mnist, 64, shuffle=True, epoch=epoch, workers=1, encoder=encoder)
        for s_seq, label in batches:
            rate = net(s_seq).mean(0)

    Args:
        T: number of time steps.
        seed: any integer. Sequences of different seeds have nothing to do with each other.
        backend: ``'auto'``, ``'eager'`` or ``'numba'``; each draws other random numbers.

    Raises:
        ValueError: if ``T`` is less than 1.
    """

    def __init__(self, T: int, seed: int = 0, backend: str = "auto") -> None:
        if isinstance(T, bool) or not isinstance(T, int) or T < 1:
            raise ValueError(f"PoissonSequences: T must be an integer of at least 1, but got {T!r}")
        self.T, self.seed = T, int(seed)
        self.backend = kernels.check_backend(backend)

    def __call__(self, x: Tensor, first: int = 0) -> Tensor:
        """Return spikes ``[T, B, ...]`` of the images ``[B, ...]``, numbered from ``first`` on.

        They are a `bitspike.spikes.SpikeTensor` where the backend makes bits, else of the dtype
        of ``x``.

        Raises:
            ValueError: if a value lies outside [0, 1] or is NaN, or ``x`` has no batch axis.
        """
        if x.ndim < 2:
            raise ValueError(
                f"PoissonSequences: images are [B, ...] with at least two axes, but got shape "
                f"{tuple(x.shape)}"
            )
        return kernels.encode_held(x.detach(), self.T, self.seed, first, self.backend)

    def __repr__(self) -> str:
        return f"PoissonSequences(T={self.T}, seed={self.seed})"


def rate(
    data: Tensor,
    num_steps: int | None = None,
    gain: float = 1.0,
    offset: float = 0.0,
    first_spike_time: int = 0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw spikes with the probabilities ``gain X + offset``, cut to [0, 1].

    `PoissonEncoder` for a whole sequence, as snnTorch's ``spikegen.rate``.

    Args:
        data: an input ``[B, ...]`` that is held, or a sequence ``[T, B, ...]``.
        num_steps: time steps T for which an input is held; None says that ``data`` is a sequence.
        gain: factor of the input.
        offset: added after that.
        first_spike_time: the spikes come this many time steps later, and T stays.
        generator: source of randomness; None is torch's global one.

    Returns:
        0 and 1, ``[T, B, ...]``, bits where the backend makes them.

    Raises:
        ValueError: if there is no time step, or ``first_spike_time`` not within the sequence.
    """
    T = data.shape[0] if num_steps is None and data.ndim else num_steps
    if T is None or T < 1 or not 0 <= first_spike_time < T:
        raise ValueError(
            "rate: the sequence needs a time step or more, and the first spike must be in it, "
            f"but got num_steps={num_steps}, first_spike_time={first_spike_time} and data of shape "
            f"{tuple(data.shape)}"
        )
    x = (gain * real(data) + offset).clamp(0, 1)
    x_seq = x if num_steps is None else x.expand(T, *x.shape)
    return delay(PoissonEncoder("m", generator)(x_seq), first_spike_time)
