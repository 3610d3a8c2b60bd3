"""Record what a neuron's step computes, so that a backend can compile it.

A step is plain Python: ``step(x, *states) -> (y, *states)``. Called with a `Symbol` for the input
and for each state, it leaves behind a `Program`: its elementwise operations in order. Every float
that it meets becomes an argument of the program and not a part of it, so that another time
constant needs no other kernel; integers are constants.
"""

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from bitspike.surrogate import SurrogateFunctionBase

Node = tuple[Any, ...]
"""``(operation, *operands)``. Operands are numbers of earlier nodes; those of a leaf are not."""

LEAVES = frozenset({"x", "state", "number", "field", "const", "grad", "grad_state"})
COMPARISONS = frozenset({"gt", "ge", "lt", "le", "eq", "ne"})
LOGIC = frozenset({"and", "or", "not"})


class NotTraceableError(TypeError):
    """A step is not elementwise arithmetic."""


class Program:
    """Elementwise operations in the order of their evaluation.

    Attributes:
        nodes: the operations. Equal operations on equal operands stand there once.
        numbers: values of the leaves ``("number", k)``, floats or tensors with one element.
        fields: values of the leaves ``("field", k)``, tensors that are broadcast to the input.
        surrogates: spike function ``k`` of the nodes ``("fire", u, value, k)``.
        results: the nodes of the output and of the new states; set by `trace`.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.numbers: list[float | Tensor] = []
        self.fields: list[Tensor] = []
        self.surrogates: list[SurrogateFunctionBase] = []
        self.results: tuple[int, ...] = ()
        self.recording = False
        self._place: dict[Node, int] = {}

    def copy(self) -> "Program":
        """A program that can grow without changing this one."""
        other = Program()
        other.nodes, other._place = self.nodes.copy(), self._place.copy()
        other.numbers, other.fields = self.numbers.copy(), self.fields.copy()
        other.surrogates, other.results = self.surrogates.copy(), self.results
        return other

    def put(self, *node: Any) -> "Symbol":
        """The value of an operation, evaluated here if it has not been before."""
        if self.recording and not torch.is_grad_enabled():
            # So does torch call the forward of an autograd.Function, whose backward is unknown.
            raise NotTraceableError("it computes in an autograd.Function or without gradients")
        place = self._place.get(node)
        if place is None:
            place = self._place[node] = len(self.nodes)
            self.nodes.append(node)
        return Symbol(self, place)

    def find(self, *node: Any) -> int | None:
        """The number of a node, if it is there."""
        return self._place.get(node)

    def lift(self, value: Any) -> "Symbol":
        """Whatever an equation may contain, as a symbol."""
        if isinstance(value, Symbol):
            return value
        if isinstance(value, int):
            return self.put("const", float(value))
        if isinstance(value, float):
            self.numbers.append(value)
            return self.put("number", len(self.numbers) - 1)
        if isinstance(value, Tensor) and value.is_floating_point():
            kind, kept = ("number", self.numbers) if value.numel() == 1 else ("field", self.fields)
            place = next((k for k, one in enumerate(kept) if one is value), len(kept))
            if place == len(kept):
                kept.append(value)
            return self.put(kind, place)
        raise NotTraceableError(f"it computes with {type(value).__name__}")

    def apply(self, operation: str, *operands: Any) -> "Symbol":
        """The value of ``operation`` on symbols, numbers and tensors."""
        return self.put(operation, *(self.lift(operand).place for operand in operands))

    def is_logical(self, place: int) -> bool:
        """Whether a node's value is true or false rather than a number."""
        return self.nodes[place][0] in COMPARISONS | LOGIC

    def as_number(self, symbol: "Symbol") -> "Symbol":
        """1 and 0 in place of true and false."""
        if self.is_logical(symbol.place):
            return self.put("where", symbol.place, self.lift(1).place, self.lift(0).place)
        return symbol

    def shape_of(self, surrogate: SurrogateFunctionBase) -> tuple[Any, ...]:
        """The shape parameters of a spike function; those that are learned as symbols."""
        shape = surrogate.parameters_of_shape()
        return tuple(self.lift(one) if isinstance(one, Tensor) else one for one in shape)

    def fire(self, u: "Symbol", surrogate: SurrogateFunctionBase) -> "Symbol":
        """Spikes of ``u = h - v_threshold``."""
        shape = self.shape_of(surrogate)
        if not surrogate.spiking:
            primitive: Symbol = surrogate.primitive(u, *shape)
            return primitive
        value = surrogate.fire(u, *shape)
        self.surrogates.append(surrogate)
        spikes = self.put("fire", u.place, value.place, len(self.surrogates) - 1)
        if not any(isinstance(one, Symbol) for one in shape):
            return spikes
        smooth: Symbol = surrogate.primitive(self.apply("detach", u), *shape)
        return spikes + (smooth - self.apply("detach", smooth))  # as `surrogate._fire.fire`


def operands(node: Node) -> tuple[int, ...]:
    """The nodes that a node's value depends on."""
    if node[0] in LEAVES:
        return ()
    return (node[2],) if node[0] == "fire" else node[1:]


# -- what a symbol can do -----------------------------------------------------------------------


def _binary(operation: str) -> Callable[..., Any]:
    return lambda program, a, b: program.apply(operation, *_numbers(program, a, b))


def _reverse(operation: str) -> Callable[..., Any]:
    return lambda program, a, b: program.apply(operation, *_numbers(program, b, a))


def _unary(operation: str) -> Callable[..., Any]:
    return lambda program, a: program.apply(operation, *_numbers(program, a))


def _numbers(program: Program, *values: Any) -> list[Any]:
    return [program.as_number(program.lift(value)) for value in values]


def _divide(program: Program, a: Any, b: Any) -> Any:
    """``a / b``; by a power of two as the product with its reciprocal: the same to the bit.

    A division costs several times as much, and the most common time constant is 2.
    """
    if isinstance(b, float) and abs(math.frexp(b)[0]) == 0.5 and math.isfinite(1.0 / b):
        return program.apply("mul", *_numbers(program, a, 1.0 / b))
    return program.apply("div", *_numbers(program, a, b))


def _power(program: Program, a: Any, b: Any) -> Any:
    if isinstance(b, int | float) and b in (1, 2, 3):
        (a,) = _numbers(program, a)
        return a if b == 1 else a * a if b == 2 else a * a * a
    return program.apply("pow", *_numbers(program, a, b))


def _logical(operation: str) -> Callable[..., Any]:
    def logical(program: Program, *values: Any) -> Any:
        symbols = [program.lift(value) for value in values]
        truths = [s if program.is_logical(s.place) else program.apply("ne", s, 0) for s in symbols]
        return program.apply(operation, *truths)

    return logical


def _where(program: Program, condition: Any, a: Any, b: Any) -> Any:
    condition = program.lift(condition)
    if not program.is_logical(condition.place):
        condition = program.apply("ne", condition, 0)
    return program.apply("where", condition, *_numbers(program, a, b))


def _clamp(program: Program, a: Any, min: Any = None, max: Any = None) -> Any:  # noqa: A002
    low = -math.inf if min is None else min
    high = math.inf if max is None else max
    return program.apply("clamp", *_numbers(program, a, low, high))


def _sign(program: Program, a: Any) -> Any:
    (a,) = _numbers(program, a)
    return program.apply("where", a > 0, 1, program.apply("where", a < 0, -1, 0))


def _same(program: Program, a: Any, *_: Any, **__: Any) -> Any:
    return _numbers(program, a)[0]


_HANDLERS: dict[str, Callable[..., Any]] = {
    "detach": _unary("detach"),
    "pow": _power,
    "where": _where,
    "clamp": _clamp,
    "clip": _clamp,
    "clamp_min": lambda program, a, min: _clamp(program, a, min),  # noqa: A006
    "clamp_max": lambda program, a, max: _clamp(program, a, None, max),  # noqa: A006
    "sign": _sign,
    "relu": lambda program, a, inplace=False: _where(program, program.lift(a) > 0, a, 0),
    "square": lambda program, a: _power(program, a, 2),
    "reciprocal": lambda program, a: program.apply("div", 1, *_numbers(program, a)),
    "rsqrt": lambda program, a: program.apply(
        "div", 1, program.apply("sqrt", *_numbers(program, a))
    ),
    "rsub": _reverse("sub"),
    "heaviside": lambda program, a: program.as_number(program.lift(a) >= 0),
    "zeros_like": lambda program, a, **_: program.lift(0),
    "ones_like": lambda program, a, **_: program.lift(1),
    "bool": _logical("and"),  # of one operand: whether it is not zero
    **dict.fromkeys(("to", "float", "double", "type_as", "clone", "contiguous"), _same),
    **{name: _unary(name) for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid")},
    **{name: _unary(name) for name in ("atan", "erf", "erfc", "abs", "floor", "round", "neg")},
    **{name: _binary(name) for name in ("add", "sub", "mul", "maximum", "minimum", *COMPARISONS)},
    **dict.fromkeys(("div", "truediv", "true_divide"), _divide),
    **{f"r{name}": _reverse(name) for name in ("add", "mul")},
    **dict.fromkeys(("rdiv", "rtruediv"), _reverse("div")),
    **dict.fromkeys(("logical_and", "bitwise_and", "and"), _logical("and")),
    **dict.fromkeys(("logical_or", "bitwise_or", "or"), _logical("or")),
    **dict.fromkeys(("logical_not", "bitwise_not", "invert"), _logical("not")),
}


class Symbol:
    """A value of a step that is being recorded; it behaves like a tensor of unknown shape."""

    __slots__ = ("place", "program")
    __hash__ = None  # type: ignore[assignment]

    if TYPE_CHECKING:  # `_install` makes them

        def __add__(self, other: Any) -> "Symbol": ...
        def __sub__(self, other: Any) -> "Symbol": ...
        def __rsub__(self, other: Any) -> "Symbol": ...
        def __mul__(self, other: Any) -> "Symbol": ...
        def __rmul__(self, other: Any) -> "Symbol": ...
        def __truediv__(self, other: Any) -> "Symbol": ...
        def __neg__(self) -> "Symbol": ...
        def __and__(self, other: Any) -> "Symbol": ...
        def __gt__(self, other: Any) -> "Symbol": ...
        def __ge__(self, other: Any) -> "Symbol": ...
        def __lt__(self, other: Any) -> "Symbol": ...
        def __le__(self, other: Any) -> "Symbol": ...
        def __eq__(self, other: object) -> "Symbol": ...  # type: ignore[override]

    def __init__(self, program: Program, place: int) -> None:
        self.program, self.place = program, place

    @classmethod
    def __torch_function__(
        cls, func: Any, kinds: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is SurrogateFunctionBase.forward:
            surrogate, u = args
            return u.program.fire(u, surrogate)
        name = getattr(func, "__name__", str(func))
        in_place = name.endswith("_") and not name.endswith("__")
        handler = None if in_place else _HANDLERS.get(name.strip("_"))
        program = next(one.program for one in args if isinstance(one, Symbol))
        if handler is None:
            raise NotTraceableError(f"it calls {name}()")
        return handler(program, *args, **(kwargs or {}))

    def __getattr__(self, name: str) -> Any:
        handler = _HANDLERS.get(name)
        if handler is None:
            raise NotTraceableError(f"it uses .{name} of its input or state")
        return lambda *args, **kwargs: handler(self.program, self, *args, **kwargs)

    def __bool__(self) -> bool:
        raise NotTraceableError("it branches on the value of its input or state")

    def __float__(self) -> float:
        raise NotTraceableError("it turns its input or state into a Python number")


def _install(name: str, handler: Callable[..., Any]) -> None:
    def method(self: Symbol, *args: Any) -> Any:
        return handler(self.program, self, *args)

    setattr(Symbol, f"__{name}__", method)


for _name in ("add", "sub", "mul", "truediv", "pow", "neg", "abs", "and", "or", "invert"):
    _install(_name, _HANDLERS[_name])
for _name in ("radd", "rsub", "rmul", "rtruediv", *COMPARISONS):
    _install(_name, _HANDLERS[_name])


def trace(step: Callable[..., Sequence[Any]], states: int) -> Program:
    """Records ``step(x, *states)``.

    Raises:
        NotTraceableError: if it is not elementwise arithmetic, or does something beside it; the
            message says what.
    """
    program = Program()
    symbols = [program.put("x"), *(program.put("state", k) for k in range(states))]
    with torch.enable_grad(), _without_effect(step):
        program.recording = True
        results = step(*symbols)
        program.recording = False
    if len(results) != states + 1:
        raise NotTraceableError(
            f"it returns {len(results)} values for an output and {states} states"
        )
    program.results = tuple(program.as_number(program.lift(one)).place for one in results)
    return program


@contextmanager
def _without_effect(step: Callable[..., Any]) -> Iterator[None]:
    """Refuses a method that writes into its object, and undoes that: a kernel would not do it."""
    own: dict[str, Any] = getattr(getattr(step, "__self__", None), "__dict__", {})
    stores = [own, *(value for value in own.values() if isinstance(value, dict))]
    before = [store.copy() for store in stores]
    written: set[str] = set()
    try:
        yield
    finally:
        for store, kept in zip(stores, before, strict=True):
            if len(store) == len(kept) and all(map(operator.is_, store.values(), kept.values())):
                continue
            written |= {name for name in {*store, *kept} if store.get(name) is not kept.get(name)}
            store.clear()
            store.update(kept)
    if written:
        raise NotTraceableError(f"it writes into {', '.join(map(str, sorted(written)))}")


def deciding_value(program: Program) -> int | None:
    """The node ``u`` if the output is 1 where ``u >= 0`` and else 0; None for other outputs."""
    nodes = program.nodes
    node = nodes[program.results[0]]
    if node[0] != "fire":
        return None
    step = nodes[node[2]]
    if step[0] != "where" or nodes[step[1]][0] != "ge":
        return None
    _, u, zero = nodes[step[1]]
    values = [nodes[place] for place in (zero, *step[2:])]
    return (
        u if u == node[1] and values == [("const", 0.0), ("const", 1.0), ("const", 0.0)] else None
    )
