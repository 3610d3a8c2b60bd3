"""Parallel spiking neurons: no reset, so that all time steps are one matrix product."""

import math
from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from bitspike.base import MemoryModule, MultiStepModule, check_count, check_finite, check_sequence
from bitspike.neuron._arguments import Older, StepCount, Surrogate
from bitspike.neuron._catalogue import T_DEMO, Demo, Describable, pulse
from bitspike.neuron._run import full_precision
from bitspike.surrogate import ATan


def _weights_over_time(T: int) -> tuple[nn.Parameter, nn.Parameter]:
    weight, bias = nn.Parameter(torch.zeros(T, T)), nn.Parameter(torch.full((T, 1), -1.0))
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
    return weight, bias


def _potentials(weight: Tensor, bias: Tensor, x_seq: Tensor) -> Tensor:
    """Return ``weight @ x_seq + bias`` over time, in full precision, on which spikes depend."""
    x_seq = full_precision(x_seq)
    with torch.autocast(x_seq.device.type, enabled=False):
        return torch.addmm(bias, weight, x_seq.flatten(1)).view(x_seq.shape)


def _pushed(queue: Tensor | None, x: Tensor, k: int) -> Tensor:
    """Return the last ``k`` inputs, oldest first: ``[n, ...]`` with ``n <= k``."""
    if queue is None:
        return x.unsqueeze(0)
    return torch.cat([queue[max(0, len(queue) + 1 - k) :], x.unsqueeze(0)])


def _weighted(weight: Tensor, bias: Tensor, queue: Tensor, surrogate_function: Surrogate) -> Tensor:
    h = (weight.unsqueeze(-1) * queue.reshape(len(queue), -1)).sum(0) + bias
    return surrogate_function(h.view(queue.shape[1:]))


def _flattened(queue: Sequence[Tensor] | Tensor, x: Tensor, function: str) -> Tensor | None:
    """Return inputs like ``x``, flattened or not, as ``[n, x.numel()]``; None for no input."""
    if any(entry.numel() != x.numel() for entry in queue):
        raise ValueError(
            f"{function}: the queue must hold inputs like the one of shape {tuple(x.shape)}, but "
            f"got shapes {', '.join(str(tuple(entry.shape)) for entry in queue)}"
        )
    return torch.stack([entry.flatten() for entry in queue]) if len(queue) else None


def masked_psn_step(
    x: Tensor,
    time_step: int,
    queue: Sequence[Tensor] | Tensor,
    masked_weight: Tensor,
    bias: Tensor,
    k: int,
    surrogate_function: Surrogate,
) -> tuple[Tensor, int, tuple[Tensor, ...]]:
    """Run one step of `MaskedPSN`.

    Args:
        x: input ``[B, ...]``.
        time_step: number of this step, from 0.
        queue: the last inputs, flattened or not, oldest first; fewer than ``k`` at the start.
        masked_weight: ``[T, T]``, of which row ``time_step`` is used.
        bias: ``[T, 1]``.
        k: number of inputs that are kept.
        surrogate_function: spike function.

    Returns:
        Spikes ``[B, ...]``, the number of the next step, the next queue, flattened.

    Raises:
        ValueError: if the queue holds inputs of another size.
    """
    flat = _pushed(_flattened(queue, x, "masked_psn_step"), x.flatten(), k)
    weight = masked_weight[time_step, time_step + 1 - len(flat) : time_step + 1]
    spike = _weighted(weight, bias[time_step], flat, surrogate_function).view(x.shape)
    return spike, time_step + 1, flat.unbind(0)


def sliding_psn_step(
    x: Tensor,
    queue: Sequence[Tensor] | Tensor,
    weight: Tensor,
    bias: Tensor,
    surrogate_function: Surrogate,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run one step of `SlidingPSN`.

    Args:
        x: input ``[B, ...]``.
        queue: the last inputs, flattened or not, oldest first; fewer than ``k`` at the start.
        weight: ``[k]``, the last one for ``x``.
        bias: a scalar.
        surrogate_function: spike function.

    Returns:
        Spikes ``[B, ...]`` and the next queue, flattened.

    Raises:
        ValueError: if the queue holds inputs of another size.
    """
    k = weight.numel()
    flat = _pushed(_flattened(queue, x, "sliding_psn_step"), x.flatten(), k)
    spike = _weighted(weight.flatten()[k - len(flat) :], bias, flat, surrogate_function)
    return spike.view(x.shape), flat.unbind(0)


def _leak(node: Any) -> None:
    """Give the neuron in the picture weights as a training might leave them: a leak."""
    age = torch.arange(node.T).view(-1, 1) - torch.arange(node.T)
    node.weight.data = torch.where(age >= 0, 0.5 * 0.6 ** age.clamp(min=0), 0.0)


class PSN(Describable, nn.Module, MultiStepModule):
    """Parallel spiking neuron: every time step sees every other one.

    ::

        H = W X + b            over time: H, X [T, B, ...], W [T, T], b [T, 1]
        S[t] = Theta(H[t])

    Both ``weight`` and ``bias`` are learned; the bias, -1 at the start, is minus the threshold.
    Multi-step only: input and output are ``[T, B, ...]``.

    Args:
        T: number of time steps.
        surrogate_function: spike function with a surrogate gradient; None is
            ``surrogate.ATan()``.

    Raises:
        TypeError: if T is not an integer.
        ValueError: if T is less than 1, or later if an input has another length.

    Paper: Fang et al., "Parallel spiking neurons with high efficiency and ability to learn
    long-term dependencies", NeurIPS 2023.
    """

    group = "training"
    demo = Demo(
        pulse(1.1, 1.6), {"T": T_DEMO}, {"T": 6}, ("parts",),
        prepare=_leak, note="unused",
    )  # fmt: skip

    def __init__(
        self, T: StepCount, surrogate_function: Surrogate | None = None, **older: Unpack[Older]
    ) -> None:
        super().__init__()
        self.T = check_count(self, "T", T)
        self.surrogate_function = ATan() if surrogate_function is None else surrogate_function
        self.weight, self.bias = _weights_over_time(self.T)
        self._accept(older)

    def forward(self, x_seq: Tensor) -> Tensor:
        """Return the spikes ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        check_sequence(self, x_seq, self.T)
        return self.surrogate_function(_potentials(self.weight, self.bias, x_seq))


class _WindowedPSN(Describable, MemoryModule):
    """Base of the neurons that remember the last ``k`` inputs in the memory ``queue``."""

    def __init__(
        self, k: int, surrogate_function: Surrogate | None, step_mode: str, **older: Unpack[Older]
    ) -> None:
        super().__init__()
        self.k = check_count(self, "k", k)
        self.surrogate_function = ATan() if surrogate_function is None else surrogate_function
        self.step_mode = step_mode
        self._accept(older)

    queue: Tensor | None

    def _push(self, x: Tensor) -> Tensor:
        """Append ``x`` to the memory ``queue``, and return it, ``[n, B, ...]`` with ``n <= k``."""
        if self.queue is not None:
            self.memory_like("queue", x.detach().expand(len(self.queue), *x.shape))
        queue = _pushed(self.queue, self.watch(x) if x.requires_grad else x, self.k)
        self.queue = queue
        return queue


class MaskedPSN(_WindowedPSN):
    """Parallel spiking neuron that learns to look back ``k`` steps only.

    A mask fades in with ``lambda_``, which training raises from 0 to 1::

        M[i, j] = 1 where i - k < j <= i, else 0
        H = ((lambda_ M + 1 - lambda_) W) X + b       over time, as in `PSN`
        S[t] = Theta(H[t])

    With ``lambda_ = 1`` the neuron is causal and works in single-step mode as well: the memory
    ``queue`` holds the last ``k`` inputs, ``time_step`` the number of steps since the reset.
    A multi-step call is whole in itself and neither reads nor writes them.

    Args:
        k: number of inputs that a step sees, its own included.
        T: number of time steps.
        lambda_init: ``lambda_`` at the start.
        surrogate_function: spike function with a surrogate gradient; None is
            ``surrogate.ATan()``.

    Raises:
        TypeError: if k or T is not an integer.
        ValueError: if k or T is less than 1; in single-step mode, if ``lambda_ < 1``; in
            multi-step mode, if the input's length is not T.
        OverflowError: in single-step mode, at step T + 1.

    Paper: Fang et al., "Parallel spiking neurons with high efficiency and ability to learn
    long-term dependencies", NeurIPS 2023.
    """

    group = "training"
    demo = Demo(
        pulse(1.1, 1.6),
        {"k": 8, "T": T_DEMO, "lambda_init": 1.0, "step_mode": "m"},
        {"k": 2, "T": 6, "lambda_init": 1.0},
        ("modes", "parts"),  # a call on a sequence neither takes nor leaves a queue
        prepare=_leak,
        note="unused",
    )

    def __init__(
        self,
        k: StepCount,
        T: StepCount,
        lambda_init: float = 0.0,
        surrogate_function: Surrogate | None = None,
        step_mode: str = "s",
        **older: Unpack[Older],
    ) -> None:
        super().__init__(k, surrogate_function, step_mode, **older)
        self.register_memory("time_step", 0)
        self.register_memory("queue", None)
        self.T = check_count(self, "T", T)
        value = check_finite(self, "lambda_init", lambda_init)
        self.register_buffer("_lambda_", torch.tensor(value))
        self.weight, self.bias = _weights_over_time(self.T)
        everything = torch.ones(self.T, self.T)
        self.register_buffer("mask0", everything.tril().triu(1 - self.k))
        self.register_buffer("mask1", everything)

    time_step: int
    mask0: Tensor
    mask1: Tensor

    @property
    def lambda_(self) -> Tensor:
        """Share of the mask in the weights: 0 is no mask, 1 the full mask."""
        value: Tensor = self._lambda_
        return value

    @lambda_.setter
    def lambda_(self, value: float) -> None:
        self.lambda_.fill_(value)

    @staticmethod
    def gen_masked_weight(
        lambda_: Tensor | float, mask0: Tensor, mask1: Tensor, weight: Tensor
    ) -> Tensor:
        """Return ``(lambda_ mask0 + (1 - lambda_) mask1) weight``, all ``[T, T]``."""
        masked: Tensor = (lambda_ * mask0 + (1.0 - lambda_) * mask1) * weight
        return masked

    def masked_weight(self) -> Tensor:
        """Return the weight ``[T, T]`` that is used now."""
        if self.lambda_ >= 1.0:
            return self.weight * self.mask0
        return self.gen_masked_weight(self.lambda_, self.mask0, self.mask1, self.weight)

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Return the spikes ``[B, ...]`` of one time step with input ``[B, ...]``."""
        if self.lambda_ < 1.0:
            raise ValueError(
                f"{self._whoami()}: single-step mode needs lambda_ >= 1, since a smaller one lets "
                f"a step see the future, but lambda_ is {self.lambda_.item():g}"
            )
        if self.time_step >= self.T:
            raise OverflowError(
                f"{self._whoami()} has run all its T={self.T} time steps. Call "
                "functional.reset_net(net) after each batch."
            )
        t, queue = self.time_step, self._push(full_precision(x))
        weight = self.masked_weight()[t, t + 1 - len(queue) : t + 1]
        self.time_step = t + 1
        return _weighted(weight, self.bias[t], queue, self.surrogate_function)

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the spikes ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        check_sequence(self, x_seq, self.T)
        return self.surrogate_function(_potentials(self.masked_weight(), self.bias, x_seq))

    def extra_repr(self) -> str:
        """Return how far the mask has faded in, and the settings, for ``repr(net)``."""
        return f"lambda_={self.lambda_.item():g}, {super().extra_repr()}"


class SlidingPSN(_WindowedPSN):
    """Parallel spiking neuron with the same weights at every step, for sequences of any length.

    ::

        H[t] = sum over i < k of W[i] X[t - k + 1 + i], plus b      X = 0 before the start
        S[t] = Theta(H[t])

    In single-step mode the memory ``queue`` holds the last ``k`` inputs. A multi-step call is a
    matrix product, whole in itself, and neither reads nor writes it.

    Args:
        k: number of inputs that a step sees, its own included.
        exp_init: True starts with the weights 1, 1/2, 1/4, ... from the newest input back;
            False with random ones.
        surrogate_function: spike function with a surrogate gradient; None is
            ``surrogate.ATan()``.

    Raises:
        TypeError: if k is not an integer.
        ValueError: if k is less than 1.

    Paper: Fang et al., "Parallel spiking neurons with high efficiency and ability to learn
    long-term dependencies", NeurIPS 2023.
    """

    group = "training"
    demo = Demo(
        shown={"k": 4, "step_mode": "m"},
        tested={"k": 2},
        without=("modes", "parts"),
    )

    def __init__(
        self,
        k: StepCount,
        exp_init: bool = True,
        surrogate_function: Surrogate | None = None,
        step_mode: str = "s",
        **older: Unpack[Older],
    ) -> None:
        super().__init__(k, surrogate_function, step_mode, **older)
        self.register_memory("queue", None)
        if exp_init:
            weight = 0.5 ** torch.arange(self.k - 1, -1, -1, dtype=torch.get_default_dtype())
        else:
            weight = nn.init.kaiming_uniform_(torch.ones(1, self.k), a=math.sqrt(5))[0]
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.tensor(-1.0))

    def gen_gemm_weight(self, T: int) -> Tensor:
        """Return the weights as a band matrix ``[T, T]``, whose row t holds those of step t."""
        steps = torch.arange(T, device=self.weight.device)
        age = steps.unsqueeze(1) - steps
        seen = (age >= 0) & (age < self.k)
        return torch.where(seen, self.weight[(self.k - 1 - age).clamp(0, self.k - 1)], 0.0)

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Return the spikes ``[B, ...]`` of one time step with input ``[B, ...]``."""
        queue = self._push(full_precision(x))
        return _weighted(
            self.weight[self.k - len(queue) :], self.bias, queue, self.surrogate_function
        )

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the spikes ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        check_sequence(self, x_seq)
        weight = self.gen_gemm_weight(x_seq.shape[0])
        return self.surrogate_function(_potentials(weight, self.bias, x_seq))
