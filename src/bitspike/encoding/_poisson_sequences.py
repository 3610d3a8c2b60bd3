"""Rate coding that can be done ahead of time, by any thread and in any order."""

from torch import Tensor

from bitspike import kernels


class PoissonSequences:
    """Images held for T steps as random spikes that depend on a seed and the image's number alone.

    As `PoissonEncoder`, each element fires at each step with the probability that it states. But
    nothing is drawn from a generator: the spikes of an image are a function of ``seed``, of the
    image's number and of its values, whoever computes them, when, and together with which others.
    So the threads of `datasets.Batches` can encode batches ahead, and a run that goes on in the
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
        """Spikes ``[T, B, ...]`` of the images ``x``, ``[B, ...]``, numbered from ``first`` on.

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
