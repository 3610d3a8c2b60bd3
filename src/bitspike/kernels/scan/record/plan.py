"""A recorded step with its way back, and how its operations are written out as text.

What any backend needs that makes kernels from source: which nodes forward and backward evaluate,
and one line of Python for each of them.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from bitspike.kernels.scan.record.differentiate import Gradients, differentiate
from bitspike.kernels.scan.record.program import Program, operands

_AT_HAND = frozenset({"number", "field", "const"})


@dataclass(frozen=True)
class Plan:
    """A recorded step with its way back.

    Attributes:
        program: the step's operations, and behind them those of the gradients.
        forward: how many of them are the step's.
        gradients: where the gradients are.
        kept: the forward pass's values that backward needs, by node.
    """

    program: Program
    forward: int
    gradients: Gradients
    kept: tuple[int, ...]

    @classmethod
    def of(cls, program: Program, wanted: tuple[int, ...]) -> "Plan":
        """Differentiate ``program`` for input, states, fields and the numbers ``wanted``."""
        forward = len(program.nodes)
        gradients = differentiate(program, wanted)
        seen = needed(program, gradient_nodes(gradients), lambda place: place < forward)
        kept = {p for p in seen if p < forward and program.nodes[p][0] not in _AT_HAND}
        return cls(program, forward, gradients, tuple(smallest_cut(program, kept)))

    @cached_property
    def stored(self) -> tuple[int, ...]:
        """The kept values that the forward kernel writes; the input is kept as it is."""
        return tuple(p for p in self.kept if self.program.nodes[p][0] != "x")

    @cached_property
    def keeps_x(self) -> bool:
        """True if backward needs the input itself."""
        return len(self.stored) < len(self.kept)


def gradient_nodes(gradients: Gradients) -> list[int]:
    """Return every node that is a gradient."""
    places = [gradients.x, *gradients.states]
    places += [*gradients.numbers.values(), *gradients.fields.values()]
    return [place for place in places if place is not None]


def needed(program: Program, results: Iterable[int], stop: Callable[[int], bool]) -> list[int]:
    """Return the nodes that ``results`` depend on, in order, up to where ``stop`` is true."""
    seen, todo = set(results), list(results)
    while todo:
        place = todo.pop()
        if stop(place):
            continue
        for operand in operands(program.nodes[place]):
            if operand not in seen:
                seen.add(operand)
                todo.append(operand)
    return sorted(seen)


def leaves(program: Program, places: Iterable[int], names: Mapping[str, str]) -> dict[int, str]:
    """Return the text of those nodes whose kind is in ``names``.

    A ``{}`` in a name stands for the number of the state or field.
    """
    texts = {}
    for place in places:
        kind, *which = program.nodes[place]
        if kind in names:
            texts[place] = names[kind].format(*which)
    return texts


def stored_leaves(plan: Plan, names: Iterable[str]) -> dict[int, str]:
    """Return the text of the stored values by node; truths are stored as 1 and 0."""
    return {
        place: f"({name} != zero)" if plan.program.is_logical(place) else name
        for place, name in zip(plan.stored, names, strict=True)
    }


def assignments(
    program: Program, places: Iterable[int], leaf: Mapping[int, str], text: Mapping[str, str]
) -> list[str]:
    """Return one assignment for each node, ``n<place> = ...``.

    Args:
        program: whose operations.
        places: the nodes, in order.
        leaf: where the values of some come from.
        text: how the backend writes an operation, with a ``{}`` for each operand.
    """
    lines = []
    for place in places:
        node = program.nodes[place]
        if place in leaf:
            lines.append(f"n{place} = {leaf[place]}")
        elif node[0] == "number":
            lines.append(f"n{place} = p{node[1]}")
        elif node[0] == "const":
            lines.append(f"n{place} = c{place}")
        else:
            values = [f"n{operand}" for operand in operands(node)]
            lines.append(f"n{place} = {text[node[0]].format(*values)}")
    return lines


def constants(program: Program, places: Iterable[int]) -> dict[str, float]:
    """Return the constants among the nodes by the name that `assignments` gives them."""
    return {f"c{p}": program.nodes[p][1] for p in places if program.nodes[p][0] == "const"}


def used_numbers(program: Program, places: Iterable[int]) -> list[int]:
    """Return the positions k of the numbers among the nodes; `assignments` names them ``p<k>``."""
    return sorted(program.nodes[p][1] for p in places if program.nodes[p][0] == "number")


def indent(lines: Iterable[str], by: int) -> str:
    """Return ``lines`` as text, indented by so many times four spaces."""
    return "\n".join("    " * by + line for line in lines)


# -- what forward keeps for backward: as few values as possible ------------------------------------

Vertex = tuple[int, bool]
"""A node's near side (False) or far side (True); what passes between them is kept."""

_SOURCE, _SINK = (-1, True), (-2, False)
_UNLIMITED = 1 << 30


def smallest_cut(program: Program, wanted: set[int]) -> list[int]:
    """Return the fewest nodes from which all ``wanted`` ones can be computed.

    Numbers and fields are at hand anyway; values that come from the input and the states have to
    be kept. This is a smallest vertex cut, found by augmenting paths; of several, the one nearest
    to the input.
    """
    capacity: dict[Vertex, dict[Vertex, int]] = defaultdict(dict)
    relevant, todo = set(wanted), list(wanted)
    while todo:
        for operand in operands(program.nodes[todo.pop()]):
            if operand not in relevant:
                relevant.add(operand)
                todo.append(operand)
    for place in sorted(relevant):
        node = program.nodes[place]
        capacity[place, False][place, True] = 1
        if node[0] in ("x", "state"):
            capacity[_SOURCE][place, False] = _UNLIMITED
        for operand in operands(node):
            capacity[operand, True][place, False] = _UNLIMITED
        if place in wanted:
            capacity[place, True][_SINK] = _UNLIMITED
    while True:
        before: dict[Vertex, Vertex] = {_SOURCE: _SOURCE}
        queue = deque([_SOURCE])
        while queue and _SINK not in before:
            here = queue.popleft()
            for there, free in capacity[here].items():
                if free > 0 and there not in before:
                    before[there] = here
                    queue.append(there)
        if _SINK not in before:
            reached = set(before)
            return [
                p for p in sorted(relevant) if (p, False) in reached and (p, True) not in reached
            ]
        here = _SINK
        while here != _SOURCE:
            there, here = here, before[here]
            capacity[here][there] -= 1
            capacity[there][here] = capacity[there].get(here, 0) + 1
