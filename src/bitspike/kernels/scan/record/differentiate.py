"""Reverse-mode differentiation of a recorded step, by the chain rule, operation by operation."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bitspike.kernels.scan.record.program import Program, Symbol

Rule = Callable[..., tuple[Any, ...]]
"""``rule(g, y, *operands)``: what the gradient ``g`` of the value ``y`` adds to each operand's."""


def _if(condition: Symbol, a: Any, b: Any) -> Symbol:
    return condition.program.apply("where", condition, a, b)


def _extremum(g: Symbol, a: Symbol, b: Symbol, to_b: Symbol, to_a: Symbol) -> tuple[Any, Any]:
    """Return ``g`` for the taken operand, half for each if they are equal, all if one is NaN."""
    half = _if(a == b, g / 2, g)
    return _if(to_b, 0, half), _if(to_a, 0, half)


def _clamp(g: Symbol, y: Symbol, a: Symbol, low: Symbol, high: Symbol) -> tuple[Any, ...]:  # noqa: ARG001
    return (_if((a >= low) & (a <= high), g, 0), None, None)  # the bounds are no tensors


def _power(g: Symbol, y: Symbol, a: Symbol, b: Symbol) -> tuple[Any, ...]:
    program = g.program
    base = _if(b == 0, 0, g * (b * program.apply("pow", a, b - 1)))
    return base, _if((a == 0) & (b >= 0), 0, g * (y * program.apply("log", a)))


def _erf(g: Symbol, y: Symbol, a: Symbol) -> tuple[Any, ...]:  # noqa: ARG001
    slope = g.program.put("const", 2 / math.sqrt(math.pi))
    return (g * slope * g.program.apply("exp", -(a * a)),)


def _erfc(g: Symbol, y: Symbol, a: Symbol) -> tuple[Any, ...]:
    return _erf(-g, y, a)


RULES: dict[str, Rule] = {
    "add": lambda g, y, a, b: (g, g),
    "sub": lambda g, y, a, b: (g, -g),
    "mul": lambda g, y, a, b: (g * b, g * a),
    "div": lambda g, y, a, b: (g / b, -g * (y / b)),
    "neg": lambda g, y, a: (-g,),
    "abs": lambda g, y, a: (g * _if(a > 0, 1, _if(a < 0, -1, 0)),),
    "exp": lambda g, y, a: (g * y,),
    "log": lambda g, y, a: (g / a,),
    "sqrt": lambda g, y, a: (g / (2 * y),),
    "rsqrt": lambda g, y, a: (-(g / 2) * (y * y * y),),
    "sin": lambda g, y, a: (g * g.program.apply("cos", a),),
    "cos": lambda g, y, a: (-(g * g.program.apply("sin", a)),),
    "tanh": lambda g, y, a: (g * (1 - y * y),),
    "sigmoid": lambda g, y, a: (g * (1 - y) * y,),
    "atan": lambda g, y, a: (g / (1 + a * a),),
    "erf": _erf,
    "erfc": _erfc,
    "pow": _power,
    "where": lambda g, y, c, a, b: (None, _if(c, g, 0), _if(c, 0, g)),
    "maximum": lambda g, y, a, b: _extremum(g, a, b, a < b, a > b),
    "minimum": lambda g, y, a, b: _extremum(g, a, b, a > b, a < b),
    "clamp": _clamp,
}
"""Operations that have a gradient; comparisons, ``round``, ``detach`` and the like have none."""


@dataclass(frozen=True, slots=True)
class Gradients:
    """Nodes of the gradients; None where there is none.

    Attributes:
        x: gradient of the input at this step.
        states: of the states before this step.
        numbers: of this step's use of each number, by the number's position.
        fields: the same for the fields.
    """

    x: int | None
    states: tuple[int | None, ...]
    numbers: dict[int, int]
    fields: dict[int, int]


def differentiate(program: Program, numbers: tuple[int, ...]) -> Gradients:
    """Append the way back through ``program`` to it.

    The leaf ``("grad",)`` is the gradient of the output, ``("grad_state", k)`` of the new state k.

    Args:
        program: what `trace` returned.
        numbers: the positions of those numbers whose gradient is wanted.
    """
    forward = len(program.nodes)
    adjoint: dict[int, Symbol] = {}

    def give(place: int, value: Symbol | None) -> None:
        if value is not None:
            adjoint[place] = adjoint[place] + value if place in adjoint else value

    give(program.results[0], program.put("grad"))
    for k, place in enumerate(program.results[1:]):
        give(place, program.put("grad_state", k))
    needed = _depend_on_gradients(program, forward, numbers)
    for place in reversed(range(forward)):
        if place not in adjoint or place not in needed:
            continue
        node, g = program.nodes[place], adjoint[place]
        if node[0] == "fire":
            give(node[1], g * Symbol(program, node[3]))
        elif node[0] in RULES:
            values = [Symbol(program, operand) for operand in node[1:]]
            gradients = RULES[node[0]](g, Symbol(program, place), *values)
            for operand, gradient in zip(node[1:], gradients, strict=True):
                if operand in needed:
                    give(operand, gradient)

    def of(leaf: str, position: int) -> int | None:
        place = program.find(leaf, position)
        return None if place is None or place not in adjoint else adjoint[place].place

    def gradients_of(leaf: str, positions: Iterable[int]) -> dict[int, int]:
        places = ((k, of(leaf, k)) for k in positions)
        return {k: place for k, place in places if place is not None}

    x = adjoint.get(0)
    states = tuple(of("state", k) for k in range(len(program.results) - 1))
    fields = gradients_of("field", range(len(program.fields)))
    return Gradients(
        None if x is None else x.place, states, gradients_of("number", numbers), fields
    )


def _depend_on_gradients(program: Program, forward: int, numbers: tuple[int, ...]) -> set[int]:
    """Return the nodes through which a gradient can reach input, states, fields, wanted numbers."""
    reached_nodes: set[int] = set()
    for place, node in enumerate(program.nodes[:forward]):
        kind = node[0]
        if kind in ("x", "state", "field"):
            reached = True
        elif kind == "number":
            reached = node[1] in numbers
        else:
            reached = kind in RULES and any(operand in reached_nodes for operand in node[1:])
            reached |= kind == "fire" and node[1] in reached_nodes
        if reached:
            reached_nodes.add(place)
    return reached_nodes
