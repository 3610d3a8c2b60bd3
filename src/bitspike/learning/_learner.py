"""What all learners share: they watch a synapse and its neurons, and keep traces."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bitspike import monitor
from bitspike.base import MemoryModule
from bitspike.learning._traces import Modulation

if TYPE_CHECKING:
    from collections.abc import Callable


class Learner(MemoryModule):
    """Base of the learners by local plasticity.

    A learner records what goes into ``synapse`` and what comes out of ``sn``, spikes as bits where
    they are bits. Its ``step`` makes a change of the synapse's weight of the records and forgets
    them; the traces stay until `reset`, which ``functional.reset_net(learner)`` calls as well.
    """

    synapse: nn.Linear | nn.Conv1d | nn.Conv2d
    trace_pre: Tensor | float | None
    trace_post: Tensor | float | None

    def __init__(
        self,
        step_mode: str,
        synapse: nn.Module,
        sn: nn.Module,
        tau_pre: float,
        tau_post: float,
        f_pre: Modulation,
        f_post: Modulation,
    ) -> None:
        super().__init__()
        self.step_mode = step_mode
        self.tau_pre, self.tau_post = tau_pre, tau_post
        self.f_pre: Callable[[Tensor], Tensor] = f_pre
        self.f_post: Callable[[Tensor], Tensor] = f_post
        self.synapse = synapse  # type: ignore[assignment]
        self.in_spike_monitor = monitor.InputMonitor(synapse, function_on_input=torch.Tensor.detach)
        self.out_spike_monitor = monitor.OutputMonitor(sn, function_on_output=_spikes)
        self.register_memory("trace_pre", None)
        self.register_memory("trace_post", None)

    def reset(self) -> None:
        """Forgets traces and records; weights, gradients and `disable` stay."""
        super().reset()
        self._forget_records()

    def disable(self) -> None:
        """Stops recording until `enable`."""
        self.in_spike_monitor.disable()
        self.out_spike_monitor.disable()

    def enable(self) -> None:
        """Goes on recording.

        Raises:
            RuntimeError: if the learner is closed.
        """
        self._check_open()
        self.in_spike_monitor.enable()
        self.out_spike_monitor.enable()

    def close(self) -> None:
        """Lets go of the network for good, and forgets traces and records."""
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
        """Inputs of the synapse and outputs of the neurons since the last step."""
        self._check_open()
        pre, post = self.in_spike_monitor.records, self.out_spike_monitor.records
        if len(pre) != len(post):
            raise RuntimeError(
                f"{self._whoami()} has seen {len(pre)} inputs of the synapse but {len(post)} "
                "outputs of the neurons: both must run once each time; reset() forgets the records"
            )
        return list(zip(pre, post, strict=True))

    def _trace(self, name: str, spikes: Tensor) -> Tensor:
        """The trace ``name`` before a time step with ``spikes``; zeros after a reset."""
        trace = getattr(self, name)
        if isinstance(trace, Tensor):
            return trace
        dtype = torch.promote_types(spikes.dtype, self.synapse.weight.dtype)
        start = 0.0 if trace is None else float(trace)
        return torch.full(spikes.shape, start, dtype=dtype, device=spikes.device)

    def _deliver(self, delta: Tensor, on_grad: bool) -> Tensor | None:
        """Hands the change out, or puts it where an optimizer that descends will add it."""
        if not on_grad:
            return delta
        weight = self.synapse.weight
        weight.grad = -delta if weight.grad is None else weight.grad - delta
        return None


def _spikes(output: Any) -> Tensor:
    """The spikes in a neuron's output; `OTTTLIFNode` hands out a trace as well."""
    spikes = output[0] if isinstance(output, list | tuple) else output
    return torch.Tensor.detach(spikes)
