"""STDP of a whole sequence at once."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from bitspike import kernels
from bitspike.learning._learner import Learner
from bitspike.learning._traces import (
    Modulation,
    Traces,
    check_space,
    check_spikes,
    check_taus,
    correlate,
    euler,
    identity,
    modulate,
    numbers,
)
from bitspike.spikes import SpikeTensor

_LARGEST = 2**24  # elements that a part of a sequence may unpack to


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
    pre, post = numbers(pre, weight), numbers(post, weight)
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


class STDPLearner(Learner):
    """Spike-timing-dependent plasticity of a layer, by traces of its spikes.

    ::

        tr_pre[t]  = tr_pre[t-1]  - tr_pre[t-1] / tau_pre   + s_pre[t]
        tr_post[t] = tr_post[t-1] - tr_post[t-1] / tau_post + s_post[t]
        dw = sum_t sum_B f_post(w) s_post[t] tr_pre[t] - f_pre(w) tr_post[t] s_pre[t]

    The sum runs over time steps, samples and, in a convolution, positions; it is no mean. The
    weight stays the same until someone changes it: by default ``dw`` is subtracted from
    ``weight.grad``, so that ``SGD(lr=1.0)`` adds it to the weight. The bias is left alone.

    Inputs that are bits stay bits in the records, and a linear layer's update adds up what their
    spikes bring, one by one, where they are few.

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

    def __init__(
        self,
        step_mode: str,
        synapse: nn.Linear | nn.Conv1d | nn.Conv2d,
        sn: nn.Module,
        tau_pre: float,
        tau_post: float,
        f_pre: Modulation = identity,
        f_post: Modulation = identity,
    ) -> None:
        check_taus(1, tau_pre=tau_pre, tau_post=tau_post)
        _check_synapse(synapse)
        super().__init__(step_mode, synapse, sn, tau_pre, tau_post, f_pre, f_post)

    @torch.no_grad()
    def step(self, on_grad: bool = True, scale: float = 1.0) -> Tensor | None:
        """The change of the weight that all records since the last step make.

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
            pre, post = (_stacked([r[i] for r in records]) for i in (0, 1))
            records = [(pre, post)]
        for pre, post in records:
            self._check(pre, post)
        total = torch.zeros_like(self.synapse.weight)
        trace = None
        for pre, post in records:
            for part in _parts(pre, post):
                delta, trace = self._sequence(*part, trace)
                total += delta
        if trace is not None:
            self.trace_pre, self.trace_post = trace
        self._forget_records()
        return self._deliver(total * scale if scale != 1.0 else total, on_grad)

    def _check(self, pre: Tensor, post: Tensor) -> None:
        """Refuses spikes ``[T, B, ...]`` that fit neither each other, nor weight and traces."""
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
        conv = isinstance(self.synapse, nn.Conv1d | nn.Conv2d)
        first = self._padded(pre[:1])[0] if conv else pre[0]
        trace = self._trace("trace_pre", first), self._trace("trace_post", post[0])
        check_spikes(first, post[0], trace, weight, weight.ndim)
        if isinstance(self.synapse, nn.Conv1d | nn.Conv2d):
            check_space(first.shape, post.shape[1:], weight, self.synapse.stride)

    def _sequence(self, pre: Tensor, post: Tensor, trace: Traces | None) -> tuple[Tensor, Traces]:
        """The change that spikes ``[T, B, ...]`` make, and the traces after them.

        The sum of ``s_post[t] tr_pre[t]`` is that of ``ahead[t] s_pre[t]``, where ``ahead`` is the
        trace of the post-synaptic spikes against time. So only sums over pre-synaptic spikes are
        left, which can be bits, and the traces are those of the fewer neurons.
        """
        weight = self.synapse.weight.detach()
        dtype = torch.promote_types(pre.dtype, weight.dtype)
        post = _dense(post).to(dtype)
        conv = isinstance(self.synapse, nn.Conv1d | nn.Conv2d)
        if conv or not isinstance(pre, SpikeTensor):
            pre = self._padded(_dense(pre).to(dtype))
        if trace is None:
            trace = self._trace("trace_pre", pre[0]), self._trace("trace_post", post[0])
        outputs = post.shape[2]
        shape = (*post.shape[:2], 2 * outputs, *post.shape[3:])
        both = torch.empty(shape, dtype=dtype, device=post.device)
        after, ahead = both[:, :, :outputs], both[:, :, outputs:]
        last_post = trace[1]
        for t, spikes in enumerate(post):
            last_post = euler(last_post, spikes, self.tau_post)
            after[t] = last_post
        coming = torch.zeros_like(post[0])
        for t in reversed(range(len(post))):
            coming = euler(coming, post[t], self.tau_pre)
            ahead[t] = coming
        stride, kernel = getattr(self.synapse, "stride", None), weight.shape[2:]
        if conv:
            sums = correlate(both.flatten(0, 1), pre.flatten(0, 1), kernel, stride)
        else:
            sums = kernels.weight_gradient(pre, both, self.backend)
        depression, potentiation = sums[:outputs], sums[outputs:]
        # What the trace from before this sequence adds decays like `ahead` does.
        earlier = trace[0].to(dtype)
        if bool(earlier.any()):
            decayed = coming - coming / self.tau_pre
            potentiation = potentiation + correlate(decayed, earlier, kernel, stride)
        delta = modulate(self.f_post, weight) * potentiation
        delta = delta - modulate(self.f_pre, weight) * depression
        last_pre = trace[0]
        for spikes in pre.unbind(0):
            last_pre = euler(last_pre, _dense(spikes), self.tau_pre)
        return delta, (last_pre, last_post)

    def _padded(self, x_seq: Tensor) -> Tensor:
        """``[T, B, C, ...]`` with the padding of the convolution."""
        padding = getattr(self.synapse, "_reversed_padding_repeated_twice", [])
        if not any(padding):
            return x_seq
        mode = str(self.synapse.padding_mode)
        x = F.pad(_dense(x_seq).flatten(0, 1), padding, "constant" if mode == "zeros" else mode)
        return x.unflatten(0, x_seq.shape[:2])  # type: ignore[no-untyped-call, no-any-return]


def _check_synapse(synapse: nn.Module) -> None:
    if not isinstance(synapse, nn.Linear | nn.Conv1d | nn.Conv2d):
        raise NotImplementedError(
            "STDPLearner learns the weight of Linear, Conv1d and Conv2d, not of "
            f"{type(synapse).__name__}"
        )
    if isinstance(synapse, nn.Conv1d | nn.Conv2d) and (
        synapse.groups != 1 or any(d != 1 for d in synapse.dilation)
    ):
        raise NotImplementedError(
            "STDPLearner takes convolutions of one group and dilation 1, but got "
            f"groups={synapse.groups}, dilation={synapse.dilation}"
        )


def _dense(x: Tensor) -> Tensor:
    return x.dense() if isinstance(x, SpikeTensor) else x


def _stacked(steps: list[Tensor]) -> Tensor:
    """Time steps as one sequence.

    Raises:
        ValueError: if their shapes differ.
    """
    shapes = {tuple(step.shape) for step in steps}
    if len(shapes) > 1:
        raise ValueError(
            f"STDPLearner: time steps of different shapes, {sorted(shapes)}: reset before the "
            "batch size changes"
        )
    return steps[0].unsqueeze(0) if len(steps) == 1 else torch.stack(steps)


def _parts(pre: Tensor, post: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The sequence in parts whose traces do not take too much memory."""
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
