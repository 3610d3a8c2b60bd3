"""Layers that act over time: delays, and a synapse that filters spikes."""

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from bitspike.base import (
    MemoryModule,
    ShowsSettings,
    check_count,
    check_positive,
    check_sequence,
    check_tau,
)
from bitspike.layer._memory_shape import shaped
from bitspike.spikes import SpikeTensor, dense


def _check_delay(delay_steps: int) -> int:
    """Return ``delay_steps``; raise ValueError if it is not an integer of 0 or more."""
    if isinstance(delay_steps, bool) or not isinstance(delay_steps, int) or delay_steps < 0:
        raise ValueError(
            f"delay_steps is a number of time steps, an integer of 0 or more, but got "
            f"{delay_steps!r}"
        )
    return delay_steps


def _silence(x: Tensor) -> Tensor:
    """Return zeros like ``x``, as bits if ``x`` is."""
    x = x.detach()
    return x * (1 - x) if isinstance(x, SpikeTensor) else torch.zeros_like(x)


def delay(x_seq: Tensor, delay_steps: int) -> Tensor:
    """Return the sequence ``delay_steps`` later: zeros come first, the last steps are lost.

    ``Y[t] = X[t - delay_steps]``, and 0 for ``t < delay_steps``

    Args:
        x_seq: ``[T, ...]``; spikes stored as bits stay bits.
        delay_steps: time steps, 0 or more.

    Returns:
        ``Y``, ``[T, ...]``.

    Raises:
        ValueError: if ``delay_steps`` is not an integer or below 0.
    """
    _check_delay(delay_steps)
    if delay_steps == 0:
        return x_seq
    if delay_steps >= len(x_seq):
        return _silence(x_seq)
    return torch.cat((_silence(x_seq[:delay_steps]), x_seq[:-delay_steps]))


def delay_step(
    x: Tensor, queue: tuple[Tensor, ...], delay_steps: int
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run one time step of `delay`.

    Args:
        x: ``X[t]``, ``[B, ...]``.
        queue: the inputs that are under way, oldest first; ``()`` at the first step.
        delay_steps: time steps, 0 or more.

    Returns:
        ``X[t - delay_steps]``, zeros while there is none, and the queue for the next step.

    Raises:
        ValueError: if ``delay_steps`` is not an integer or below 0.
    """
    _check_delay(delay_steps)
    waiting = (*queue, x)
    if len(waiting) > delay_steps:
        return waiting[0], waiting[1:]
    return _silence(x), waiting


class _DelayLine(MemoryModule):
    """Remember the last ``_length`` inputs, oldest first, in the memory ``queue``."""

    queue: Tensor | None

    def __init__(self, length: int, step_mode: str) -> None:
        super().__init__()
        self._length = length
        self.step_mode = step_mode
        self.register_memory("queue", None)

    @abstractmethod
    def _read(self, past: Tensor, T: int) -> Tensor:
        """Return the last ``T`` outputs of ``past``: ``_length`` earlier inputs, ``T`` new ones."""

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Run one time step, ``[B, ...]``."""
        y: Tensor = self.multi_step_forward(x.unsqueeze(0))[0]
        return y

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Run a whole sequence, ``[T, B, ...]``, or the next part of one."""
        check_sequence(self, x_seq)
        T, D = len(x_seq), self._length
        if D == 0:
            return self._read(x_seq, T)
        if self.queue is None:
            self.queue = torch.cat([_silence(x_seq.detach()[:1])] * D)
        queue = self.memory_like("queue", shaped(x_seq, D, *x_seq.shape[1:]))
        past = torch.cat((queue, self.watch(x_seq)))
        self.queue = past[T:]
        return self._read(past, T)


class Delay(ShowsSettings, _DelayLine):
    """Delay the input by a whole number of time steps; zeros come first.

    ::

        Y[t] = X[t - delay_steps]

    Input and output are ``[B, ...]`` or ``[T, B, ...]``. Spikes stored as bits stay bits.

    Args:
        delay_steps: time steps, 0 or more.
        step_mode: ``'s'`` or ``'m'``.

    Raises:
        ValueError: if ``delay_steps`` is not an integer or below 0.
        StateError: at an input that does not fit the state of an earlier one.
    """

    def __init__(self, delay_steps: int, step_mode: str = "s") -> None:
        super().__init__(_check_delay(delay_steps), step_mode)

    @property
    def delay_steps(self) -> int:
        """Number of time steps by which the input is late."""
        return self._length

    def _read(self, past: Tensor, T: int) -> Tensor:
        return past[:T]


class LearnableDelay(_DelayLine):
    """One learnable, real-valued delay ``d`` for each channel.

    ::

        Y_c[t] = sum_k K(k; d_c) X_c[t - k]             k = 0 ... max_delay

        'linear'    K shares the spike between the two whole steps around d:
                    1 - (d - floor(d)) and d - floor(d)
        'gauss'     K = exp(-(k - d)^2 / (2 sigma^2)), divided by its sum over k

    ``'gauss'`` reaches further, so that a delay can be learned from a spike that is several steps
    away; make ``sigma`` smaller in the course of the training. A delay beyond 0 and ``max_delay``
    counts as the nearest of these, and its gradient leads back.

    Input and output are ``[B, C, ...]`` or ``[T, B, C, ...]``; before the first input are zeros.

    Args:
        num_channels: channels ``C``.
        max_delay: the longest delay in time steps, 1 or more.
        kernel: ``'linear'`` or ``'gauss'``.
        sigma: width of ``'gauss'`` in time steps; the attribute may be changed at any time.
        step_mode: ``'s'`` or ``'m'``.

    Raises:
        TypeError, ValueError: for arguments of the wrong type or value, or another ``C``.
        StateError: at an input that does not fit the state of an earlier one.

    Paper: Hammouamri et al., "Learning Delays in Spiking Neural Networks using Dilated
    Convolutions with Learnable Spacings", ICLR 2024.
    """

    kernels: ClassVar[tuple[str, ...]] = ("linear", "gauss")

    def __init__(
        self,
        num_channels: int,
        max_delay: int,
        kernel: str = "linear",
        sigma: float = 1.0,
        step_mode: str = "s",
    ) -> None:
        super().__init__(_check_delay(max_delay), step_mode)
        check_count(self, "max_delay", max_delay)
        if kernel not in self.kernels:
            raise ValueError(f"LearnableDelay: kernel must be 'linear' or 'gauss', got {kernel!r}")
        self.kernel = kernel
        self.sigma = check_positive(self, "sigma", sigma)
        self.delay = nn.Parameter(torch.empty(num_channels))
        self.reset_parameters()

    @property
    def max_delay(self) -> int:
        """Longest delay in time steps."""
        return self._length

    def reset_parameters(self) -> None:
        """Draw the delays anew, uniformly between 0 and ``max_delay``."""
        nn.init.uniform_(self.delay, 0.0, float(self.max_delay))

    def get_kernel(self) -> Tensor:
        """Return ``K``, ``[max_delay + 1, C]``: the weight of each delay."""
        inside = self.delay.detach().clamp(0.0, float(self.max_delay))
        d = self.delay + (inside - self.delay.detach())
        k = torch.arange(self.max_delay + 1, dtype=d.dtype, device=d.device).unsqueeze(1)
        if self.kernel == "gauss":
            return torch.softmax(-((k - d) ** 2) / (2.0 * self.sigma**2), dim=0)
        lower = inside.floor().clamp(max=self.max_delay - 1.0)
        share = d - lower
        return (k == lower) * (1.0 - share) + (k == lower + 1.0) * share

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Run a whole sequence, ``[T, B, C, ...]``, or the next part of one."""
        if x_seq.ndim < 3 or x_seq.shape[2] != len(self.delay):
            raise ValueError(
                f"{self._whoami()} delays C={len(self.delay)} channels, [T, B, C, ...], but got "
                f"shape {tuple(x_seq.shape)}"
            )
        return super().multi_step_forward(x_seq)

    def _read(self, past: Tensor, T: int) -> Tensor:
        D = self.max_delay
        weights = self.get_kernel().to(past.dtype)
        weights = weights.view(D + 1, -1, *[1] * (past.ndim - 3))
        past = dense(past)
        y = weights[0] * past[D:]
        for k in range(1, D + 1):
            y = y + weights[k] * past[D - k : D - k + T]
        return y

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        sigma = f", sigma={self.sigma:g}" if self.kernel == "gauss" else ""
        return (
            f"{len(self.delay)}, max_delay={self.max_delay}, kernel={self.kernel!r}{sigma}, "
            f"{super().extra_repr()}"
        )


def synapse_filter_step(x: Tensor, out_i: Tensor, reciprocal_tau: float | Tensor) -> Tensor:
    """Return the synaptic current after a time step: a spike raises it, without one it leaks.

    ``I[t] = I[t-1] - (1 - S[t]) I[t-1] / tau + S[t]``

    Args:
        x: spikes ``S[t]``, ``[B, ...]``.
        out_i: current ``I[t-1]`` of the step before, the same shape.
        reciprocal_tau: ``1 / tau``, tau in time steps; a number or a tensor.

    Returns:
        ``I[t]``, ``[B, ...]``.
    """
    return out_i - (1.0 - x) * out_i * reciprocal_tau + x


class SynapseFilter(MemoryModule):
    """A current that a spike raises by 1 and that leaks in the steps without one.

    ::

        I[t] = I[t-1] - (1 - S[t]) I[t-1] / tau + S[t]

    Input: spikes ``[B, ...]`` or ``[T, B, ...]``; output: currents of the same shape.

    Args:
        tau: time constant in time steps, greater than 1.
        learnable: whether tau is learned: ``1 / tau = sigmoid(w)``.
        step_mode: ``'s'`` or ``'m'``.

    Raises:
        TypeError, ValueError: if tau is not a number greater than 1.
        StateError: at an input that does not fit the state of an earlier one.

    Paper: Diehl and Cook, "Unsupervised learning of digit recognition using
    spike-timing-dependent plasticity", Frontiers in Computational Neuroscience 2015; learned:
    Fang et al., "Exploiting Neuron and Synapse Filter Dynamics in Spatial Temporal Learning of
    Deep Spiking Neural Network", IJCAI 2020.
    """

    out_i: float | Tensor

    def __init__(self, tau: float = 100.0, learnable: bool = False, step_mode: str = "s") -> None:
        super().__init__()
        self.step_mode = step_mode
        self.learnable = bool(learnable)
        self._tau = check_tau(self, "tau", tau)
        if learnable:
            self.w = nn.Parameter(torch.tensor(-math.log(self._tau - 1.0)))
        self.register_memory("out_i", 0.0)

    @property
    def tau(self) -> float:
        """Time constant in time steps, as it is now."""
        return 1.0 / float(self.w.detach().sigmoid()) if self.learnable else self._tau

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Return the current ``[B, ...]`` after the spikes ``[B, ...]`` of one time step."""
        x = dense(x)
        current = self.memory_like("out_i", x)
        leak = self.w.sigmoid() if self.learnable else 1.0 / self._tau
        self.out_i = synapse_filter_step(self.watch(x), current, leak)
        return self.out_i

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the currents ``[T, B, ...]`` of the spikes ``[T, B, ...]``."""
        y_seq: Tensor = super().multi_step_forward(dense(x_seq))
        return y_seq

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        return f"tau={self.tau:g}, learnable={self.learnable}, {super().extra_repr()}"
