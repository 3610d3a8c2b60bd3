"""Shared by the plasticity rules: traces, checks, and the base of the learners."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import monitor
from bitspike.base import MemoryModule
from bitspike.spikes import dense

Traces = tuple[Tensor, Tensor]
Modulation = Callable[[Tensor], Tensor]


def identity(w: Tensor) -> Tensor:
    """Return ``w`` itself."""
    return w


def check_taus(least: float, **taus: float) -> None:
    """Raise ValueError, naming the argument, for a time constant that is too small or not finite.

    Args:
        least: 1 for Euler's decay ``1 - 1 / tau``, which is negative below; 0, itself excluded,
            for the exponential decay ``exp(-1 / tau)``.
        **taus: time constants in time steps, by the argument's name.
    """
    for name, tau in taus.items():
        if not math.isfinite(tau) or tau < least or tau <= 0:
            bound = f">= {least:g}" if least else "> 0"
            raise ValueError(f"{name} is in time steps and must be finite and {bound}, got {tau!r}")


def check_spikes(pre: Tensor, post: Tensor, trace: Traces, weight: Tensor, ndim: int) -> None:
    """Raise ValueError if the spikes of a time step do not fit the weight or the traces."""
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


def euler(trace: Tensor, spike: Tensor, tau: float) -> Tensor:
    """Return ``tr[t] = tr[t-1] - tr[t-1] / tau + s[t]``."""
    return trace - trace / tau + spike


def exponential(trace: Tensor, spike: Tensor, tau: float) -> Tensor:
    """Return ``tr[t] = tr[t-1] exp(-1 / tau) + s[t]``."""
    return trace * math.exp(-1 / tau) + spike


def as_numbers(spike: Tensor, weight: Tensor) -> Tensor:
    """Return spikes as an ordinary tensor whose dtype holds products with the weight."""
    return dense(spike).to(torch.promote_types(spike.dtype, weight.dtype))


class Learner(MemoryModule):
    """Base of the learners by local plasticity.

    A learner records the input of ``synapse`` and the output of ``sn``; spikes stored as bits stay
    bits. Its ``step`` turns the records into a change of the synapse's weight and forgets them.
    The traces stay until `reset`, which ``functional.reset_net(learner)`` calls as well.
    """

    _least_tau: float = 0
    _synapses: tuple[type[nn.Module], ...] = (nn.Linear,)
    _state: tuple[str, ...] = ("trace_pre", "trace_post")

    synapse: nn.Linear | nn.Conv1d | nn.Conv2d
    trace_pre: Tensor | float | None
    trace_post: Tensor | float | None

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
        check_taus(self._least_tau, tau_pre=tau_pre, tau_post=tau_post)
        if not isinstance(synapse, self._synapses):
            kinds = ", ".join(kind.__name__ for kind in self._synapses)
            raise NotImplementedError(
                f"{type(self).__name__} learns the weight of {kinds}, not of "
                f"{type(synapse).__name__}"
            )
        if isinstance(synapse, nn.Conv1d | nn.Conv2d) and (
            synapse.groups != 1 or any(d != 1 for d in synapse.dilation)
        ):
            raise NotImplementedError(
                f"{type(self).__name__} takes convolutions of one group and dilation 1, but got "
                f"groups={synapse.groups}, dilation={synapse.dilation}"
            )
        super().__init__()
        self.step_mode = step_mode
        self.tau_pre, self.tau_post = tau_pre, tau_post
        self.f_pre: Callable[[Tensor], Tensor] = f_pre
        self.f_post: Callable[[Tensor], Tensor] = f_post
        self.synapse = synapse
        self.in_spike_monitor = monitor.InputMonitor(synapse, function_on_input=torch.Tensor.detach)
        self.out_spike_monitor = monitor.OutputMonitor(sn, function_on_output=_spikes)
        for name in self._state:
            self.register_memory(name, None)

    def reset(self) -> None:
        """Forget traces and records; weights, gradients and `disable` stay."""
        super().reset()
        self._forget_records()

    def disable(self) -> None:
        """Stop recording until `enable`."""
        self.in_spike_monitor.disable()
        self.out_spike_monitor.disable()

    def enable(self) -> None:
        """Continue recording.

        Raises:
            RuntimeError: if the learner is closed.
        """
        self._check_open()
        self.in_spike_monitor.enable()
        self.out_spike_monitor.enable()

    def close(self) -> None:
        """Detach from the network for good, and forget traces and records."""
        self.in_spike_monitor.close()
        self.out_spike_monitor.close()
        self.reset()

    def _forget_records(self) -> None:
        self.in_spike_monitor.clear_recorded_data()
        self.out_spike_monitor.clear_recorded_data()

    def _check_open(self) -> None:
        if not (self.in_spike_monitor.hooks and self.out_spike_monitor.hooks):
            raise RuntimeError(f"{self._whoami()} is closed: make a new one to go on learning")

    def _activity(self) -> list[tuple[Tensor, Tensor]]:
        """Return inputs of the synapse and outputs of the neurons since the last step."""
        self._check_open()
        pre, post = self.in_spike_monitor.records, self.out_spike_monitor.records
        if len(pre) != len(post):
            raise RuntimeError(
                f"{self._whoami()} has seen {len(pre)} inputs of the synapse but {len(post)} "
                "outputs of the neurons: both must run once each time; reset() forgets the records"
            )
        return list(zip(pre, post, strict=True))

    def _traces(self, pre: Tensor, post: Tensor) -> Traces:
        """Return the traces before a time step with these spikes; zeros after a reset."""
        before = []
        for trace, spikes in ((self.trace_pre, pre), (self.trace_post, post)):
            if not isinstance(trace, Tensor):
                dtype = torch.promote_types(spikes.dtype, self.synapse.weight.dtype)
                start = 0.0 if trace is None else float(trace)
                trace = torch.full(spikes.shape, start, dtype=dtype, device=spikes.device)
            before.append(trace)
        return before[0], before[1]

    def _deliver(self, delta: Tensor, on_grad: bool, scale: float) -> Tensor | None:
        """Return the change, or subtract it from the gradient, so that SGD adds it."""
        delta = delta * scale if scale != 1.0 else delta
        if not on_grad:
            return delta
        weight = self.synapse.weight
        weight.grad = -delta if weight.grad is None else weight.grad - delta
        return None


def _spikes(output: Any) -> Tensor:
    """Return the spikes in a neuron's output; `OTTTLIFNode` returns a trace as well."""
    spikes = output[0] if isinstance(output, list | tuple) else output
    return torch.Tensor.detach(spikes)
