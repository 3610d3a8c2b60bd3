"""Spike-timing-dependent plasticity (STDP): the equations of a time step, and the learner."""

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.grad import conv1d_weight, conv2d_weight

from bitspike import kernels
from bitspike.learning._learner import (
    Learner,
    Modulation,
    Traces,
    as_numbers,
    check_spikes,
    check_taus,
    euler,
    identity,
)
from bitspike.spikes import SpikeTensor, dense

_LARGEST = 2**24  # elements that a part of a sequence may unpack to


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
    """Return the weight change of one time step of STDP for a linear layer, and the traces.

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
        ``dw[t]``, ``[O, I]``, and the two traces at ``t``. The arguments are not changed.

    Raises:
        ValueError: for a time constant below 1, or shapes or devices that do not fit.
    """
    _check_weight(weight, "[O, I]")
    return _stdp(in_spike, out_spike, trace, weight, None, tau_pre, tau_post, f_pre, f_post)


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
    """Return what `stdp_linear_step` returns, for a convolution over one axis.

    Sums run over the positions as well. The shapes are ``in_spike`` ``[B, C, L]``, padded as the
    layer pads it, ``out_spike`` ``[B, O, L']``, and ``weight`` ``[O, C, K]``, with one group and
    dilation 1. ``f_pre`` and ``f_post`` are called with ``[O, C]`` for each of the K taps.

    Raises:
        ValueError: for a time constant below 1, or shapes, stride or devices that do not fit.
    """
    _check_weight(weight, "[O, C, K]")
    return _stdp(in_spike, out_spike, trace, weight, stride, tau_pre, tau_post, f_pre, f_post)


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
    """Return what `stdp_conv1d_step` returns, for a convolution over two axes.

    The shapes are ``in_spike`` ``[B, C, H, W]``, padded as the layer pads it, ``out_spike``
    ``[B, O, H', W']``, and ``weight`` ``[O, C, K_h, K_w]``.

    Raises:
        ValueError: for a time constant below 1, or shapes, stride or devices that do not fit.
    """
    _check_weight(weight, "[O, C, K, K]")
    return _stdp(in_spike, out_spike, trace, weight, stride, tau_pre, tau_post, f_pre, f_post)


def _check_weight(weight: Tensor, shape: str) -> None:
    if weight.ndim != shape.count(",") + 1:
        raise ValueError(f"the weight must be {shape}, but has shape {tuple(weight.shape)}")


def _stdp(
    pre: Tensor,
    post: Tensor,
    trace: Traces,
    weight: Tensor,
    stride: object,
    tau_pre: float,
    tau_post: float,
    f_pre: Modulation,
    f_post: Modulation,
) -> tuple[Tensor, Traces]:
    check_taus(1, tau_pre=tau_pre, tau_post=tau_post)
    check_spikes(pre, post, trace, weight, weight.ndim)
    if weight.ndim > 2:
        _check_space(pre.shape, post.shape, weight, stride)
    pre, post = as_numbers(pre, weight), as_numbers(post, weight)
    trace_pre, trace_post = euler(trace[0], pre, tau_pre), euler(trace[1], post, tau_post)
    kernel = weight.shape[2:]
    depression = _correlate(trace_post.to(pre.dtype), pre, kernel, stride)
    potentiation = _correlate(post, trace_pre.to(post.dtype), kernel, stride)
    delta = _modulate(f_post, weight) * potentiation - _modulate(f_pre, weight) * depression
    return delta, (trace_pre, trace_post)


def _check_space(pre: Sequence[int], post: Sequence[int], weight: Tensor, stride: object) -> None:
    """Raise ValueError if a convolution does not make shape ``post`` of the padded ``pre``."""
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


def _correlate(post: Tensor, pre: Tensor, kernel: Sequence[int], stride: object = None) -> Tensor:
    """Return the sums of ``post`` times ``pre`` for each synapse, ``[O, C, *kernel]``.

    ``post`` is ``[B, O, *]``; ``pre`` is ``[B, C, *]``, padding included. The sum is the gradient
    of the layer's weight if ``post`` is the gradient of its output.
    """
    if not kernel:
        return post.t() @ pre
    gradient: Callable[..., Tensor] = conv1d_weight if len(kernel) == 1 else conv2d_weight
    if set(kernel) == {1}:  # wrong in torch with channels last: see `kernels.contiguous_for_torch`
        pre = pre.clone(memory_format=torch.contiguous_format)
    return gradient(pre, (post.shape[1], pre.shape[1], *kernel), post, stride=stride)


def _modulate(f: Modulation, weight: Tensor) -> Tensor:
    """Return ``f`` of the weight; of a convolution's, ``[O, C]`` by ``[O, C]``, tap by tap."""
    if weight.ndim == 2:
        return f(weight)
    taps = [f(tap).expand_as(tap) for tap in weight.flatten(2).unbind(2)]
    return torch.stack(taps, 2).view_as(weight)


class STDPLearner(Learner):
    """Spike-timing-dependent plasticity of a layer, by traces of its spikes.

    ::

        dw = sum_t dw[t]             with dw[t] and the traces of `stdp_linear_step`

    The sum runs over time steps, samples and, in a convolution, positions; it is no mean. By
    default ``dw`` is subtracted from ``weight.grad``, so that ``SGD(lr=1.0)`` adds it to the
    weight. The bias does not change.

    Inputs stored as bits stay bits in the records, and a linear layer's update adds the
    contributions of single spikes where these are few.

    A. Morrison, M. Diesmann, W. Gerstner: Phenomenological models of synaptic plasticity based
    on spike timing, Biological Cybernetics 98 (2008).

    Example::

        learner = STDPLearner('m', net[0], net[1], 2.0, 2.0, f_post=lambda w: 1 - w)
        optimizer = torch.optim.SGD(net[0].parameters(), lr=0.01)
        for x_seq in batches:                     # [T, B, I]
            optimizer.zero_grad()
            with torch.no_grad():
                net(x_seq)
            learner.step()
            optimizer.step()
            functional.reset_net(net)
            learner.reset()

    Args:
        step_mode: ``'s'`` if one call of the synapse is a time step, ``[B, ...]``; ``'m'`` if it
            is a sequence, ``[T, B, ...]``.
        synapse: a linear layer or a convolution over one or two axes, one group, dilation 1.
        sn: the module whose outputs are the post-synaptic spikes.
        tau_pre: time constant of ``tr_pre`` in time steps, at least 1.
        tau_post: time constant of ``tr_post`` in time steps, at least 1.
        f_pre: how much the weight weakens, as a function of itself; of a convolution it gets one
            tap ``[O, C]`` at a time.
        f_post: how much it grows.

    Raises:
        ValueError: for a wrong step mode or time constant.
        NotImplementedError: for another kind of synapse.
    """

    _least_tau = 1
    _synapses = (nn.Linear, nn.Conv1d, nn.Conv2d)

    @torch.no_grad()
    def step(self, on_grad: bool = True, scale: float = 1.0) -> Tensor | None:
        """Apply the change of the weight that follows from all records since the last step.

        Args:
            on_grad: True subtracts it from ``synapse.weight.grad``; False returns it.
            scale: factor of the change.

        Returns:
            With ``on_grad=False`` the change, in the shape of the weight; None if nothing was
            recorded.

        Raises:
            RuntimeError: if the learner is closed, or one of the two modules ran more often.
            ValueError: if shapes do not fit; traces and records are then as before.
        """
        records = self._activity()
        if not records:
            return None
        if self.step_mode == "s":
            pre, post = zip(*records, strict=True)
            records = [(_stacked(pre), _stacked(post))]
        for pre_seq, post_seq in records:
            self._check(pre_seq, post_seq)
        total = torch.zeros_like(self.synapse.weight)
        trace = None
        for pre_seq, post_seq in records:
            for part in _parts(pre_seq, post_seq):
                delta, trace = self._sequence(*part, trace)
                total += delta
        if trace is not None:
            self.trace_pre, self.trace_post = trace
        self._forget_records()
        return self._deliver(total, on_grad, scale)

    def _check(self, pre: Tensor, post: Tensor) -> None:
        """Raise ValueError if spikes ``[T, B, ...]`` do not fit each other, weight or traces."""
        weight = self.synapse.weight
        ndim = weight.ndim + 1
        if pre.ndim != ndim or post.ndim != ndim or pre.shape[0] != post.shape[0]:
            lead = "" if self.step_mode == "s" else " of sequences [T, B, ...]"
            raise ValueError(
                f"{self._whoami()}: spikes{lead} of the shapes {tuple(pre.shape[-ndim:])} and "
                f"{tuple(post.shape[-ndim:])} do not fit {self.synapse}"
            )
        if len(pre) == 0:
            return
        first = self._padded(pre[:1])[0]
        check_spikes(first, post[0], self._traces(first, post[0]), weight, weight.ndim)
        if isinstance(self.synapse, nn.Conv1d | nn.Conv2d):
            _check_space(first.shape, post.shape[1:], weight, self.synapse.stride)

    def _sequence(self, pre: Tensor, post: Tensor, trace: Traces | None) -> tuple[Tensor, Traces]:
        """Return the change for spikes ``[T, B, ...]``, and the traces after them.

        The sum of ``s_post[t] tr_pre[t]`` is that of ``ahead[t] s_pre[t]``, where ``ahead`` is the
        trace of the post-synaptic spikes against time. So all sums run over pre-synaptic spikes,
        which can be bits, and the traces are those of the fewer neurons.
        """
        weight = self.synapse.weight.detach()
        dtype = torch.promote_types(pre.dtype, weight.dtype)
        post = dense(post).to(dtype)
        conv = weight.ndim > 2
        if conv or not isinstance(pre, SpikeTensor):
            pre = self._padded(dense(pre).to(dtype))
        trace_pre, trace_post = self._traces(pre[0], post[0]) if trace is None else trace
        outputs = post.shape[2]
        shape = (*post.shape[:2], 2 * outputs, *post.shape[3:])
        both = torch.empty(shape, dtype=dtype, device=post.device)
        after, ahead = both[:, :, :outputs], both[:, :, outputs:]
        for t, spikes in enumerate(post):
            after[t] = trace_post = euler(trace_post, spikes, self.tau_post)
        coming = torch.zeros_like(post[0])
        for t in reversed(range(len(post))):
            ahead[t] = coming = euler(coming, post[t], self.tau_pre)
        stride, kernel = getattr(self.synapse, "stride", None), weight.shape[2:]
        if conv:
            sums = _correlate(both.flatten(0, 1), pre.flatten(0, 1), kernel, stride)
        else:
            sums = kernels.weight_gradient(pre, both, self.backend)
        depression, potentiation = sums[:outputs], sums[outputs:]
        # The contribution of the trace from before this sequence decays like `ahead` does.
        earlier = trace_pre.to(dtype)
        if bool(earlier.any()):
            decayed = coming - coming / self.tau_pre
            potentiation = potentiation + _correlate(decayed, earlier, kernel, stride)
        delta = _modulate(self.f_post, weight) * potentiation
        delta = delta - _modulate(self.f_pre, weight) * depression
        for spikes in pre.unbind(0):
            trace_pre = euler(trace_pre, dense(spikes), self.tau_pre)
        return delta, (trace_pre, trace_post)

    def _padded(self, x_seq: Tensor) -> Tensor:
        """Return ``[T, B, C, ...]`` with the padding of the convolution."""
        padding = getattr(self.synapse, "_reversed_padding_repeated_twice", [])
        if not any(padding):
            return x_seq
        mode = str(self.synapse.padding_mode)
        x = F.pad(dense(x_seq).flatten(0, 1), padding, "constant" if mode == "zeros" else mode)
        return x.unflatten(0, x_seq.shape[:2])  # type: ignore[no-untyped-call, no-any-return]


def _stacked(steps: Sequence[Tensor]) -> Tensor:
    """Return time steps as one sequence; raise ValueError if their shapes differ."""
    shapes = {tuple(step.shape) for step in steps}
    if len(shapes) > 1:
        raise ValueError(
            f"STDPLearner: time steps of different shapes, {sorted(shapes)}: reset before the "
            "batch size changes"
        )
    return steps[0].unsqueeze(0) if len(steps) == 1 else torch.stack(list(steps))


def _parts(pre: Tensor, post: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the sequence in parts whose traces do not take too much memory."""
    if len(pre) == 0:
        return
    step = 2 * post[0].numel()
    if not (isinstance(pre, SpikeTensor) and pre.ndim == 3):
        step += pre[0].numel()
    steps = max(1, _LARGEST // max(1, step))
    if steps >= len(pre):
        yield pre, post
        return
    for first in range(0, len(pre), steps):
        yield pre[first : first + steps], post[first : first + steps]
