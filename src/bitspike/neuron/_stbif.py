"""The spike-tracer neuron that carries a quantised activation over time."""

from collections.abc import Callable
from typing import Any, ClassVar, Self, Unpack

import torch
from torch import Tensor, nn

from bitspike import kernels
from bitspike.base import MemoryModule, check_count, check_sequence
from bitspike.neuron._arguments import Older, Potential
from bitspike.neuron._catalogue import Demo, Describable, waves
from bitspike.neuron._run import full_precision, run


def _refuse_gradients(*tensors: Tensor) -> None:
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        raise RuntimeError(
            "STBIF is for inference: it has no gradient. Run it under torch.no_grad(), or detach "
            "its input."
        )


def _wide(x: Tensor) -> Tensor:
    """Return half precision as float32: rounding a sum over time would move spikes."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _narrowed(x: Tensor, results: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the results in the dtype of the input ``x``, but for the potential ``q``."""
    output, q, acc_q, spike = results
    return output.to(x.dtype), q, acc_q.to(x.dtype), spike.to(x.dtype)


def stbif_step(
    x: Tensor, q: Tensor, acc_q: Tensor, q_threshold: Tensor, pos_max: Tensor, neg_min: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run one step of `STBIFNode`, where the equation stands.

    Args:
        x: input ``[B, ...]``.
        q: potential in units of the threshold, ``[B, ...]``.
        acc_q: sum of the spikes so far, ``[B, ...]``.
        q_threshold: threshold, a scalar.
        pos_max: largest sum of spikes, a scalar.
        neg_min: smallest sum of spikes, a scalar.

    Returns:
        Output, next ``q``, next ``acc_q`` and the spikes -1, 0, 1, all ``[B, ...]``. For an input
        in half precision ``q`` is float32.

    Raises:
        RuntimeError: if a gradient is requested.
    """
    _refuse_gradients(x, q, acc_q, q_threshold, pos_max, neg_min)
    wide = _wide(x)
    return _narrowed(
        x, _step(wide, *(v.to(wide) for v in (q, acc_q, q_threshold, pos_max, neg_min)))
    )


def _step(
    x: Any, q: Any, acc_q: Any, q_threshold: Any, pos_max: Any, neg_min: Any
) -> tuple[Any, ...]:
    q, acc_q = q + x / q_threshold, acc_q.round()
    up, down = (q >= 1) & (acc_q < pos_max), (q < 0) & (acc_q > neg_min)
    spike = up.to(x) - down.to(x)
    return spike * q_threshold, q - spike, acc_q + spike, spike


def stbif_multi_step(
    x_seq: Tensor, q: Tensor, acc_q: Tensor, q_threshold: Tensor, pos_max: Tensor, neg_min: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run `stbif_step` over a sequence ``[T, B, ...]``.

    Returns:
        Outputs ``[T, B, ...]``, then the last ``q``, ``acc_q`` and spikes, ``[B, ...]``.

    Raises:
        ValueError: if the sequence has no time steps.
        RuntimeError: if a gradient is requested.
    """
    if x_seq.ndim == 0 or len(x_seq) == 0:
        raise ValueError(
            f"stbif_multi_step: the input must be [T, B, ...] with T >= 1, but got shape "
            f"{tuple(x_seq.shape)}"
        )
    wide = _wide(x_seq)
    parameters = [value.to(wide) for value in (q_threshold, pos_max, neg_min)]

    def step(x: Any, q: Any, acc_q: Any, _: Any) -> tuple[Any, ...]:
        return _step(x, q, acc_q, *parameters)

    return _scan(step, x_seq, q, acc_q, *parameters)


def _scan(
    step: Callable[..., Any],
    x_seq: Tensor,
    q: Tensor,
    acc_q: Tensor,
    *parameters: Tensor,
    backend: str = "auto",
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    _refuse_gradients(x_seq, q, acc_q, *parameters)
    wide = _wide(x_seq)
    with torch.no_grad():
        start = [q.to(wide), acc_q.to(wide), torch.zeros_like(acc_q, dtype=wide.dtype)]
        outputs, states, _ = run(step, wide, start, backend=backend)
    return _narrowed(x_seq, (outputs, *states))


class STBIFNode(Describable, MemoryModule):
    """Integrate and fire that spikes up and down until its sum is the quantised activation.

    ``Q`` is the potential in thresholds, 0.5 at the start, and ``A`` the sum of the spikes::

        Q'[t] = Q[t-1] + X[t] / q_threshold
        S[t] = 1 where Q' >= 1 and A[t-1] < pos_max, -1 where Q' < 0 and A[t-1] > neg_min, else 0
        Q[t] = Q'[t] - S[t],    A[t] = A[t-1] + S[t],    output q_threshold S[t]

    The memories ``q``, ``acc_q`` (``A``) and ``cur_output`` (``S``) are None until the first
    input. For inference only: no gradient. Input and output are ``[B, ...]`` or ``[T, B, ...]``;
    for those in half precision the potential is float32.

    Args:
        q_threshold: threshold, the step of the quantiser; a number or a scalar tensor.
        level: number of levels of the quantiser, 2 or more.
        sym: whether the levels lie on both sides of 0.
        pos_max: largest sum; None is ``level // 2 - 1`` with ``sym``, else ``level - 1``.
        neg_min: smallest sum; None is ``-level // 2`` with ``sym``, else 0.

    Raises:
        TypeError: if ``level`` is not an integer.
        ValueError: if ``level`` is less than 2, or another argument not one number.
        RuntimeError: if a gradient is requested.

    Paper: You et al., "SpikeZIP-TF: conversion is all you need for transformer-based SNN",
    ICML 2024.
    """

    group = "conversion"
    demo = Demo(
        waves(0.3),
        {"q_threshold": 1.0, "level": 9, "sym": True},
        {"q_threshold": 0.5, "level": 8},
        ("gradients",),
    )
    step_function = staticmethod(stbif_step)

    state_names: ClassVar[tuple[str, ...]] = ("q", "acc_q", "cur_output")

    q_threshold: Tensor
    pos_max: Tensor
    neg_min: Tensor

    def __init__(
        self,
        q_threshold: Potential | Tensor,
        level: int,
        sym: bool = False,
        pos_max: float | Tensor | None = None,
        neg_min: float | Tensor | None = None,
        step_mode: str = "s",
        **older: Unpack[Older],
    ) -> None:
        super().__init__()
        self.level = check_count(self, "level", level)
        if self.level < 2:
            raise ValueError(f"{type(self).__name__}: level must be 2 or more, but got {level!r}")
        self.sym = bool(sym)
        if pos_max is None:
            pos_max = self.level // 2 - 1 if self.sym else self.level - 1
        if neg_min is None:
            neg_min = -self.level // 2 if self.sym else 0
        for name, value in (
            ("q_threshold", q_threshold),
            ("pos_max", pos_max),
            ("neg_min", neg_min),
        ):
            tensor = torch.as_tensor(value).detach().clone().float()
            if tensor.numel() != 1:
                raise ValueError(
                    f"{type(self).__name__}: {name} must be one number, but has shape "
                    f"{tuple(tensor.shape)}"
                )
            self.register_buffer(name, tensor)
        self.step_mode = step_mode
        self._accept(older)
        for name in self.state_names:
            self.register_memory(name, None)

    @classmethod
    def from_quantizer(cls, quantizer: nn.Module) -> Self:
        """Return the neuron of a quantiser with ``s``, ``sym``, ``pos_max`` and ``neg_min``."""
        q: Any = quantizer
        level = int(getattr(q, "level", int(q.pos_max) - int(q.neg_min) + 1))
        return cls(q.s, level, sym=bool(q.sym), pos_max=q.pos_max, neg_min=q.neg_min)

    @property
    def accumulated(self) -> Tensor:
        """Sum of the outputs so far, ``[B, ...]``.

        Raises:
            RuntimeError: before the first input.
        """
        if self.acc_q is None:
            raise RuntimeError(f"{self._whoami()}: nothing is accumulated before the first input")
        total: Tensor = self.acc_q * self.q_threshold.to(self.acc_q)
        return total

    def _states(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.q is None:
            return torch.full_like(x, 0.5), torch.zeros_like(x)
        return self.memory_like("q", x), self.memory_like("acc_q", x)

    def _parameters_of_step(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.q_threshold, self.pos_max, self.neg_min

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, q, acc_q, cur_output)`` to the output and the new three."""
        q, acc_q, _ = states
        return _step(x, q, acc_q, *(value.to(x) for value in self._parameters_of_step()))

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Return the output ``[B, ...]`` of one time step with input ``[B, ...]``."""
        x = full_precision(x)
        output, self.q, self.acc_q, self.cur_output = stbif_step(
            x, *self._states(x.detach()), *self._parameters_of_step()
        )
        return output

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the outputs ``[T, B, ...]`` of a sequence with input ``[T, B, ...]``."""
        check_sequence(self, x_seq)
        x_seq = full_precision(x_seq)
        states = self._states(kernels.one_step(x_seq))
        outputs, self.q, self.acc_q, self.cur_output = _scan(
            self.step, x_seq, *states, *self._parameters_of_step(), backend=self.backend
        )
        return outputs
