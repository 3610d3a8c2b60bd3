"""Integrate and fire with a threshold for each channel, as conversion from an ANN needs it."""

from typing import Any, Unpack

import torch
from torch import Tensor

from bitspike import dynamics, kernels
from bitspike.base import check_finite, check_sequence
from bitspike.neuron._arguments import Older, Potential, Surrogate
from bitspike.neuron._base import BaseNode
from bitspike.neuron._catalogue import Demo, pulse
from bitspike.neuron._run import full_precision, run
from bitspike.surrogate import heaviside


def activation_aware_if_step(
    x: Tensor,
    v: Tensor,
    v_threshold: Tensor,
    v_offset: Tensor,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Tensor, Tensor]:
    """Run one step of `ActivationAwareIFNode`, where the equation stands.

    Args:
        x: input ``[B, ...]``.
        v: potential after the last step, ``[B, ...]``.
        v_threshold: threshold, of a shape that broadcasts to the input's.
        v_offset: added to the potential where it is compared; broadcasts as well.
        v_reset: potential after a spike; None subtracts the threshold instead.
        surrogate_function: spike function.
        detach_reset: True keeps the gradient from flowing through the spike of the reset.

    Returns:
        Spikes and potential, both ``[B, ...]``.
    """
    h = dynamics.if_charge(x, v)
    spike = surrogate_function(h + v_offset - v_threshold)
    return spike, dynamics.voltage_reset(h, spike, v_threshold, v_reset, detach_reset)


def activation_aware_if_multi_step(
    x_seq: Tensor,
    v: Tensor,
    v_threshold: Tensor,
    v_offset: Tensor,
    channel_size: int,
    inner_size: int,
    v_reset: float | None = 0.0,
    store_v_seq: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Run `activation_aware_if_step` over a sequence, without gradients.

    Args:
        x_seq: input ``[T, B, ...]``.
        v: potential before the first step, ``[B, ...]``.
        v_threshold: threshold, one or ``channel_size`` numbers.
        v_offset: offset, one or ``channel_size`` numbers.
        channel_size: number of channels.
        inner_size: number of elements of a channel that lie side by side in a contiguous input:
            the product of the sizes behind the channel's dimension.
        v_reset: potential after a spike; None subtracts the threshold instead.
        store_v_seq: whether the potentials of all steps are returned.

    Returns:
        Spikes ``[T, B, ...]``, the last potential ``[B, ...]``, and the potentials ``[T, B, ...]``
        or None.

    Raises:
        ValueError: if the sequence has no time steps, or the sizes do not fit the input.
        RuntimeError: if a gradient is requested.
    """
    if x_seq.ndim == 0 or len(x_seq) == 0 or x_seq.shape[1:] != v.shape:
        raise ValueError(
            "activation_aware_if_multi_step: the input must be [T, B, ...] with T >= 1 and v "
            f"[B, ...], but they have the shapes {tuple(x_seq.shape)} and {tuple(v.shape)}"
        )
    if torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (x_seq, v, v_threshold, v_offset)
    ):
        raise RuntimeError(
            "activation_aware_if_multi_step takes no surrogate and has no gradient; use "
            "activation_aware_if_step, or torch.no_grad()"
        )
    per_channel = (-1, channel_size, inner_size)
    if v.numel() % (channel_size * inner_size):
        raise ValueError(
            f"activation_aware_if_multi_step: {v.numel()} neurons are no multiple of "
            f"channel_size * inner_size = {channel_size} * {inner_size}"
        )

    def spread(value: Tensor) -> Tensor:
        value = value.to(v)
        if value.numel() == 1:
            return value.reshape(())
        return value.view(1, channel_size, 1).expand_as(v.reshape(per_channel)).reshape(v.shape)

    threshold, offset = spread(v_threshold), spread(v_offset)

    def step(x: Any, v: Any) -> tuple[Any, Any]:
        return activation_aware_if_step(x, v, threshold, offset, v_reset, heaviside)

    with torch.no_grad():
        spikes, (v,), v_seq = run(step, x_seq.to(v), [v], record=store_v_seq)
    return spikes.to(x_seq.dtype), v, v_seq


class ActivationAwareIFNode(BaseNode):
    """Integrate and fire with a threshold and an offset for each channel.

    ::

        H[t] = V[t-1] + X[t]
        S[t] = Theta(H[t] + v_offset - v_threshold)
        V[t] = H - v_threshold S, or H (1 - S) + v_reset S

    Threshold and offset are buffers; input and output are ``[B, ...]`` or ``[T, B, ...]``. The
    reset is soft by default; arguments that are not listed: see `BaseNode`.

    Args:
        v_threshold: threshold: a number, or one for each channel.
        v_offset: added to the potential where it is compared, as ``v_threshold``.
        channel_dim: which dimension of a single step, ``[B, ...]``, holds the channels.

    Raises:
        TypeError: if ``v_reset`` is not a number, or ``channel_dim`` not an integer.
        ValueError: if threshold or offset have more than one dimension or are not finite, a
            threshold is not positive, or an input has another number of channels.
    """

    group = "conversion"
    demo = Demo(pulse(0.08, 0.3), tested={"v_threshold": torch.linspace(0.5, 1.5, 6)})
    step_function = staticmethod(activation_aware_if_step)

    v_offset: Tensor
    _shaped: tuple[Tensor, Tensor]

    def __init__(
        self,
        v_threshold: Potential | Tensor = 1.0,
        v_offset: Potential | Tensor = 0.0,
        channel_dim: int = -1,
        v_reset: Potential | None = None,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            1.0, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq, **older
        )
        del self.v_threshold
        kind = type(self).__name__
        for name, value in (("v_threshold", v_threshold), ("v_offset", v_offset)):
            if not isinstance(value, Tensor | list | tuple):
                check_finite(self, name, value)
            tensor = torch.as_tensor(value).detach().clone()
            if tensor.ndim > 1 or not tensor.isfinite().all():
                raise ValueError(
                    f"{kind}: {name} must be a finite number, or one for each channel, but got "
                    f"{value!r}"
                )
            dtype = tensor.dtype if tensor.is_floating_point() else torch.get_default_dtype()
            self.register_buffer(name, tensor.to(dtype))
            if name == "v_threshold" and not (tensor > 0).all():
                raise ValueError(f"{kind}: v_threshold must be positive, but got {value!r}")
        if isinstance(channel_dim, bool) or not isinstance(channel_dim, int):
            raise TypeError(f"{kind}: channel_dim must be an integer, but got {channel_dim!r}")
        self.channel_dim = channel_dim
        self._shaped = self.get_buffer("v_threshold"), self.v_offset

    def _fit(self, x: Tensor) -> None:
        """Bring threshold and offset into a shape that broadcasts to ``x``, one time step."""
        x = full_precision(x)
        self._shaped = self._per_channel("v_threshold", x), self._per_channel("v_offset", x)

    def _per_channel(self, name: str, x: Tensor) -> Tensor:
        value: Tensor = getattr(self, name).to(x)
        if value.ndim == 0:
            return value
        if not -x.ndim <= self.channel_dim < x.ndim:
            raise ValueError(
                f"{self._whoami()}: channel_dim={self.channel_dim} is out of range for a step of "
                f"shape {tuple(x.shape)}"
            )
        if len(value) != x.shape[self.channel_dim]:
            raise ValueError(
                f"{self._whoami()}: {name} has {len(value)} channels, but a step of shape "
                f"{tuple(x.shape)} has {x.shape[self.channel_dim]} in dimension {self.channel_dim}"
            )
        shape = [1] * x.ndim
        shape[self.channel_dim] = -1
        return value.view(shape)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step: ``(x, v)`` to ``(s, v)``, with the shapes of the last input."""
        (v,), (threshold, offset) = states, self._shaped
        return activation_aware_if_step(
            x, v, threshold, offset, self.v_reset, self.surrogate_function, self.detach_reset
        )

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Return the spikes ``[B, ...]`` of one time step with input ``[B, ...]``."""
        self._fit(x.detach())
        return super().single_step_forward(x)

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the spikes ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        check_sequence(self, x_seq)
        self._fit(kernels.one_step(x_seq))
        return super().multi_step_forward(x_seq)
