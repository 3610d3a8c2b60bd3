"""Inputs that are held over time: every time step is the same memory."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from bitspike.dispatch import tracer
from bitspike.spikes import SpikeTensor

_PROPERTIES = (
    "device", "dtype", "grad_fn", "is_cpu", "is_cuda", "is_leaf", "is_meta", "is_sparse", "layout",
    "ndim", "requires_grad", "shape",
)  # fmt: skip
_LOOKS = frozenset(
    {
        *(getattr(Tensor, name).__get__ for name in _PROPERTIES),
        Tensor.__len__, Tensor.dim, Tensor.element_size, Tensor.is_complex, torch.is_complex,
        Tensor.is_contiguous, Tensor.is_floating_point, torch.is_floating_point, Tensor.is_conj,
        Tensor.is_inference, Tensor.is_neg, Tensor.numel, torch.numel, Tensor.size, Tensor.stride,
    }
)  # fmt: skip
"""What only looks at a tensor, and never at its memory."""


class HeldTensor(Tensor):
    """One time step that stands for T equal ones, until somebody wants more than its form.

    Layers and neurons compute with the one step. For all others it is an ordinary tensor with
    memory of its own, which they may write into: the first operation makes it one.
    """

    _step: Tensor

    @classmethod
    def __torch_function__(
        cls, func: Any, kinds: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            if not torch.compiler.is_compiling() and func not in _LOOKS:
                _refuse_lost_gradients(func, args, kwargs or {})
                for one in tree_leaves((args, kwargs)):
                    if isinstance(one, HeldTensor):
                        _write_out(one)
            return func(*args, **(kwargs or {}))


def _write_out(held: HeldTensor) -> None:
    """Gives ``held`` memory for each step, in the order of its one step, and makes it a Tensor."""
    with torch.no_grad():
        order = [0, *sorted(range(1, held.dim()), key=held.stride, reverse=True)]
        dense = held.permute(order).clone(memory_format=torch.contiguous_format)
        held.data = dense.permute([order.index(axis) for axis in range(held.dim())])
    held.__class__ = Tensor  # type: ignore[assignment]
    del held._step


def _refuse_lost_gradients(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Neurons use the one step, so that the T are not in their graph."""
    if func is torch.autograd.grad:
        inputs = kwargs["inputs"] if "inputs" in kwargs else args[1]
        if any(isinstance(one, HeldTensor) for one in tree_leaves(inputs)):
            raise RuntimeError(
                "torch.autograd.grad: an input is what a layer made of an image that is held over "
                "time, and its T steps were computed as one; clone() it before it goes on, and ask "
                "for the gradient of the clone"
            )


def is_held(x_seq: Tensor) -> bool:
    """Whether ``x_seq`` repeats one time step, as ``img.expand(T, *img.shape)`` does.

    Not if it wants a gradient: that of each step is another.
    """
    if isinstance(x_seq, HeldTensor):
        return (
            not torch.compiler.is_compiling()
        )  # Dynamo takes it for the tensor that it stands for
    if isinstance(x_seq, SpikeTensor) or x_seq.ndim < 2 or x_seq.numel() == 0:
        return False
    return x_seq.shape[0] > 1 and x_seq.stride(0) == 0 and not x_seq.requires_grad


def held_step(x_seq: Tensor) -> Tensor | None:
    """The one time step ``[1, B, ...]`` of what `hold` has made; None of anything else."""
    return x_seq._step if isinstance(x_seq, HeldTensor) else None


def once(x_seq: Tensor) -> Tensor:
    """The one time step of a held sequence, ``[1, B, ...]``."""
    return x_seq._step if isinstance(x_seq, HeldTensor) and is_held(x_seq) else x_seq[:1]


def one_step(x_seq: Tensor) -> Tensor:
    """The first time step ``[B, ...]`` of a sequence, without history."""
    return once(x_seq).detach()[0]


class _Hold(torch.autograd.Function):
    """Holds ``[1, B, ...]`` for T steps; the gradient's sum over them lies as the input does.

    Batch norm and convolution take several times as long for a gradient in another order.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, T: int) -> Tensor:
        strides = y.stride()
        ctx.order = sorted(range(1, y.ndim), key=lambda axis: -strides[axis])
        return Tensor._make_subclass(HeldTensor, y.expand(T, *y.shape[1:]))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        total = grad.permute(0, *ctx.order).sum(0, keepdim=True)
        return total.movedim(tuple(range(1, grad.ndim)), tuple(ctx.order)), None


def hold(y_seq: Any, T: int) -> Any:
    """One time step ``[1, B, ...]``, or a tuple of such, as ``[T, B, ...]`` without a copy."""
    if isinstance(y_seq, tuple):
        return tuple(hold(one, T) for one in y_seq)
    if type(y_seq) is not Tensor or tracer() is not None:
        return y_seq.expand(T, *y_seq.shape[1:]).clone()
    held: Any = _Hold.apply(y_seq, T)  # type: ignore[no-untyped-call]
    held._step = y_seq
    return held
