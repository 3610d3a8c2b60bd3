"""What a forward pass keeps for backward: as few values as possible."""

from collections import defaultdict, deque

from bitspike.kernels.scan.record.program import Program, operands

Vertex = tuple[int, bool]
"""A node's near side (False) or far side (True); what passes between them is kept."""

_SOURCE, _SINK = (-1, True), (-2, False)
_UNLIMITED = 1 << 30


def smallest_cut(program: Program, wanted: set[int]) -> list[int]:
    """The fewest nodes from which all ``wanted`` ones can be computed.

    Numbers and fields are at hand anyway; what has to be kept is what comes from the input and
    the states. This is a smallest vertex cut, found by augmenting paths; where there are several,
    the one nearest to the input.
    """
    capacity: dict[Vertex, dict[Vertex, int]] = defaultdict(dict)
    relevant, todo = set(wanted), list(wanted)
    while todo:
        for one in operands(program.nodes[todo.pop()]):
            if one not in relevant:
                relevant.add(one)
                todo.append(one)
    for place in sorted(relevant):
        node = program.nodes[place]
        capacity[place, False][place, True] = 1
        if node[0] in ("x", "state"):
            capacity[_SOURCE][place, False] = _UNLIMITED
        for one in operands(node):
            capacity[one, True][place, False] = _UNLIMITED
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
