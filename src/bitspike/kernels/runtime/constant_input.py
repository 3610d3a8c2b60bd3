"""Inputs that are constant over time: one time step in memory stands for all T.

A layer computes ``img.expand(T, *img.shape)`` once, and its result comes as a `ConstantTensor`.
"""

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
_WITHOUT_MEMORY = frozenset(
    {
        *(getattr(Tensor, name).__get__ for name in _PROPERTIES),
        Tensor.__len__, Tensor.dim, Tensor.element_size, Tensor.is_complex, torch.is_complex,
        Tensor.is_contiguous, Tensor.is_floating_point, torch.is_floating_point, Tensor.is_conj,
        Tensor.is_inference, Tensor.is_neg, Tensor.numel, torch.numel, Tensor.size, Tensor.stride,
    }
)  # fmt: skip
"""Functions that look at a tensor, but not at its memory."""


class ConstantTensor(Tensor):
    """One time step that stands for T equal ones, until an operation looks at its memory.

    Layers and neurons compute with the one step. Elsewhere it is an ordinary tensor with
    memory of its own, which they may write into: the first operation makes it one.
    """

    _step: Tensor

    @classmethod
    def __torch_function__(
        cls, func: Any, kinds: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            if not torch.compiler.is_compiling() and func not in _WITHOUT_MEMORY:
                _refuse_lost_gradients(func, args, kwargs or {})
                for leaf in tree_leaves((args, kwargs)):
                    if isinstance(leaf, ConstantTensor):
                        _write_out(leaf)
            return func(*args, **(kwargs or {}))


def _write_out(x_seq: ConstantTensor) -> None:
    """Give ``x_seq`` memory for each step, in the order of its one step, and make it a Tensor."""
    with torch.no_grad():
        order = [0, *sorted(range(1, x_seq.dim()), key=x_seq.stride, reverse=True)]
        dense = x_seq.permute(order).clone(memory_format=torch.contiguous_format)
        x_seq.data = dense.permute([order.index(axis) for axis in range(x_seq.dim())])
    x_seq.__class__ = Tensor  # type: ignore[assignment]
    del x_seq._step


def _refuse_lost_gradients(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise for the gradient of a constant input: neurons use the one step, the T have no graph."""
    if func is torch.autograd.grad:
        inputs = kwargs["inputs"] if "inputs" in kwargs else args[1]
        if any(isinstance(leaf, ConstantTensor) for leaf in tree_leaves(inputs)):
            raise RuntimeError(
                "torch.autograd.grad: an input is what a layer made of an image that is held over "
                "time, and its T steps were computed as one; clone() it before it goes on, and ask "
                "for the gradient of the clone"
            )


def is_constant(x_seq: Tensor) -> bool:
    """Return whether ``x_seq`` repeats one time step, as ``img.expand(T, *img.shape)`` does.

    An input that requires grad does not count: the gradient of each step is another.
    """
    if isinstance(x_seq, ConstantTensor):
        return not torch.compiler.is_compiling()  # Dynamo takes it for an ordinary tensor
    if isinstance(x_seq, SpikeTensor) or x_seq.ndim < 2 or x_seq.numel() == 0:
        return False
    return x_seq.shape[0] > 1 and x_seq.stride(0) == 0 and not x_seq.requires_grad


def constant_step(x_seq: Tensor) -> Tensor:
    """Return the time step ``[1, B, ...]`` that a constant sequence repeats."""
    if isinstance(x_seq, ConstantTensor) and is_constant(x_seq):
        return x_seq._step
    return x_seq[:1]


def one_step(x_seq: Tensor) -> Tensor:
    """Return the first time step ``[B, ...]`` of a sequence, without history."""
    return constant_step(x_seq).detach()[0]


class _Repeat(torch.autograd.Function):
    """Repeats ``[1, B, ...]`` T times; the gradient's sum over them lies as the input does.

    Batch norm and convolution take several times as long for a gradient in another order.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, T: int) -> Tensor:
        strides = y.stride()
        ctx.order = sorted(range(1, y.ndim), key=lambda axis: -strides[axis])
        return Tensor._make_subclass(ConstantTensor, y.expand(T, *y.shape[1:]))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        total = grad.permute(0, *ctx.order).sum(0, keepdim=True)
        return total.movedim(tuple(range(1, grad.ndim)), tuple(ctx.order)), None


def repeat_step(y_seq: Any, T: int) -> Any:
    """Return a time step ``[1, B, ...]``, or a tuple of such, as ``[T, B, ...]`` without a copy."""
    if isinstance(y_seq, tuple):
        return tuple(repeat_step(y, T) for y in y_seq)
    if type(y_seq) is not Tensor or tracer() is not None:
        return y_seq.expand(T, *y_seq.shape[1:]).clone()
    constant: Any = _Repeat.apply(y_seq, T)  # type: ignore[no-untyped-call]
    constant._step = y_seq
    return constant
