"""`SpikeTensor`: a tensor of 0 and 1 that is stored as bits."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import is_fake
from torch.utils._pytree import tree_map_only

from bitspike import dispatch
from bitspike.spikes._html import html
from bitspike.spikes._layouts import Layout, Rows
from bitspike.spikes._words import WORD, own, popcount
from bitspike.spikes._written import (
    Family,
    Path,
    WrittenSpikes,
    join,
    join_parts,
    write_into,
    written_by,
)

Handler = Callable[..., Any]

functions: dict[Any, Handler] = {
    function: dispatch.deferred(*kernel) for function, kernel in dispatch.SPIKE_FUNCTIONS.items()
}
"""Torch's Python functions that a `SpikeTensor` computes on its bits, above autograd."""

operations: dict[Any, Handler] = {}
"""ATen's operations that `SpikeTensor` implements itself, below autograd."""

_PROPERTIES = frozenset(
    getattr(Tensor, name).__get__ for name in ("device", "is_cpu", "layout", "requires_grad")
)
"""Attributes that kernels ask for at each call: their answers need none of the checks below."""

_traces: list[Counter[str]] = []


def register(*names: Any) -> Callable[[Handler], Handler]:
    """Decorate the handler of some of ATen's operations."""

    def decorate(handler: Handler) -> Handler:
        operations.update(dict.fromkeys(names, handler))
        return handler

    return decorate


class SpikeTensor(Tensor):
    """A tensor of 0 and 1, logically of a floating dtype, stored as bits.

    It is what neurons and encoders return where a backend can make it, and it behaves like the
    dense tensor: what has no fast path on bits unpacks first. Gradients with respect to it are
    ordinary dense tensors; what autograd saves of it for the backward pass are the bits.

    Writing into it works as with any tensor, and makes a dense one of it and of all its views: see
    `bitspike.spikes._written`. A part that cuts a row of words, such as ``s[..., 0]``, is a copy.

    Make one with `pack`; see `dense`, `count`, `rate`, `words`.
    """

    bits: Layout
    _shape: torch.Size
    _dtype: torch.dtype
    _family: Family | None = None
    _path: Path = ()

    @staticmethod
    def __new__(cls, layout: Layout, dtype: torch.dtype = torch.float32) -> "SpikeTensor":
        """Wrap a layout."""
        shape = layout.shape
        tensor: SpikeTensor = Tensor._make_wrapper_subclass(
            cls, shape, dtype=dtype, device=layout.device
        )
        tensor.bits, tensor._shape, tensor._dtype = layout, shape, dtype
        return tensor

    # -- asked so often that the way through __torch_function__ would be felt ------------------

    @property
    def shape(self) -> torch.Size:  # type: ignore[override]
        """The logical shape."""
        return self._shape

    @property
    def ndim(self) -> int:  # type: ignore[override]
        """Number of axes."""
        return len(self._shape)

    @property
    def dtype(self) -> torch.dtype:  # type: ignore[override]
        """The logical dtype."""
        return self._dtype

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Where the bits are."""
        return self.bits.device

    def numel(self) -> int:
        """Return the number of logical elements."""
        return self._shape.numel()

    def __len__(self) -> int:
        if not self._shape:
            raise TypeError("len() of a 0-d tensor")
        return self._shape[0]

    # -- bits and layouts --------------------------------------------------------------------

    def dense(self) -> Tensor:
        """Return the same tensor, unpacked; gradients flow through."""
        return _Unpack.apply(self)  # type: ignore[no-any-return, no-untyped-call]

    @property
    def words(self) -> Tensor:
        """The bits: int64 ``[*lead, W]``, 64 neighbouring features a word, the first lowest."""
        return self.bits.rows().words

    def count(self) -> int:
        """Return the number of spikes."""
        return int(popcount(self.words).sum())

    def rate(self) -> float:
        """Return the share of elements that are 1; NaN for an empty tensor."""
        return self.count() / self.numel() if self.numel() else float("nan")

    def spike_bytes(self) -> int:
        """Return bytes of memory that the spikes take."""
        return self.bits.nbytes()

    # -- how torch sees it -------------------------------------------------------------------

    @classmethod
    def __torch_function__(
        cls, func: Any, kinds: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if torch.compiler.is_compiling() or func in _PROPERTIES:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **(kwargs or {}))
        if torch._C._are_functorch_transforms_active():
            # What torch.func wraps has no bits that could be read.
            args, kwargs = _unpack_all(args, func), _unpack_all(kwargs or {}, func)
        elif func in functions:
            result = functions[func](*args, **(kwargs or {}))
            if result is not NotImplemented:
                return result
        written = [s for s in written_by(func, args, kwargs or {}) if isinstance(s, SpikeTensor)]
        if written:
            for spikes in written:
                write_into(spikes)
            return func(*args, **(kwargs or {}))
        # The inherited one would make a SpikeTensor of every result.
        with torch._C.DisableTorchFunctionSubclass():
            return _apart(func(*args, **(kwargs or {})))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, kinds: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if torch.is_inference_mode_enabled():
            # Views of spikes from outside must not be tensors of inference mode.
            with torch.inference_mode(False), torch.no_grad():
                return cls.__torch_dispatch__(func, kinds, args, kwargs)
        handler = operations.get(func)
        if handler is not None:
            result = handler(*args, **(kwargs or {}))
            if result is not NotImplemented:
                return _joined(func, result, args, kwargs or {}) if func.is_view else result
        _refuse_writing(func, args, kwargs or {})
        return func(*_unpack_all(args, func), **_unpack_all(kwargs or {}, func))

    def __tensor_flatten__(self) -> tuple[list[str], tuple[tuple[int, ...], torch.dtype]]:
        """Return which attributes hold the memory, and what else `__tensor_unflatten__` needs."""
        return ["words"], (self.bits.rows().features, self.dtype)

    @staticmethod
    def __tensor_unflatten__(
        inner: dict[str, Tensor],
        context: tuple[tuple[int, ...], torch.dtype],
        outer_size: Any,
        outer_stride: Any,
    ) -> "SpikeTensor":
        features, dtype = context
        return SpikeTensor(Rows(inner["words"], features), dtype)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        if is_fake(self.words):
            return f"SpikeTensor(shape={tuple(self.shape)}, traced)"
        grad = f", grad_fn=<{self.grad_fn.name()}>" if self.grad_fn is not None else ""
        return (
            f"SpikeTensor(shape={tuple(self.shape)}, spikes={self.count()}, "
            f"rate={self.rate():.3g}, {self.spike_bytes()} bytes{grad})"
        )

    def _repr_html_(self) -> str:
        return html(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> "SpikeTensor":
        if not self.is_leaf:
            raise RuntimeError(
                "only spikes without history can be copied by deepcopy: detach() them first"
            )
        copy = SpikeTensor(self.bits.map(torch.clone), self.dtype).requires_grad_(
            self.requires_grad
        )
        memo[id(self)] = copy
        return copy  # type: ignore[return-value]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        rows = self.bits.rows()
        return rebuild, (rows.words, rows.features, self.dtype, self.requires_grad)

    def _become_written(self, values: Tensor, path: Path) -> None:
        """Become a view of the dense tensor ``values``."""
        attached = self.requires_grad or not values.requires_grad
        for name in ("bits", "_shape", "_dtype", "_family"):
            self.__dict__.pop(name, None)
        self.__class__ = WrittenSpikes  # type: ignore[assignment]
        self._numbers, self._path, self._attached = values, path, attached

    @classmethod
    def of(cls, layout: Layout, like: Tensor) -> Self:
        """Return spikes in the dtype of ``like``."""
        return cls(layout, like.dtype)


class _Unpack(torch.autograd.Function):
    """Bits to a dense tensor."""

    @staticmethod
    def forward(ctx: Any, s: SpikeTensor) -> Tensor:  # noqa: ARG004
        return own(_dense(s, "dense"))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        return grad


def _dense(s: SpikeTensor, why: str) -> Tensor:
    for trace in _traces:
        trace[why] += 1
    return s.bits.rows().dense(s.dtype)


def _joined(func: Any, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the spikes of a view operation in the family of those it was given."""
    whole, *others = args  # a view must not hold on to the tensor, which has a graph
    if not isinstance(result, SpikeTensor):
        return join_parts(whole, result, lambda x: func(x, *others, **kwargs))
    if func in (torch.ops.aten.detach.default, torch.ops.aten.alias.default):
        return join(whole, result)
    return join(whole, result, lambda x: func(x, *others, **kwargs))


def dense(x: Tensor) -> Tensor:
    """Return ``x``, unpacked once where arithmetic would unpack spikes at each use."""
    return x.dense() if isinstance(x, SpikeTensor) else x


def _apart(result: Any) -> Any:
    """Return copies in place of views that could not stay bits: they must not be written into."""
    if type(result) is Tensor and result._is_view() and isinstance(result._base, SpikeTensor):
        return result.clone()
    if isinstance(result, tuple | list) and any(type(part) is Tensor for part in result):
        return type(result)(map(_apart, result)) if type(result) in (tuple, list) else result
    return result


def _refuse_writing(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    for index, argument in enumerate(func._schema.arguments):
        if argument.alias_info is None or not argument.alias_info.is_write:
            continue
        value = args[index] if index < len(args) else kwargs.get(argument.name)
        if isinstance(value, SpikeTensor):
            raise RuntimeError(  # noqa: TRY004 -- what torch raises for such a thing
                f"{func} would write into a SpikeTensor, which cannot be changed: write into "
                "s.dense() instead"
            )


def _unpack_all(tree: Any, func: Any) -> Any:
    return tree_map_only(SpikeTensor, lambda s: _dense(s, str(func)), tree)


def _check_file(words: Any, features: Any, dtype: Any) -> None:
    if type(words) is not Tensor or words.layout is not torch.strided or words.requires_grad:
        raise ValueError("spikes in a file: their words are not a plain tensor")
    sizes = isinstance(features, tuple | list) and all(type(n) is int and n >= 0 for n in features)
    if not sizes:
        raise ValueError(f"spikes in a file: their features are {features!r}, not sizes of axes")
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError(f"spikes in a file: their dtype is {dtype!r}, not a floating one")


def rebuild(
    words: Tensor, features: tuple[int, ...], dtype: torch.dtype, requires_grad: bool
) -> SpikeTensor:
    """Make spikes of what a file holds, for ``pickle`` and ``torch.load``.

    Raises:
        ValueError: if it is no spikes: kernels believe what the layout says.
    """
    _check_file(words, features, dtype)
    rows = Rows(words, tuple(features))
    beyond = rows.size % WORD
    if (
        beyond
        and words.numel()
        and bool((words[..., -1] >> beyond & ((1 << WORD - beyond) - 1)).any())
    ):
        raise ValueError(f"spikes in a file: bits are set beyond the features {tuple(features)}")
    spikes = SpikeTensor(rows, dtype)
    return spikes.requires_grad_(requires_grad)  # type: ignore[return-value]


def pack(dense: Tensor, lead: int = 2) -> SpikeTensor:
    """Store a tensor of 0 and 1 as bits.

    Args:
        dense: any shape and dtype; a tensor of integers or bool becomes one of the default dtype.
        lead: number of leading axes that stay unpacked, ``[T, B]`` for spikes over time.

    Returns:
        A tensor of the same shape and values, without history.

    Raises:
        ValueError: if a value is neither 0 nor 1.
    """
    if isinstance(dense, SpikeTensor):
        return dense
    if not bool(((dense == 0) | (dense == 1)).all()):
        raise ValueError(
            f"spikes.pack: the tensor of shape {tuple(dense.shape)} holds values other than 0 and 1"
        )
    dtype = dense.dtype if dense.is_floating_point() else torch.get_default_dtype()
    return SpikeTensor(Rows.pack(dense, lead), dtype)


@contextmanager
def trace_unpacking() -> Iterator[Counter[str]]:
    """Counts, by name, the operations that unpack a `SpikeTensor` while the block runs."""
    trace: Counter[str] = Counter()
    _traces.append(trace)
    try:
        yield trace
    finally:
        _traces.remove(trace)
