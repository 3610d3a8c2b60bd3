"""Run the steps of neurons over time. Nothing else in the library calls the engine's scan.

The engine records a step before it compiles it. A key spares the recording at later calls. It is
derived here from all that a step can read: the attributes of the neuron and of its surrogate, and
the functions that the code of the step can reach. Where one of them is not known to be constant,
there is no key, and the step is recorded at each call.
"""

import dis
import marshal
import sys
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import chain, count
from operator import attrgetter, is_, itemgetter
from types import CodeType, FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import kernels
from bitspike.base import MemoryModule
from bitspike.spikes import plain
from bitspike.surrogate import SurrogateFunctionBase

Step = Callable[..., Sequence[Any]]
Sequences = tuple[Tensor, Tensor, Tensor | None]
"""Outputs ``[T, B, ...]``, the last potential ``[B, ...]``, and all potentials or None."""

FUSED_FROM = 6_400
"""Number of neurons from which a single step runs faster in a kernel."""


def full_precision(x: Tensor) -> Tensor:
    """Return ``x`` in float32 under autocast, where membranes keep that precision; else ``x``.

    The inputs of an `autograd.Function` must pass through here, see `bitspike.spikes.plain`.
    """
    x = plain(x)
    half = x.dtype in (torch.float16, torch.bfloat16)
    return x.float() if half and torch.is_autocast_enabled(x.device.type) else x


def run(
    step: Step,
    x_seq: Tensor,
    states: Sequence[Tensor],
    *,
    record: bool = False,
    backend: str = "auto",
    bits: bool = True,
    watcher: MemoryModule | None = None,
) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
    """Run ``step`` over the sequence ``x_seq``, ``[T, B, ...]``.

    Args:
        step: one time step, ``(x, *states)`` to ``(output, *states)``.
        x_seq: input.
        states: states before the first step, ``[B, ...]``.
        record: whether the first state of all steps is returned as well.
        backend: the requested backend.
        bits: whether spikes may come as a `SpikeTensor`.
        watcher: the module that looks whether the graph of the last states has been freed.

    Returns:
        Outputs ``[T, B, ...]``, the last states, and the first state ``[T, B, ...]`` or None.
    """
    return kernels.scan(step, x_seq, states, record, backend, bits, watcher, key=step_key(step))


def run_single(
    node: MemoryModule, step: Step, x: Tensor, states: Sequence[Tensor]
) -> tuple[Tensor, Sequence[Tensor]]:
    """Run one step of ``node`` on ``x``, ``[B, ...]``; return its output and the new states.

    A small step runs in a kernel only where the user asks for one.
    """
    if single_backend(node.backend, x) == "eager":
        y, *after = step(node.watch(x), *states)
        return y, after
    x_seq = x.unsqueeze(0)
    y_seq, last, _ = run(step, x_seq, states, backend=node.backend, bits=False, watcher=node)
    return y_seq[0], last


def single_backend(backend: str, x: Tensor) -> str:
    """Return the backend of a single step on ``x``."""
    return "eager" if backend == "auto" and x.numel() < FUSED_FROM else backend


def run_current(
    step: Step,
    current: kernels.Current,
    states: Sequence[Tensor | float],
    *,
    backend: str = "auto",
    watcher: MemoryModule | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]] | None:
    """Run ``step`` over the current of a linear layer, ``[T, B, O]``, which is not written down.

    Returns:
        Outputs and last states, or None where no kernel computes both together.
    """
    return kernels.scan_of_current(step, current, states, backend, watcher, step_key(step))


def run_function(
    step: Step, x_seq: Tensor, v: Tensor, store_v_seq: bool, *parameters: Any
) -> Sequences:
    """Run the step function ``step``, ``(x, v, *parameters)``, over a sequence."""
    y_seq, (v,), v_seq = run(lambda x, v: step(x, v, *parameters), x_seq, [v], record=store_v_seq)
    return y_seq, v, v_seq


def check_precision(storage: torch.dtype | str | None, fwd: str, bwd: str) -> None:
    """Raise ValueError unless neurons are to be computed in the precision of their input."""
    if storage is not None or fwd != "fp32" or bwd != "fp32":
        raise ValueError(
            f"neuron_storage={storage!r}, neuron_fwd={fwd!r}, neuron_bwd={bwd!r}: neurons are "
            "computed and kept in the precision of their input; leave these arguments out"
        )


# -- the key of a step ----------------------------------------------------------------------


def step_key(step: Step) -> Hashable | None:
    """Return a key that is equal for two steps only if they compute the same; None without one."""
    node, function = getattr(step, "__self__", None), getattr(step, "__func__", None)
    if not isinstance(node, nn.Module) or torch.compiler.is_compiling():
        return None
    name: str = getattr(function, "__name__", "")
    if function is None or getattr(type(node), name, None) is not function:
        return None  # the method is called by another name than that of its function
    return _module_key(node, name)


def _module_key(module: nn.Module, *roots: str) -> Hashable | None:
    """Return all that the functions ``roots`` of ``module`` can read; None if it may change."""
    own, kind = module.__dict__, type(module)
    if own["_parameters"] or own["_buffers"] or not _is_ours(kind.__module__):
        return None
    read = _reader(kind, own)
    values = read(own)
    if not _PLAIN.issuperset(map(type, values)):
        return None
    code = _codes.get((kind, roots))
    if code is None:
        code = _codes[kind, roots] = _Code(kind, roots)
    stamp = code.stamp()
    if stamp is None:
        return None
    # The bytes of marshal differ between 0.0 and -0.0, and between True and 1.
    key: tuple[Any, ...] = (stamp, read, marshal.dumps(values, 2))
    for name, child in own["_modules"].items():
        if child is None:
            key = (*key, name)
            continue
        if not isinstance(child, SurrogateFunctionBase) or child.is_observed():
            return None
        below = _module_key(child, *_SURROGATE)
        if below is None:
            return None
        key = (*key, name, below)
    return key


def _reader(kind: type, own: dict[str, Any]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """Return the function that reads those of the attributes ``own`` that a step may depend on."""
    names, read = _readers.get((kind, len(own)), ([], itemgetter("training")))
    if names != list(own):
        mine = [name for name in own if name not in _FRAME]
        names, read = list(own), itemgetter("training", "training", *mine)
        _readers[kind, len(own)] = names, read
    return read


_PLAIN = frozenset({bool, int, float, str, type(None)})
_FRAME = frozenset(MemoryModule().__dict__) | {"_label"}
"""Attributes of every module, which no step reads: memories come as arguments."""
_SURROGATE = ("forward", "fire", "primitive", "derivative")
_readers: dict[Any, tuple[list[str], Callable[[Any], Any]]] = {}
_codes: dict[Any, "_Code"] = {}
_stamps = count()


class _Code:
    """The functions that some methods of a class can call, seen from their code.

    A method that is replaced, or a global of a module, gives another stamp.
    """

    def __init__(self, kind: type, roots: Sequence[str]) -> None:
        self._kind, self._roots = kind, roots
        self._look()

    def stamp(self) -> int | None:
        """Return a number that stands for these functions; None if they are not all known."""
        try:
            # By identity, since 0.0 equals -0.0 and False.
            same = all(map(is_, self._values(), self._seen))
        except AttributeError:
            same = False
        if not same or list(map(len, self._classes)) != self._sizes:
            self._look()
        return self._stamp

    def _values(self) -> Iterator[Any]:
        return chain.from_iterable([get(owner) for owner, get in self._getters])

    def _look(self) -> None:
        """Find the functions, and how to see whether they are still the same."""
        self._classes = [vars(base) for base in self._kind.__mro__ if _is_ours(base.__module__)]
        self._sizes = list(map(len, self._classes))
        reachable = _Reachable(self._kind)
        for root in self._roots:
            reachable.follow_method(root)
        paths: dict[int, tuple[Any, list[str]]] = {}
        for owner, path in reachable.read:
            paths.setdefault(id(owner), (owner, []))[1].append(path)
        # With "__class__" there are two paths at least: of a single one comes no tuple.
        self._getters = [(owner, attrgetter("__class__", *own)) for owner, own in paths.values()]
        self._seen = list(self._values())
        functions = [_function(value)[0] for own in self._classes for value in own.values()]
        known = reachable.known and all(
            _is_ours(f.__module__) for f in functions if isinstance(f, FunctionType)
        )
        self._stamp = next(_stamps) if known else None


class _Reachable:
    """Walks through the code of functions and collects each attribute that it may read.

    Attributes:
        read: classes and modules, each with the path of an attribute: ``"step.__code__"``.
        known: False once a function of another library, or a value that may change, was met.
    """

    def __init__(self, kind: type) -> None:
        self.read: dict[tuple[Any, str], None] = {}
        self.known = True
        self._kind = kind
        self._done: set[tuple[FunctionType, bool]] = set()

    def follow_method(self, name: str) -> None:
        """Follow the functions that ``self.name`` and ``super().name`` may call."""
        owners = [c for c in self._kind.__mro__ if name in vars(c) and _is_ours(c.__module__)]
        for k, owner in enumerate(owners):
            value, below = _function(vars(owner)[name])
            self._follow(owner if k else self._kind, name + below, value, method=True)

    def _follow(self, owner: Any, path: str, value: Any, method: bool = False) -> None:
        self.read[owner, path] = None
        if not isinstance(value, FunctionType):
            self.known = self.known and _is_constant(value)
            return
        # Tools that reload a module put the new code into the old functions.
        self.read |= {(owner, f"{path}.__code__"): None, (owner, f"{path}.__defaults__"): None}
        outside = {*value.__code__.co_freevars} - {"__class__"} or value.__kwdefaults__
        if outside or not _is_ours(value.__module__) or not _is_constant(value.__defaults__):
            self.known = False
        elif (value, method) not in self._done:
            self._done.add((value, method))
            variables, attributes = _names(value.__code__)
            for name in variables & value.__globals__.keys():
                self._follow_global(value, name, attributes)
            for name in attributes if method else ():
                self.follow_method(name)

    def _follow_global(self, function: FunctionType, name: str, attributes: set[str]) -> None:
        value = function.__globals__[name]
        home = sys.modules[function.__module__]
        if not isinstance(value, ModuleType):
            self._follow(home, name, value)
            return
        self.read[home, name] = None
        if not _is_ours(value.__name__):
            self.known = self.known and value.__name__ in ("torch", "math", "inspect")
            return
        for attribute in attributes:
            if hasattr(value, attribute):
                self._follow(value, attribute, getattr(value, attribute))


def _function(value: Any) -> tuple[Any, str]:
    """Return the function of a method or property, and the path to it from the class's attribute.

    Any other value is returned as it is.
    """
    if isinstance(value, property):
        return value.fget, ".fget"
    if isinstance(value, classmethod):
        return value.__func__, ".__func__"
    return (value.__func__, "") if isinstance(value, staticmethod) else (value, "")


def _is_constant(value: Any) -> bool:
    """Return whether a value of a class or a module stays the same while it is the same object."""
    if isinstance(value, tuple):
        return all(map(_is_constant, value))
    return isinstance(value, type | ModuleType) or type(value) in _PLAIN


def _is_ours(module: str) -> bool:
    return module.startswith("bitspike.")


def _names(code: CodeType) -> tuple[set[str], set[str]]:
    """Return the global variables that a function and those inside of it use, and attributes."""
    variables: set[str] = set()
    attributes: set[str] = set()
    parts = [code]
    for part in parts:
        parts += [inner for inner in part.co_consts if isinstance(inner, CodeType)]
        for instruction in dis.get_instructions(part):
            if instruction.opcode in dis.hasname:
                is_global = instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
                (variables if is_global else attributes).add(instruction.argval)
    return variables, attributes
