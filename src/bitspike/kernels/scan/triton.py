"""A neuron's time loop as one fused scan forward and one backward, compiled from its step."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from bitspike.kernels.runtime.double_backward import differentiable_once
from bitspike.kernels.runtime.memory import unreadable
from bitspike.kernels.runtime.triton_kernel import Kernel, interpreting, obstacle_of
from bitspike.kernels.scan.record import Kernels, KernelStore, Recorded
from bitspike.kernels.scan.record.plan import Plan
from bitspike.kernels.scan.triton_source import backward_source, forward_source

_PRECISIONS = {torch.float32: "float32", torch.float64: "float64"}
_SMALL, _LARGE = 128, 512
"""Neurons a program: few, so that a small layer fills the device, or four a thread."""

_MANY = 1 << 17
"""Neurons from which there are enough large programs to fill a device."""


def unsupported(x_seq: Tensor, states: Sequence[Tensor]) -> str | None:
    """Return why this backend cannot run a scan over ``x_seq``; None if it can."""
    if x_seq.device.type != "cuda" and not (x_seq.device.type == "cpu" and interpreting()):
        return (
            f"the input is on {x_seq.device}, and Triton's kernels run on GPUs: move network and "
            "input there, or choose 'auto' (to test kernels on the CPU, set TRITON_INTERPRET=1)"
        )
    why = None if interpreting() else obstacle_of(x_seq.device)
    if why is not None:
        return why
    why = unreadable(x_seq, *states)
    if why is not None:
        return why
    if x_seq.dtype not in _PRECISIONS:
        return f"the input is {x_seq.dtype}: use float32, or torch.autocast, or choose 'auto'"
    for state in states:
        if state.dtype != x_seq.dtype:
            return f"the input is {x_seq.dtype}, a state {state.dtype}"
        if state.device != x_seq.device:
            return f"the input is on {x_seq.device}, a state on {state.device}"
    return None


def numbers_array(numbers: list[Any], form: Any) -> Tensor:
    """Return the numbers on the device, with 0 in place of those that are tensors."""
    dtype, device, *_ = form
    values = [0.0 if isinstance(value, Tensor) else float(value) for value in numbers]
    return torch.tensor(values, dtype=dtype, device=device)


def make_kernel(source: Callable[..., str], plan: Plan, form: Any) -> Kernel:
    """Return the kernel that ``source`` writes."""
    dtype, _, _, learned = form
    return Kernel(source(plan, _PRECISIONS[dtype], learned))


store = KernelStore(make_kernel, numbers_array)


def _block(M: int) -> int:
    return _LARGE if M >= _MANY else _SMALL


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, recorded: Recorded, saving: bool, recording: bool, x_seq: Tensor, *tensors: Tensor
    ) -> tuple[Any, ...]:
        starts, given, learned = recorded.split(tensors)
        T, *shape = x_seq.shape
        M = math.prod(shape)
        x = _rows_of(x_seq, T, M)
        form = (x.dtype, x.device, interpreting(), tuple(recorded.learned))
        kernels, numbers = recorded.kernels(store, learned, form)
        plan = kernels.plan
        kept = [x.new_empty(T, M) for _ in plan.stored] if saving else []
        v_seq = x.new_empty(x_seq.shape) if recording else None
        last = [x.new_empty(shape) for _ in starts]
        wide = [field.to(x.dtype).expand(shape).contiguous() for field in given]
        scalars = [value.detach().to(x).contiguous() for value in learned]
        out = x.new_empty(x_seq.shape)
        kernels.kernel(forward_source)(
            M, _block(M),
            x, x.stride(0), out, x if v_seq is None else v_seq, T, M, numbers, *scalars,
            *(start.contiguous() for start in starts), *last, *wide,
            *(kept if saving else [x] * len(plan.stored)),
            SAVING=saving, RECORDING=recording,
        )  # fmt: skip
        ctx.set_materialize_grads(False)
        if saving:
            ctx.save_for_backward(x if plan.keeps_x else None, *kept, *wide, *scalars)
        ctx.kernels, ctx.numbers, ctx.x_shape = kernels, numbers, x_seq.shape
        ctx.given = [(field.shape, field.dtype) for field in given]
        ctx.learned = [
            (k, value.shape, value.dtype, value.device)
            for k, value in zip(recorded.learned, learned, strict=True)
        ]
        return (out, v_seq, *last)

    @staticmethod
    @differentiable_once(
        "Triton's kernels do not keep a neuron's input, which they would need; call "
        "functional.set_backend(net, 'eager') first"
    )
    def backward(ctx: Any, g: Tensor | None, gv_seq: Tensor | None, *ends: Tensor | None) -> Any:
        x, *saved = ctx.saved_tensors
        kernels: Kernels = ctx.kernels
        plan, numbers = kernels.plan, ctx.numbers
        T, *shape = ctx.x_shape
        stored, fields = len(plan.stored), len(ctx.given)
        kept, wide, scalars = (
            saved[:stored], saved[stored : stored + fields], saved[stored + fields :],
        )  # fmt: skip
        nothing = numbers.new_zeros(shape)
        M = nothing.numel()
        g = nothing.view(1, M).expand(T, M) if g is None else _rows_of(g, T, M)
        x = g if x is None else x
        ends = [nothing if end is None else end.contiguous() for end in ends]  # type: ignore[assignment]
        gx = numbers.new_empty(ctx.x_shape)
        first = [torch.empty_like(nothing) for _ in ends]
        to_fields = [torch.empty_like(nothing) for _ in wide]
        block = _block(M)
        sums = numbers.new_empty(len(plan.gradients.numbers), -(-M // block))
        kernels.kernel(backward_source)(
            M, block,
            g, g.stride(0), gx if gv_seq is None else gv_seq.contiguous(),
            x, x.stride(0), gx, sums, T, M, numbers, *scalars,
            *ends, *first, *wide, *to_fields, *kept,
            RECORDING=gv_seq is not None,
        )  # fmt: skip
        of_fields = [
            total.sum_to_size(size).to(kind)
            for total, (size, kind) in zip(to_fields, ctx.given, strict=True)
        ]
        totals = dict(zip(plan.gradients.numbers, sums.sum(1, dtype=torch.float64), strict=True))
        of_numbers = [
            totals[k].to(device, kind).view(size) if k in totals else None
            for k, size, kind, device in ctx.learned
        ]
        return (None, None, None, gx, *first, *of_fields, *of_numbers)


def _rows_of(x: Tensor, T: int, M: int) -> Tensor:
    """Return ``x`` as ``[T, M]`` with neighbouring neurons side by side, copied only if needed."""
    x = x.reshape(T, M)
    return x if x.stride(1) == 1 or M == 1 else x.contiguous()


def scan(
    recorded: Recorded,
    x_seq: Tensor,
    states: Sequence[Tensor],
    store_v_seq: bool,
    bits: bool = False,  # noqa: ARG001 -- what the other backend's takes
) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
    """Return `bitspike.kernels.scan.reference.scan` of a recorded step.

    Args:
        recorded: the step's operations.
        x_seq: input ``[T, B, ...]``.
        states: before the first step, ``[B, ...]`` each.
        store_v_seq: True records the first state after each step.
        bits: without effect, spikes are dense here.
    """
    tensors, saving = recorded.tensors(x_seq, states)
    y, v_seq, *last = _Scan.apply(recorded, saving, store_v_seq, *tensors)  # type: ignore[no-untyped-call]
    return y, tuple(last), v_seq
