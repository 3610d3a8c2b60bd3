"""One time step of spike-timing-dependent plasticity: traces, weight changes, eligibilities."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.grad import conv1d_weight, conv2d_weight

from bitspike.spikes import SpikeTensor

Traces = tuple[Tensor, Tensor]
Modulation = Callable[[Tensor], Tensor]


def identity(w: Tensor) -> Tensor:
    """``w`` itself."""
    return w


def check_taus(least: float, **taus: float) -> None:
    """Refuses time constants that are not finite or too small.

    Args:
        least: 1 for Euler's decay ``1 - 1 / tau``, which is negative below; 0, excluded itself,
            for the exponential decay ``exp(-1 / tau)``.
        **taus: time constants in time steps, by the argument's name.

    Raises:
        ValueError: naming the argument.
    """
    for name, tau in taus.items():
        if not math.isfinite(tau) or tau < least or tau <= 0:
            bound = f">= {least:g}" if least else "> 0"
            raise ValueError(f"{name} is in time steps and must be finite and {bound}, got {tau!r}")


def check_spikes(pre: Tensor, post: Tensor, trace: Traces, weight: Tensor, ndim: int) -> None:
    """Refuses spikes of one time step that fit neither the weight nor the traces.

    Raises:
        ValueError: saying which shape is wrong.
    """
    layout = {1: "[I] and [O]", 2: "[B, I] and [B, O]", 3: "[B, C, L]", 4: "[B, C, H, W]"}[ndim]
    shapes = f"in_spike {tuple(pre.shape)}, out_spike {tuple(post.shape)}"
    if pre.ndim != ndim or post.ndim != ndim:
        raise ValueError(f"the spikes must be {layout}, but got {shapes}")
    if weight.ndim != max(ndim, 2):
        raise ValueError(f"spikes {layout} do not fit a weight of shape {tuple(weight.shape)}")
    channel = min(ndim, 2) - 1
    if (post.shape[channel], pre.shape[channel]) != tuple(weight.shape[:2]):
        raise ValueError(f"{shapes} do not fit the weight of shape {tuple(weight.shape)}")
    if ndim > 1 and pre.shape[0] != post.shape[0]:
        raise ValueError(f"in_spike and out_spike differ in batch size: {shapes}")
    for name, spike, state in zip(("pre", "post"), (pre, post), trace, strict=True):
        if state.shape != spike.shape:
            raise ValueError(
                f"the {name}-synaptic trace of an earlier input has shape {tuple(state.shape)}, "
                f"but these spikes have shape {tuple(spike.shape)}: reset before the batch size "
                "changes"
            )
        if not (spike.device == state.device == weight.device):
            raise ValueError(
                f"spikes, traces and weight must be on one device, but the {name}-synaptic spikes "
                f"are on {spike.device}, their trace on {state.device}, the weight on "
                f"{weight.device}"
            )


def check_space(pre: Sequence[int], post: Sequence[int], weight: Tensor, stride: object) -> None:
    """Refuses spikes whose spatial size is not what the convolution makes of its padded input.

    Args:
        pre: shape of the padded input.
        post: shape of the output.
        weight: ``[O, C, *K]``.
        stride: one number an axis.

    Raises:
        ValueError: if a stride is not positive, or the sizes do not fit.
    """
    steps = tuple(stride) if isinstance(stride, Sequence) else (stride,)
    axes = weight.ndim - 2
    if len(steps) != axes or not all(isinstance(s, int) and s > 0 for s in steps):
        raise ValueError(f"stride must be {axes} positive integer(s), but is {stride!r}")
    sizes = zip(pre[2:], weight.shape[2:], steps, strict=True)
    expected = tuple((size - kernel) // step + 1 for size, kernel, step in sizes)
    if tuple(post[2:]) != expected:
        raise ValueError(
            f"a kernel of {tuple(weight.shape[2:])} with stride {steps} makes {expected} of an "
            f"input of {tuple(pre[2:])} (padding included), but the output spikes are "
            f"{tuple(post[2:])}"
        )


def euler(trace: Tensor, spike: Tensor, tau: float) -> Tensor:
    """``tr[t] = tr[t-1] - tr[t-1] / tau + s[t]``."""
    return trace - trace / tau + spike


def exponential(trace: Tensor, spike: Tensor, tau: float) -> Tensor:
    """``tr[t] = tr[t-1] exp(-1 / tau) + s[t]``."""
    return trace * math.exp(-1 / tau) + spike


def correlate(post: Tensor, pre: Tensor, kernel: Sequence[int], stride: object = None) -> Tensor:
    """Sum over samples and positions of ``post`` times what ``pre`` the synapse carried to it.

    That is the gradient of the synapse's weight with ``post`` for the gradient of its output.

    Args:
        post: ``[B, O, *]``.
        pre: ``[B, C, *]``, padding included.
        kernel: spatial axes of the weight; none for a linear layer.
        stride: of the convolution.

    Returns:
        ``[O, C, *kernel]``.
    """
    if not kernel:
        return post.t() @ pre
    gradient: Callable[..., Tensor] = conv1d_weight if len(kernel) == 1 else conv2d_weight
    if set(kernel) == {1}:  # channels last it may be wrong: see `kernels._convolution.skips_pixels`
        pre = pre.clone(memory_format=torch.contiguous_format)
    return gradient(pre, (post.shape[1], pre.shape[1], *kernel), post, stride=stride)


def modulate(f: Modulation, weight: Tensor) -> Tensor:
    """``f`` of the weight; a convolution's is handed over as ``[O, C]``, tap by tap."""
    if weight.ndim == 2:
        return f(weight)
    taps = [f(tap).expand_as(tap) for tap in weight.flatten(2).unbind(2)]
    return torch.stack(taps, 2).view_as(weight)


def numbers(spike: Tensor, weight: Tensor) -> Tensor:
    dense = spike.dense() if isinstance(spike, SpikeTensor) else spike
    return dense.to(torch.promote_types(dense.dtype, weight.dtype))
