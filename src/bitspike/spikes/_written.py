"""Spikes that somebody has written into: no bits any more, but dense numbers.

Bits cannot hold what ``s += x`` or ``s[0] = 2`` makes of them. The first write unpacks, and the
object becomes a `WrittenSpikes`, which hands everything to a dense tensor. So do all its views and
what it is a view of, as they share one memory with it: a tensor and its views are a family.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.weak import TensorWeakRef

if TYPE_CHECKING:
    from bitspike.spikes._tensor import SpikeTensor

View = Callable[[Tensor], Tensor]
Path = tuple[View, ...]
"""The views that lead from a family's first tensor to a member."""


class Family:
    """The tensors that share one memory.

    Attributes:
        members: weak references, with their paths; that of the first tensor is empty.
    """

    def __init__(self, first: "SpikeTensor") -> None:
        self.members: list[tuple[Any, Path]] = [(TensorWeakRef(first), ())]
        self._crowded = 16

    def join(self, member: "SpikeTensor", path: Path) -> None:
        """Note that ``part`` is ``view(whole)``, or all of it, and return it."""
        if len(self.members) >= self._crowded:
            self.members = [member for member in self.members if member[0]() is not None]
            self._crowded = 2 * len(self.members) + 16
        self.members.append((TensorWeakRef(member), path))
        member._family, member._path = self, path

    def alive(self) -> "list[tuple[SpikeTensor, Path]]":
        """Return the members that are still in use."""
        members = ((ref(), path) for ref, path in self.members)
        return [(member, path) for member, path in members if member is not None]


def join(whole: "SpikeTensor", part: "SpikeTensor", view: View | None = None) -> "SpikeTensor":
    """Note that ``part`` is ``view(whole)``, or all of it, and return it."""
    if whole._family is None:
        whole._family, whole._path = Family(whole), ()
    whole._family.join(part, whole._path if view is None else (*whole._path, view))
    return part


def join_parts(
    whole: "SpikeTensor",
    parts: "Iterable[SpikeTensor]",
    views: Callable[[Tensor], Sequence[Tensor]],
) -> "list[SpikeTensor]":
    """Note that ``parts`` are ``views(whole)``, and return them."""

    def view(place: int, x: Tensor) -> Tensor:
        return views(x)[place]

    return [join(whole, part, partial(view, place)) for place, part in enumerate(parts)]


class WrittenSpikes(Tensor):
    """A `SpikeTensor` after a write: a name for a dense tensor, or a view of one.

    ``apply`` of an autograd function is the one place where torch does not ask: it would get the
    graph from before the write. What calls one goes by way of `plain`.
    """

    _numbers: Tensor
    _path: Path
    _attached: bool

    def dense(self) -> Tensor:
        """Return the tensor that it stands for."""
        return _dense_of(self)

    @classmethod
    def __torch_function__(
        cls, func: Any, kinds: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return func(*_now(args), **_now(kwargs or {}))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, kinds: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return func(*_now(args), **_now(kwargs or {}))


def _dense_of(written: WrittenSpikes) -> Tensor:
    with torch._C.DisableTorchFunctionSubclass():
        values = written._numbers if written._attached else written._numbers.detach()
        for view in written._path:
            values = view(values)
    return values


def _now(tree: Any) -> Any:
    return tree_map_only(WrittenSpikes, _dense_of, tree)


def plain(x: Tensor) -> Tensor:
    """Return ``x``, or the dense tensor in place of written spikes."""
    return _dense_of(x) if isinstance(x, WrittenSpikes) else x


def write_into(spikes: "SpikeTensor") -> None:
    """Make dense tensors of ``spikes`` and its family.

    Raises:
        RuntimeError: if it is a leaf that requires grad, as torch does.
    """
    if torch.is_grad_enabled() and spikes.requires_grad and spikes.is_leaf:
        raise RuntimeError(
            "spikes that require grad and have no history cannot be written into while gradients "
            "are recorded; write into s.dense() or under torch.no_grad()"
        )
    family = spikes._family
    members = [(spikes, spikes._path)] if family is None else family.alive()
    # If no tensor holds the whole any more, this part is the whole for its own parts.
    whole = next((member for member, path in members if not path), spikes)
    start = len(whole._path)
    values = whole.dense()
    for member, path in members:
        if path[:start] == whole._path:
            member._become_written(values, path[start:])


@cache
def _place_of_inplace(func: Any) -> int | None:
    """Return the position of the argument ``inplace`` of functions such as ``F.relu``."""
    if not isinstance(func, FunctionType):
        return None
    names = list(inspect.signature(func).parameters)
    return names.index("inplace") if "inplace" in names else None


_OPERATORS = "add sub mul truediv floordiv mod pow and or xor lshift rshift matmul"
_AUGMENTED = frozenset(f"__i{name}__" for name in _OPERATORS.split(" "))
_NO_WRITES = frozenset({"requires_grad_", "share_memory_"})


@cache
def _writes_by_name(func: Any) -> bool:
    name = getattr(func, "__name__", "")
    if name in _AUGMENTED or name == "__setitem__":
        return True
    return name.endswith("_") and not name.endswith("__") and name not in _NO_WRITES


def written_by(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """Return the arguments that ``func`` writes into, tensors or trees of them."""
    written = [kwargs["out"]] if kwargs.get("out") is not None else []
    place = _place_of_inplace(func)
    in_place = place is not None and (
        kwargs.get("inplace", False) or (len(args) > place and args[place])
    )
    if args and (in_place or _writes_by_name(func)):
        written.append(args[0])
    return tree_leaves(written)
