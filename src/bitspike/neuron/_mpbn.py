"""Neurons with batch normalisation of the membrane potential (MPBN)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from bitspike import dynamics
from bitspike.base import check_count, check_finite, check_sequence, check_tau
from bitspike.neuron._arguments import Older, Potential, Steps, Surrogate
from bitspike.neuron._base import BaseNode
from bitspike.neuron._catalogue import Demo


class MPBNBaseNode(BaseNode):
    """Base of the neurons that normalise the membrane potential before they fire.

    ::

        H[t] = BN(charge(V[t-1], X[t]))
        S[t] = Theta(H[t] - v_threshold)      or H[t] - exp(a) with learnable_vth
        V[t] = H (1 - S) + v_reset S, or H - v_threshold S

    BN is torch's, with statistics of each time step: it mixes the batch, so that the steps run in a
    loop, but without BN, and in evaluation after it was moved, in a kernel. A subclass writes
    ``charge(x, v)``. Input and output are ``[B, ...]`` or ``[T, B, ...]``, with ``[B, N]`` or
    ``[B, C, H, W]`` for a step. Arguments that are not listed: see `BaseNode`.

    After training `re_parameterize_v_threshold` moves BN into the threshold, one for each channel::

        S[t] = Theta(charge(V[t-1], X[t]) - (v_threshold - beta) sqrt(var + eps) / gamma - mean)

    Args:
        mpbn: False leaves the normalisation out.
        out_features: number of features N of a fully connected layer, or
        out_channels: number of channels C of a convolution; exactly one of the two.
        learnable_vth: whether a parameter ``a`` for each channel gives the threshold of firing.
        bn_momentum: how fast running statistics follow after re-parametrisation.
        bn_decay_momentum: multiplies ``bn_momentum`` at each step.
        bn_min_momentum: the least ``bn_momentum``.

    Raises:
        TypeError: if an argument is not a number.
        ValueError: if both or none of ``out_features`` and ``out_channels`` are given, or an
            input has another number of dimensions or channels.

    Papers: Guo et al., "Membrane potential batch normalization for spiking neural networks",
    ICCV 2023; statistics that follow after re-parametrisation: "Threshold modulation for online
    test-time adaptation of spiking neural networks", arXiv:2505.05375, 2025.
    """

    mu: Tensor | None
    sigma2: Tensor | None

    def __init__(
        self,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        mpbn: bool = True,
        out_features: int | None = None,
        out_channels: int | None = None,
        learnable_vth: bool = False,
        bn_momentum: float = 0.1,
        bn_decay_momentum: float = 0.94,
        bn_min_momentum: float = 0.005,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq, **older
        )
        kind = type(self).__name__
        if (out_features is None) == (out_channels is None):
            raise ValueError(
                f"{kind}: give either out_features, for [B, N], or out_channels, for "
                f"[B, C, H, W], but got {out_features!r} and {out_channels!r}"
            )
        image = out_channels is not None
        name, size = ("out_channels", out_channels) if image else ("out_features", out_features)
        size = check_count(self, name, size)
        self._step_ndim, self._channels = (4, size) if image else (2, size)
        norm = nn.BatchNorm2d if image else nn.BatchNorm1d
        self.vbn: nn.Module = norm(size) if mpbn else nn.Identity()
        self.register_buffer("mu", None)
        self.register_buffer("sigma2", None)
        self.gamma: Tensor | None = None
        self.beta: Tensor | None = None
        self.eps = 0.0
        self.fold_bn = self.normalize_residual = self.running_stats = False
        self.bn_momentum = check_finite(self, "bn_momentum", bn_momentum)
        self.bn_decay_momentum = check_finite(self, "bn_decay_momentum", bn_decay_momentum)
        self.bn_min_momentum = check_finite(self, "bn_min_momentum", bn_min_momentum)
        self.learnable_vth = bool(learnable_vth)
        if self.learnable_vth:
            self.a = nn.Parameter(torch.zeros(size))

    def re_parameterize_v_threshold(
        self, normalize_residual: bool = False, running_stats: bool = False
    ) -> None:
        """Move the normalisation into the threshold, after training. Without BN: does nothing.

        Args:
            normalize_residual: whether potentials that do not fire are still normalised.
            running_stats: in later training, whether mean and variance follow the batches slowly
                (with ``bn_momentum``) or are those of the batch.
        """
        if not isinstance(self.vbn, nn.BatchNorm1d | nn.BatchNorm2d):
            return
        if self.learnable_vth:
            threshold = self.a.detach().exp()
            del self.v_threshold, self.a
            self.register_buffer("v_threshold", threshold, persistent=False)
            self.learnable_vth = False
        self.fold_bn = True
        self.normalize_residual = bool(normalize_residual)
        self.running_stats = bool(running_stats)
        self.mu, self.sigma2 = self.vbn.running_mean, self.vbn.running_var
        self.gamma, self.beta, self.eps = self.vbn.weight, self.vbn.bias, self.vbn.eps
        self.vbn = nn.Identity()

    def _follow_statistics(self, h: Tensor) -> None:
        if h.ndim == 2 and len(h) == 1:
            return
        dims = [0, *range(2, h.ndim)]
        mu, sigma2 = h.detach().mean(dims), h.detach().var(dims)
        if self.running_stats and self.mu is not None and self.sigma2 is not None:
            keep, m = 1 - self.bn_momentum, self.bn_momentum
            mu = self.mu.detach() * keep + mu * m
            sigma2 = self.sigma2.detach() * keep + sigma2 * m
            self.bn_momentum = max(self.bn_momentum * self.bn_decay_momentum, self.bn_min_momentum)
        self.mu, self.sigma2 = mu, sigma2

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step: ``(x, v)`` to ``(s, v)``; in training it updates the statistics."""
        (v,) = states
        shape = (1, -1, *[1] * (self._step_ndim - 2))

        def channelwise(value: float | Tensor) -> float | Tensor:
            return value.view(shape) if isinstance(value, Tensor) and value.ndim else value

        h = self.vbn(self.charge(x, v))
        if self.fold_bn and self.training:
            self._follow_statistics(h)
        v_threshold = channelwise(self.v_threshold)
        folded = [self.mu, self.sigma2, self.gamma, self.beta]
        if self.fold_bn:
            mu, sigma2, gamma, beta = (p.view(shape) for p in folded if p is not None)
            sigma = torch.sqrt(sigma2 + self.eps)
            above = h - ((v_threshold - beta) * sigma / gamma + mu)
            s = self.surrogate_function(above)
            if self.normalize_residual:
                h = torch.where(above <= 0, (h - mu) / sigma * gamma + beta, h)
        else:
            fire_at = self.a.exp().view(shape) if self.learnable_vth else v_threshold
            s = self.surrogate_function(h - fire_at)
        return s, dynamics.voltage_reset(h, s, v_threshold, self.v_reset, self.detach_reset)

    def _check_step(self, shape: torch.Size) -> None:
        if len(shape) != self._step_ndim or shape[1] != self._channels:
            wanted = f"[B, {self._channels}{', H, W' if self._step_ndim == 4 else ''}]"
            raise ValueError(
                f"{self._whoami()}: a time step must be {wanted}, but got shape {tuple(shape)}"
            )

    @contextmanager
    def _keeping_statistics(self) -> Iterator[None]:
        """Keep copies of the statistics, and put the original ones back at the end."""
        buffers = dict(self.vbn._buffers)
        own = self.mu, self.sigma2, self.bn_momentum
        copies = {name: None if b is None else b.clone() for name, b in buffers.items()}
        self.vbn._buffers.update(copies)
        try:
            yield
        finally:
            self.vbn._buffers.update(buffers)
            self.mu, self.sigma2, self.bn_momentum = own

    def _on_states(
        self,
        call: Callable[..., Any],
        inputs: tuple[Any, ...],
        states: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Run ``call`` on other states; the running statistics stay, as the own states do."""
        with self._keeping_statistics():
            return super()._on_states(call, inputs, states, kwargs)

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Return the spikes ``[B, ...]`` of one time step with input ``[B, ...]``."""
        self._check_step(x.shape)
        return super().single_step_forward(x)

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the spikes ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        check_sequence(self, x_seq)
        self._check_step(x_seq.shape[1:])
        return super().multi_step_forward(x_seq)


class MPBNLIFNode(MPBNBaseNode):
    """Leaky integrate and fire with batch normalisation of the membrane potential.

    The charge is `LIFNode`'s, with ``decay_input=False`` by default. Normalisation, shapes and
    the other arguments: see `MPBNBaseNode` and `LIFNode`.
    """

    group = "training"
    demo = Demo(
        shown={"out_features": 1, "decay_input": True},
        tested={"out_features": 6},
        loop="in training, statistics of the batch at each step",
        prepare=nn.Module.eval,
    )

    def __init__(
        self,
        tau: Steps = 2.0,
        decay_input: bool = False,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        mpbn: bool = True,
        out_features: int | None = None,
        out_channels: int | None = None,
        learnable_vth: bool = False,
        bn_momentum: float = 0.1,
        bn_decay_momentum: float = 0.94,
        bn_min_momentum: float = 0.005,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq,
            mpbn, out_features, out_channels, learnable_vth,
            bn_momentum, bn_decay_momentum, bn_min_momentum, **older,
        )  # fmt: skip
        self.tau = check_tau(self, "tau", tau)
        self.decay_input = bool(decay_input)

    def charge(self, x: Any, v: Any) -> Any:
        """Return the potential after the leaky integration of ``x``."""
        return dynamics.lif_charge(x, v, self.tau, self.decay_input, self.v_reset)
