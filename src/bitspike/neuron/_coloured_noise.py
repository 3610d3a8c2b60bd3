"""Coloured noise, and the part of a neuron that holds it."""

import math
import operator
from collections.abc import Iterable
from typing import Any, ClassVar, SupportsIndex

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bitspike.base import check_count, check_finite

RandomState = int | np.random.Generator | np.random.RandomState | torch.Generator


def _numpy_generator(random_state: RandomState | None) -> np.random.Generator | Any:
    if isinstance(random_state, np.random.Generator | np.random.RandomState):
        return random_state
    if random_state is None or isinstance(random_state, torch.Generator):
        seed = torch.randint(2**63 - 1, (), generator=random_state, dtype=torch.int64)
        return np.random.default_rng(int(seed))
    if isinstance(random_state, bool) or not isinstance(random_state, int | np.integer):
        raise TypeError(
            "powerlaw_psd_gaussian: random_state must be None, an integer, a torch.Generator, a "
            f"numpy.random.Generator or a numpy.random.RandomState, but got {random_state!r}"
        )
    return np.random.default_rng(random_state)


def powerlaw_psd_gaussian(
    exponent: float,
    size: SupportsIndex | Iterable[int],
    fmin: float = 0.0,
    random_state: RandomState | None = None,
) -> NDArray[np.float64]:
    """Return Gaussian noise of mean power 1 with a power spectrum of ``1 / f^exponent``.

    Random Fourier coefficients with that spectrum are transformed back to time.

    Args:
        exponent: 0 gives white noise, 1 pink, 2 Brownian.
        size: shape; time is the last axis.
        fmin: in (0, 0.5], in cycles per step: below it the spectrum is flat. 0 is ``1 / size[-1]``.
        random_state: a seed or a generator; None takes a seed from torch's global generator, so
            that ``torch.manual_seed`` governs the noise.

    Returns:
        A NumPy array of shape ``size``.

    Raises:
        TypeError: if ``size`` or ``random_state`` is of another type.
        ValueError: if ``fmin`` is not in [0, 0.5], or ``size`` has less than 2 time steps.

    Paper: Timmer and Koenig, "On generating power law noise", Astronomy and Astrophysics 1995.
    """
    try:
        shape = [*size] if isinstance(size, Iterable) else [operator.index(size)]
    except TypeError as error:
        raise TypeError(
            f"powerlaw_psd_gaussian: size must be an integer or several, but got {size!r}"
        ) from error
    T = shape[-1] if shape else 0
    if T < 2:
        raise ValueError(
            f"powerlaw_psd_gaussian: size must end in 2 or more time steps, but got {size!r}"
        )
    if not 0.0 <= fmin <= 0.5:
        raise ValueError(f"powerlaw_psd_gaussian: fmin must be in [0, 0.5], but got {fmin!r}")
    frequency = np.fft.rfftfreq(T)
    first = min(int(np.searchsorted(frequency, max(fmin, 1.0 / T))), len(frequency) - 1)
    frequency[:first] = frequency[first]
    scale = frequency ** (-exponent / 2.0)
    # Each frequency but 0 counts twice, for its negative; an even T has a last one that has none.
    weight = scale[1:].copy()
    weight[-1] *= (1 + T % 2) / 2.0
    deviation = 2.0 * np.sqrt(np.sum(weight**2)) / T
    normal = _numpy_generator(random_state).normal
    shape[-1] = len(frequency)
    real, imaginary = normal(scale=scale, size=shape), normal(scale=scale, size=shape)
    own_mirror = [0] if T % 2 else [0, -1]
    imaginary[..., own_mirror] = 0.0
    real[..., own_mirror] *= np.sqrt(2.0)
    y: NDArray[np.float64] = np.fft.irfft(real + 1j * imaginary, n=T, axis=-1) / deviation
    return y


class ColouredNoise:
    """Noise of a layer of ``num_node`` neurons over episodes of T steps, made in advance.

    ``reset_noise(n)`` makes noise for n calls. Each call of the neuron takes the next piece,
    unless a piece is loaded: then the call replays it, so that a learner can repeat the steps of
    an actor with the same noise.
    """

    num_node: int
    T: int
    beta: float
    is_training: bool
    noise_step: int
    _noises: ClassVar[tuple[tuple[str, str], ...]] = (("eps_v_seq", "cn_v"), ("eps_s_seq", "cn_s"))
    """Names of the noise made in advance, ``[n, T, N]``, and of the noise loaded, ``[B, T, N]``."""

    def _begin_noise(self, num_node: int, is_training: bool, T: int, beta: float) -> None:
        self.num_node = check_count(self, "num_node", num_node)
        self.is_training = bool(is_training)
        self.T = check_count(self, "T", T)
        self.beta = check_finite(self, "beta", beta)
        self.noise_step = -1
        for made, loaded in self._noises:
            setattr(self, made, torch.empty(0, self.T, self.num_node))
            setattr(self, loaded, None)

    def _initial_sigma(self, sigma_init: float) -> float:
        return check_finite(self, "sigma_init", sigma_init) / math.sqrt(self.num_node)

    def reset_noise(self, num_rl_step: int) -> None:
        """Make new noise for ``num_rl_step`` calls, from a seed of torch's generator."""
        n = check_count(self, "num_rl_step", num_rl_step)
        for made, _ in self._noises:
            noise = powerlaw_psd_gaussian(self.beta, (self.num_node, n * self.T))
            noise = noise.reshape(self.num_node, n, self.T).transpose(1, 2, 0)
            setattr(self, made, torch.from_numpy(noise).to(torch.get_default_dtype()))
        self.noise_step = -1

    def get_colored_noise(self) -> Tensor:
        """Return the noise of the last call, ``[T, N]`` for each of the noises, side by side."""
        return torch.cat([getattr(self, made)[self.noise_step] for made, _ in self._noises], dim=1)

    def load_colored_noise(self, cn: Tensor) -> None:
        """Replay ``cn``, a batch of results of `get_colored_noise`, in the next calls."""
        wanted = len(self._noises) * self.num_node
        if cn.ndim != 3 or cn.shape[1:] != (self.T, wanted):
            raise ValueError(
                f"{type(self).__name__}: noise to load must be [B, {self.T}, {wanted}], but has "
                f"shape {tuple(cn.shape)}"
            )
        for (_, loaded), part in zip(
            self._noises, torch.split(cn, self.num_node, dim=2), strict=True
        ):
            setattr(self, loaded, part)

    def cancel_load(self) -> None:
        """Return to the noise that `reset_noise` made."""
        for _, loaded in self._noises:
            setattr(self, loaded, None)

    def _next_noises(self, x_seq: Tensor) -> list[Tensor]:
        """Return the noises of this call, each ``[T, N]`` or ``[T, B, N]``."""
        loaded = [getattr(self, name) for _, name in self._noises]
        if loaded[0] is not None:
            return [noise.transpose(0, 1).to(x_seq.device) for noise in loaded]
        n = len(getattr(self, self._noises[0][0]))
        if self.noise_step + 1 >= n:
            raise RuntimeError(
                f"{type(self).__name__}: there is noise for {n} calls, and this is call "
                f"{self.noise_step + 2}. Call reset_noise(num_rl_step) with the number of calls "
                "first, or set is_training=False."
            )
        self.noise_step += 1
        return [getattr(self, made)[self.noise_step].to(x_seq.device) for made, _ in self._noises]
