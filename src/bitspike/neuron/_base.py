"""What all neurons with one membrane potential share: state, fire, reset."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from bitspike import dynamics, kernels
from bitspike.base import MemoryModule
from bitspike.neuron import _check
from bitspike.surrogate import Sigmoid


class BaseNode(MemoryModule):
    """Base of the neurons with one membrane potential ``v``.

    One step with input ``X``: charge (a subclass's equation), fire, reset::

        H[t] = charge(V[t-1], X[t])
        S[t] = Theta(H[t] - v_threshold)
        V[t] = H[t] (1 - S[t]) + v_reset S[t]     hard reset
        V[t] = H[t] - v_threshold S[t]            soft reset, v_reset=None

    Input and output are ``[B, ...]`` in single-step and ``[T, B, ...]`` in multi-step mode. The
    state is made at the first input and kept until ``functional.reset_net(net)``. Under autocast
    the membrane stays in float32.

    Args:
        v_threshold: threshold of the membrane potential.
        v_reset: potential after a spike; None subtracts the threshold instead (soft reset).
            It is also the potential at the start; with None that is 0.
        surrogate_function: spike function with a surrogate gradient; None is
            ``surrogate.Sigmoid()``.
        detach_reset: True keeps the gradient from flowing through the spike of the reset.
        step_mode: ``'s'`` or ``'m'``.
        store_v_seq: True keeps the potential after each step's reset in ``v_seq``,
            ``[T, B, ...]``, until the reset.

    Raises:
        TypeError, ValueError: for arguments of the wrong type or value.
        StateError: at an input that does not fit the state of an earlier one.
    """

    v: float | Tensor
    v_seq: Tensor | None

    def __init__(
        self,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__()
        self.v_threshold = _check.finite(self, "v_threshold", v_threshold)
        self.v_reset = None if v_reset is None else _check.finite(self, "v_reset", v_reset)
        self.surrogate_function = Sigmoid() if surrogate_function is None else surrogate_function
        self.detach_reset = bool(detach_reset)
        self.step_mode = step_mode
        self.store_v_seq = bool(store_v_seq)
        self.register_memory("v", 0.0 if self.v_reset is None else self.v_reset)
        self.register_memory("v_seq", None)

    @abstractmethod
    def equations(self) -> kernels.Neuron:
        """The neuron's equations with the parameters that it has now."""

    def _equations(self, charge: dynamics.Charge, p: float | Tensor) -> kernels.Neuron:
        return kernels.Neuron(
            charge=charge,
            p=p,
            surrogate=self.surrogate_function,
            v_threshold=self.v_threshold,
            v_reset=self.v_reset,
            detach_reset=self.detach_reset,
        )

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Spikes ``[B, ...]`` of one time step with input ``[B, ...]``."""
        x = self._full_precision(x)
        v = self.memory_like("v", x)
        x, neuron = self._watched(x)
        s, v = kernels.step(x, v, neuron)
        self.v = v
        if self.store_v_seq:
            before = [] if self.v_seq is None else [self.v_seq]
            self.v_seq = torch.cat([*before, v.unsqueeze(0)])
        return s

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Spikes ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        if x_seq.ndim == 0 or x_seq.shape[0] == 0:
            raise ValueError(
                f"{self._whoami()}: multi-step input is [T, B, ...] with T >= 1, but got shape "
                f"{tuple(x_seq.shape)}"
            )
        x_seq = self._full_precision(x_seq)
        v = self.memory_like("v", x_seq.detach()[0])
        x_seq, neuron = self._watched(x_seq)
        s_seq, self.v, v_seq = kernels.scan(x_seq, v, neuron, self.store_v_seq, self.backend)
        if v_seq is not None:
            self.v_seq = v_seq
        return s_seq

    def _watched(self, x: Tensor) -> tuple[Tensor, kernels.Neuron]:
        """Input and equations, of which one is the root of the state's graph (see `watch`)."""
        x, neuron = self.watch(x), self.equations()
        if not x.requires_grad and isinstance(neuron.p, Tensor):
            neuron = replace(neuron, p=self.watch(neuron.p))
        return x, neuron

    @staticmethod
    def _full_precision(x: Tensor) -> Tensor:
        half = x.dtype in (torch.float16, torch.bfloat16)
        return x.float() if half and torch.is_autocast_enabled(x.device.type) else x

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return (
            f"v_threshold={self.v_threshold}, v_reset={self.v_reset}, "
            f"detach_reset={self.detach_reset}, step_mode={self.step_mode!r}"
        )
