"""A step as a program: elementwise operations in order, and the symbols that stand for values."""

import math
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import torch
from torch import Tensor

from bitspike.dispatch import constant_while_compiling
from bitspike.kernels.runtime.memory import unreadable
from bitspike.spikes import SpikeTensor
from bitspike.surrogate import SurrogateFunctionBase

Node = tuple[Any, ...]
"""``(operation, *operands)``. Operands are numbers of earlier nodes; those of a leaf are not."""

LEAVES = frozenset({"x", "state", "number", "field", "const", "grad", "grad_state"})
COMPARISONS = frozenset({"gt", "ge", "lt", "le", "eq", "ne"})
LOGIC = frozenset({"and", "or", "not"})
_LOGICAL = COMPARISONS | LOGIC
_WHOLE = 2**53  # up to here integers are exact in double precision, in which they are handed on
_LARGEST = {kind: torch.finfo(kind).max for kind in (torch.float32, torch.float64)}


class NotTraceableError(TypeError):
    """A step is not elementwise arithmetic."""


class Program:
    """Elementwise operations in the order of their evaluation.

    Every value is a tensor like the input of one step, of the input's dtype or of truths.

    Args:
        dtype: the input's and the states'.
        device: where they are.

    Attributes:
        nodes: the operations. Equal operations on equal operands stand there once.
        numbers: values of the leaves ``("number", k)``, floats or tensors with one element.
        fields: values of the leaves ``("field", k)``, tensors that are broadcast to the input.
        results: the nodes of the output and of the new states; set by `trace`.
        refusal: why the step cannot be recorded, whatever it has done about the exception.
        learning: whether a gradient may be asked for.
        made: takes weak references to all symbols, if it is there.
    """

    def __init__(
        self, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> None:
        self.nodes: list[Node] = []
        self.numbers: list[float | Tensor] = []
        self.fields: list[Tensor] = []
        self.results: tuple[int, ...] = ()
        self.dtype, self.device = dtype, torch.device(device)
        self.recording, self.learning = False, torch.is_grad_enabled()
        self.refusal: str | None = None
        self.made: list[Any] | None = None
        self._largest = _LARGEST.get(dtype, math.inf)
        self._place: dict[Node, int] = {}

    @classmethod
    def restore(
        cls,
        nodes: Sequence[Node],
        results: tuple[int, ...],
        numbers: Sequence[float | Tensor],
        fields: Sequence[Tensor],
        dtype: torch.dtype,
        device: torch.device,
    ) -> "Program":
        """Make a program of what another one consisted of."""
        program = cls(dtype, device)
        program.nodes, program.results = list(nodes), results
        program.numbers, program.fields = list(numbers), list(fields)
        program._place = {node: place for place, node in enumerate(nodes)}
        return program

    def copy(self) -> "Program":
        """Return a program that can grow without changing this one."""
        other = Program(self.dtype, self.device)
        other.nodes, other._place = self.nodes.copy(), self._place.copy()
        other.numbers, other.fields = self.numbers.copy(), self.fields.copy()
        other.results = self.results
        return other

    def refuse(self, why: str) -> NoReturn:
        """Give up, for good: a step may catch the exception and go on.

        Raises:
            NotTraceableError: always.
        """
        self.refusal = self.refusal or why
        raise NotTraceableError(why)

    def place(self, *node: Any) -> int:
        """Return the number of an operation's node, which is appended unless it exists."""
        if self.recording and not torch.is_grad_enabled():
            # So does torch call the forward of an autograd.Function, whose backward is unknown.
            self.refuse("it computes in an autograd.Function or without gradients")
        place = self._place.get(node)
        if place is None:
            place = self._place[node] = len(self.nodes)
            self.nodes.append(node)
        return place

    def put(self, *node: Any) -> "Symbol":
        """Return the value of an operation, which is recorded unless it has been."""
        return self.symbol(self.place(*node))

    def symbol(self, place: int) -> "Symbol":
        """Return the value of a node."""
        symbol = Symbol(self, place)
        if self.made is not None:
            self.made.append(weakref.ref(symbol))
        return symbol

    def find(self, *node: Any) -> int | None:
        """Return the number of a node, if it is there."""
        return self._place.get(node)

    def place_of(self, value: Any) -> int:
        """Return the node of whatever an equation may contain: a symbol, a number, a tensor."""
        if type(value) is Symbol:
            if value.program is not self:
                self.refuse("it keeps values from one call to another")
            return value.place
        if isinstance(value, float):
            value = next(iter({value}))  # of a key of a set Dynamo makes a constant, and guards it
            if self._largest < abs(value) < math.inf:
                self.refuse(f"it computes with {value}, which is beyond {self.dtype}")
            self.numbers.append(value)
            return self.place("number", len(self.numbers) - 1)
        if isinstance(value, int) and abs(value) <= _WHOLE:
            return self.place("const", float(value))
        if not isinstance(value, Tensor):
            self.refuse(f"it computes with {type(value).__name__}")
        return self._place_of_tensor(value)

    def lift(self, value: Any) -> "Symbol":
        """Return anything that an equation may contain as a symbol."""
        return value if type(value) is Symbol else self.symbol(self.place_of(value))

    def _place_of_tensor(self, value: Tensor) -> int:
        why: str | None = None
        if isinstance(value, SpikeTensor):
            why = "it is spikes"
        elif not torch.compiler.is_compiling():  # Dynamo has no memory to look at
            why = unreadable(value)
        if why is not None:
            self.refuse(f"it computes with what no kernel reads: {why}")
        if not value.is_floating_point():
            self.refuse(f"it computes with a tensor of {value.dtype}")
        if value.device != self.device and (value.ndim or value.device.type != "cpu"):
            self.refuse(f"it computes with a tensor on {value.device}, the input is elsewhere")
        kind, kept = ("number", self.numbers) if value.numel() == 1 else ("field", self.fields)
        place = next((k for k, earlier in enumerate(kept) if earlier is value), len(kept))
        if place == len(kept):
            kept.append(value)
        return self.place(kind, place)

    def apply(self, operation: str, *operands: Any) -> "Symbol":
        """Return the value of ``operation`` on symbols, numbers and tensors."""
        return self.put(operation, *map(self.place_of, operands))

    def is_logical(self, place: int) -> bool:
        """Return whether a node's value is true or false rather than a number."""
        return self.nodes[place][0] in _LOGICAL

    def number(self, place: int) -> int:
        """Return the node of 1 and 0 in place of true and false."""
        if self.nodes[place][0] in _LOGICAL:
            return self.place("where", place, self.place("const", 1.0), self.place("const", 0.0))
        return place

    def tensors(self) -> list[Tensor]:
        """Return all tensors that the step computes with, besides its input and its states."""
        return [*(value for value in self.numbers if isinstance(value, Tensor)), *self.fields]

    def fire(self, u: "Symbol", surrogate: SurrogateFunctionBase) -> "Symbol":
        """Return spikes of ``u = h - v_threshold``, whose gradient is the surrogate's slope."""
        if surrogate.is_observed():
            self.refuse("a hook looks at each call of its surrogate function")
        kind, given = type(surrogate), surrogate.parameters_of_shape()
        shape = [self.lift(p) if isinstance(p, Tensor) else p for p in given]
        if not surrogate.spiking:
            return self.number_of(kind.primitive(u, *shape), "surrogate function")
        value = self.number_of(kind.fire(u, *shape), "surrogate function")
        slope = self.number(self.place_of(kind.derivative(u, *shape)))
        spikes = self.put("fire", u.place, value.place, slope)
        if not self.learning or not any(isinstance(p, Tensor) and p.requires_grad for p in given):
            return spikes
        smooth = self.lift(kind.primitive(self.apply("detach", u), *shape))
        return spikes + (smooth - self.apply("detach", smooth))  # as spikes of surrogates

    def number_of(self, value: Any, whose: str) -> "Symbol":
        """Return ``value``, if it is a symbol that is a number."""
        if type(value) is not Symbol:
            self.refuse(f"its {whose} gives {type(value).__name__} in place of a new tensor")
        if self.is_logical(self.place_of(value)):
            self.refuse(f"its {whose} gives truths, a tensor of torch.bool")
        return value


def operands(node: Node) -> tuple[int, ...]:
    """Return the nodes that a node's value depends on."""
    if node[0] in LEAVES:
        return ()
    return (node[2],) if node[0] == "fire" else node[1:]


class Symbol:
    """A value of a step that is being recorded; it behaves like a tensor of unknown shape."""

    __hash__ = None  # type: ignore[assignment]

    handlers: ClassVar[dict[str, Callable[..., Any]]] = {}
    """Torch's functions of symbols, by name: ``handler(program, *args, **kwargs)``."""

    if TYPE_CHECKING:  # `_handlers` makes them

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
        kwargs = kwargs or {}
        if func is SurrogateFunctionBase.forward:
            surrogate, u = args
            return u.program.fire(u.program.number_of(u, "membrane"), surrogate)
        name = _name_of(func)
        programs = map(_program_of, (*args, *kwargs.values()))
        program = next((program for program in programs if program is not None), None)
        if program is None:
            raise NotTraceableError(f"it calls {name}()")
        in_place = name.endswith("_") and not name.endswith("__")
        if func is Tensor.where:  # a method of the value and not of the condition
            args = (args[1], args[0], *args[2:])
        return _call(program, name, None if in_place else name.strip("_"), args, kwargs)

    def __getattr__(self, name: str) -> Any:
        program = self.program
        if name == "dtype":
            return torch.bool if program.is_logical(self.place) else program.dtype
        if name == "device":
            return program.device
        if name not in self.handlers:
            program.refuse(f"it uses .{name} of its input or state")
        if name == "where":
            return lambda c, *args: _call(program, name, name, (c, self, *args), {})
        return lambda *args, **kwargs: _call(program, name, name, (self, *args), kwargs)

    def __bool__(self) -> bool:
        self.program.refuse("it branches on the value of its input or state")

    def __float__(self) -> float:
        self.program.refuse("it turns its input or state into a Python number")

    __int__ = __index__ = __complex__ = __float__

    def __len__(self) -> int:
        self.program.refuse("it asks for the shape of its input or state")

    def __iter__(self) -> Any:
        self.program.refuse("it asks for the elements of its input or state")

    def __getitem__(self, index: Any) -> Any:
        self.program.refuse("it asks for the elements of its input or state")


@constant_while_compiling
def _name_of(function: Any) -> str:
    """Return the name of one of torch's functions, also while Dynamo traces the recording."""
    return getattr(function, "__name__", str(function))


def _program_of(value: Any) -> Program | None:
    if type(value) is Symbol:
        return value.program
    if isinstance(value, list | tuple):
        return next((part.program for part in value if type(part) is Symbol), None)
    return None


def _call(
    program: Program, name: str, handled: str | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    handler = Symbol.handlers.get(handled or "")
    if handler is None:
        program.refuse(f"it calls {name}()")
    try:
        return handler(program, *args, **kwargs)
    except NotTraceableError:
        raise
    except TypeError:  # an argument that the handler does not take
        program.refuse(f"it calls {name}() with arguments that are not recorded")


def deciding_value(program: Program) -> int | None:
    """Return the node ``u`` if the output is 1 where ``u >= 0``, else 0; None of other outputs."""
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
