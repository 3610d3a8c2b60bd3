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
    if set(kernel) == {1}:  # channels last it may be wrong: see `kernels.conv.dense.skips_pixels`
        pre = pre.clone(memory_format=torch.contiguous_format)
    return gradient(pre, (post.shape[1], pre.shape[1], *kernel), post, stride=stride)


def modulate(f: Modulation, weight: Tensor) -> Tensor:
    """``f`` of the weight; a convolution's is handed over as ``[O, C]``, tap by tap."""
    if weight.ndim == 2:
        return f(weight)
    taps = [f(tap).expand_as(tap) for tap in weight.flatten(2).unbind(2)]
    return torch.stack(taps, 2).view_as(weight)


def _numbers(spike: Tensor, weight: Tensor) -> Tensor:
    dense = spike.dense() if isinstance(spike, SpikeTensor) else spike
    return dense.to(torch.promote_types(dense.dtype, weight.dtype))


def _stdp(
    pre: Tensor,
    post: Tensor,
    trace: Traces,
    weight: Tensor,
    stride: object,
    taus: tuple[float, float],
    modulations: tuple[Modulation, Modulation],
) -> tuple[Tensor, Traces]:
    check_taus(1, tau_pre=taus[0], tau_post=taus[1])
    check_spikes(pre, post, trace, weight, weight.ndim)
    if weight.ndim > 2:
        check_space(pre.shape, post.shape, weight, stride)
    pre, post = _numbers(pre, weight), _numbers(post, weight)
    trace_pre, trace_post = euler(trace[0], pre, taus[0]), euler(trace[1], post, taus[1])
    kernel = weight.shape[2:]
    depression = correlate(trace_post.to(pre.dtype), pre, kernel, stride)
    potentiation = correlate(post, trace_pre.to(post.dtype), kernel, stride)
    f_pre, f_post = modulations
    delta = modulate(f_post, weight) * potentiation - modulate(f_pre, weight) * depression
    return delta, (trace_pre, trace_post)


def stdp_linear_step(
    in_spike: Tensor,
    out_spike: Tensor,
    trace: Traces,
    weight: Tensor,
    *,
    tau_pre: float,
    tau_post: float,
    f_pre: Modulation = identity,
    f_post: Modulation = identity,
) -> tuple[Tensor, Traces]:
    """One time step of STDP for a linear layer, by traces of its spikes.

    ::

        tr_pre[t]  = tr_pre[t-1]  - tr_pre[t-1] / tau_pre   + s_pre[t]
        tr_post[t] = tr_post[t-1] - tr_post[t-1] / tau_post + s_post[t]
        dw[t] = f_post(w) sum_B s_post[t] tr_pre[t] - f_pre(w) sum_B tr_post[t] s_pre[t]

    A. Morrison, M. Diesmann, W. Gerstner: Phenomenological models of synaptic plasticity based
    on spike timing, Biological Cybernetics 98 (2008).

    Args:
        in_spike: ``s_pre[t]``, ``[B, I]``.
        out_spike: ``s_post[t]``, ``[B, O]``.
        trace: ``tr_pre[t-1]`` and ``tr_post[t-1]``, in the shapes of the spikes.
        weight: ``w``, ``[O, I]``.
        tau_pre: time constant of ``tr_pre`` in time steps, at least 1.
        tau_post: time constant of ``tr_post`` in time steps, at least 1.
        f_pre: how much the weight weakens, as a function of itself.
        f_post: how much it grows.

    Returns:
        ``dw[t]``, ``[O, I]``, and the two traces at ``t``. What came in stays as it is.

    Raises:
        ValueError: for a time constant below 1, or shapes or devices that do not fit.
    """
    if weight.ndim != 2:
        raise ValueError(f"the weight must be [O, I], but has shape {tuple(weight.shape)}")
    taus, modulations = (tau_pre, tau_post), (f_pre, f_post)
    return _stdp(in_spike, out_spike, trace, weight, None, taus, modulations)


def stdp_conv1d_step(
    in_spike: Tensor,
    out_spike: Tensor,
    trace: Traces,
    weight: Tensor,
    *,
    stride: tuple[int],
    tau_pre: float,
    tau_post: float,
    f_pre: Modulation = identity,
    f_post: Modulation = identity,
) -> tuple[Tensor, Traces]:
    """`stdp_linear_step` for a convolution over one axis: sums run over the positions as well.

    Args:
        in_spike: ``[B, C, L]``, padded as the layer pads it.
        out_spike: ``[B, O, L']``.
        trace: traces before the step, in the shapes of the spikes.
        weight: ``[O, C, K]``; one group, dilation 1.
        stride: ``(stride,)``.
        tau_pre: time constant of the pre-synaptic trace in time steps, at least 1.
        tau_post: time constant of the post-synaptic trace in time steps, at least 1.
        f_pre: how much a weight weakens; called with ``[O, C]`` for each of the K taps.
        f_post: how much it grows, likewise.

    Returns:
        The change of the weight, ``[O, C, K]``, and the two traces.

    Raises:
        ValueError: for a time constant below 1, or shapes, stride or devices that do not fit.
    """
    if weight.ndim != 3:
        raise ValueError(f"the weight must be [O, C, K], but has shape {tuple(weight.shape)}")
    taus, modulations = (tau_pre, tau_post), (f_pre, f_post)
    return _stdp(in_spike, out_spike, trace, weight, stride, taus, modulations)


def stdp_conv2d_step(
    in_spike: Tensor,
    out_spike: Tensor,
    trace: Traces,
    weight: Tensor,
    *,
    stride: tuple[int, int],
    tau_pre: float,
    tau_post: float,
    f_pre: Modulation = identity,
    f_post: Modulation = identity,
) -> tuple[Tensor, Traces]:
    """`stdp_conv1d_step` for a convolution over two axes.

    Args:
        in_spike: ``[B, C, H, W]``, padded as the layer pads it.
        out_spike: ``[B, O, H', W']``.
        trace: traces before the step, in the shapes of the spikes.
        weight: ``[O, C, K_h, K_w]``; one group, dilation 1.
        stride: ``(stride_h, stride_w)``.
        tau_pre: time constant of the pre-synaptic trace in time steps, at least 1.
        tau_post: time constant of the post-synaptic trace in time steps, at least 1.
        f_pre: how much a weight weakens; called with ``[O, C]`` for each tap.
        f_post: how much it grows, likewise.

    Returns:
        The change of the weight, ``[O, C, K_h, K_w]``, and the two traces.

    Raises:
        ValueError: for a time constant below 1, or shapes, stride or devices that do not fit.
    """
    if weight.ndim != 4:
        raise ValueError(f"the weight must be [O, C, K, K], but has shape {tuple(weight.shape)}")
    taus, modulations = (tau_pre, tau_post), (f_pre, f_post)
    return _stdp(in_spike, out_spike, trace, weight, stride, taus, modulations)


def _eligibility(
    pre: Tensor,
    post: Tensor,
    trace: Traces,
    weight: Tensor,
    ndim: int,
    taus: tuple[float, float],
    modulations: tuple[Modulation, Modulation],
) -> tuple[Tensor, Traces]:
    check_taus(0, tau_pre=taus[0], tau_post=taus[1])
    check_spikes(pre, post, trace, weight, ndim)
    pre, post = _numbers(pre, weight), _numbers(post, weight)
    trace_pre = exponential(trace[0], pre, taus[0])
    trace_post = exponential(trace[1], post, taus[1])
    f_pre, f_post = modulations
    grown = f_post(weight) * (post.unsqueeze(-1) * trace_pre.unsqueeze(-2))
    weakened = f_pre(weight) * (trace_post.unsqueeze(-1) * pre.unsqueeze(-2))
    return grown - weakened, (trace_pre, trace_post)


def mstdp_linear_step(
    in_spike: Tensor,
    out_spike: Tensor,
    trace: Traces,
    weight: Tensor,
    *,
    tau_pre: float,
    tau_post: float,
    f_pre: Modulation = identity,
    f_post: Modulation = identity,
) -> tuple[Tensor, Traces]:
    """One time step of the eligibility that reward-modulated STDP (MSTDP) needs.

    ::

        tr_pre[t]  = tr_pre[t-1]  exp(-1 / tau_pre)  + s_pre[t]
        tr_post[t] = tr_post[t-1] exp(-1 / tau_post) + s_post[t]
        e[t] = f_post(w) s_post[t] tr_pre[t] - f_pre(w) tr_post[t] s_pre[t]

    R. V. Florian: Reinforcement learning through modulation of spike-timing-dependent synaptic
    plasticity, Neural Computation 19 (2007).

    Args:
        in_spike: ``s_pre[t]``, ``[B, I]``.
        out_spike: ``s_post[t]``, ``[B, O]``.
        trace: ``tr_pre[t-1]`` and ``tr_post[t-1]``, in the shapes of the spikes.
        weight: ``w``, ``[O, I]``.
        tau_pre: time constant of ``tr_pre`` in time steps, positive.
        tau_post: time constant of ``tr_post`` in time steps, positive.
        f_pre: how much the weight weakens, as a function of itself.
        f_post: how much it grows.

    Returns:
        ``e[t]``, ``[B, O, I]``, and the two traces at ``t``. What came in stays as it is.

    Raises:
        ValueError: for a time constant that is not positive, or shapes or devices that do not
            fit.
    """
    taus, modulations = (tau_pre, tau_post), (f_pre, f_post)
    return _eligibility(in_spike, out_spike, trace, weight, 2, taus, modulations)


def mstdpet_linear_step(
    in_spike: Tensor,
    out_spike: Tensor,
    trace: Traces,
    weight: Tensor,
    *,
    tau_pre: float,
    tau_post: float,
    f_pre: Modulation = identity,
    f_post: Modulation = identity,
) -> tuple[Tensor, Traces]:
    """`mstdp_linear_step` of one sample without a batch axis, for `mstdpet_reward_step`.

    Args:
        in_spike: ``[I]``.
        out_spike: ``[O]``.
        trace: traces before the step, ``[I]`` and ``[O]``.
        weight: ``[O, I]``.
        tau_pre: time constant of the pre-synaptic trace in time steps, positive.
        tau_post: time constant of the post-synaptic trace in time steps, positive.
        f_pre: how much the weight weakens, as a function of itself.
        f_post: how much it grows.

    Returns:
        The eligibility ``[O, I]`` and the two traces.

    Raises:
        ValueError: for a time constant that is not positive, or shapes or devices that do not
            fit.
    """
    taus, modulations = (tau_pre, tau_post), (f_pre, f_post)
    return _eligibility(in_spike, out_spike, trace, weight, 1, taus, modulations)


def mstdpet_reward_step(
    reward: Tensor | float, eligibility: Tensor, trace_e: Tensor, *, tau_trace: float
) -> tuple[Tensor, Tensor]:
    """One time step of the eligibility trace of MSTDPET, and what a reward makes of it.

    ::

        tr_e[t] = tr_e[t-1] exp(-1 / tau_trace) + e[t] / tau_trace
        dw[t] = r[t] tr_e[t]

    Args:
        reward: ``r[t]``, a number or what broadcasts with the trace.
        eligibility: ``e[t]``, of `mstdpet_linear_step`.
        trace_e: ``tr_e[t-1]``, ``[O, I]``.
        tau_trace: time constant of the trace in time steps, positive.

    Returns:
        ``dw[t]`` and ``tr_e[t]``, both ``[O, I]``.

    Raises:
        ValueError: if ``tau_trace`` is not positive and finite.
    """
    check_taus(0, tau_trace=tau_trace)
    trace_e = exponential(trace_e, eligibility / tau_trace, tau_trace)
    return reward * trace_e, trace_e
