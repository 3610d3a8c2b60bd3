"""Write a recorded step out as the Python source of two kernels: its scan over T, and back.

A row is one sample: ``R`` rows of ``N`` neurons, ``W = ceil(N / 64)`` words of spikes. Arrays are
one-dimensional; ``x_t`` and ``x_r`` are the strides of time and of row, neighbouring neurons of a
row lie side by side. A task is ``rows`` whole rows, which must follow each other without a gap,
or, with ``rows = 1``, a block of one row. Its states stay in the first-level cache over all T.

No arithmetic is reordered and none fused, so that spikes and potentials equal the eager
reference's to the bit.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from types import CodeType, FunctionType
from typing import Any

import numpy as np
from numba import prange

from bitspike.kernels._cut import smallest_cut
from bitspike.kernels._differentiate import Gradients, differentiate
from bitspike.kernels._trace import Program, deciding_value, operands
from bitspike.kernels.numba import _pack

BLOCK = 1024  # neurons a task

_TEXT = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / {}",
    "neg": "-{}",
    "pow": "{} ** {}",
    "gt": "{} > {}",
    "ge": "{} >= {}",
    "lt": "{} < {}",
    "le": "{} <= {}",
    "eq": "{} == {}",
    "ne": "{} != {}",
    "or": "{} | {}",
    "not": "not {}",
    "where": "{1} if {0} else {2}",
    "maximum": "{0} if {0} >= {1} else {1}",
    "minimum": "{0} if {0} <= {1} else {1}",
    "clamp": "{1} if {0} < {1} else ({2} if {0} > {2} else {0})",
    "sigmoid": "one / (one + exp(-{}))",
    "detach": "{}",
    "fire": "{}",
}
_TEXT |= {name: f"{name}({{}})" for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "atan")}
_TEXT |= {name: f"{name}({{}})" for name in ("erf", "abs", "floor", "round")}

_FUNCTIONS = {
    **{name: getattr(math, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "atan")},
    "erf": math.erf,
    "floor": np.floor,
    "round": np.rint,  # half to even, as torch
    "prange": prange,
    "np": np,
    "BLOCK": BLOCK,
    "WORD": _pack.WORD,
}


@dataclass(frozen=True, slots=True)
class Source:
    """A kernel's text, and the constants that it names."""

    text: str
    constants: dict[str, float]

    def function(self, dtype: type[np.floating[Any]]) -> FunctionType:
        """The kernel as a Python function, in one precision."""
        # Under the name of this file, for Numba keeps its cache beside the file of a function.
        module = compile(self.text, __file__, "exec")
        code = next(one for one in module.co_consts if isinstance(one, CodeType))
        single = dtype is np.float32
        names: dict[str, Any] = {name: dtype(value) for name, value in self.constants.items()}
        pack = _pack.pack_float32 if single else _pack.pack_float64
        names |= {"dtype": dtype, "one": dtype(1), "zero": dtype(0), "pack": pack}
        return FunctionType(code, {**_FUNCTIONS, **names, "__name__": __name__})


@dataclass(frozen=True)
class Plan:
    """A recorded step with its way back.

    Attributes:
        program: the step's operations, and behind them those of the gradients.
        forward: how many of them are the step's.
        numbers: how many of the program's numbers are the step's.
        gradients: where the gradients are.
        kept: the forward pass's values that backward needs, by node.
    """

    program: Program
    forward: int
    numbers: int
    gradients: Gradients
    kept: tuple[int, ...]

    @classmethod
    def of(cls, program: Program, wanted: tuple[int, ...]) -> "Plan":
        """Differentiates ``program`` for input, states, fields and the numbers ``wanted``."""
        forward, numbers = len(program.nodes), len(program.numbers)
        gradients = differentiate(program, wanted)
        seen = _needed(program, _gradient_nodes(gradients), lambda place: place < forward)
        kept = {p for p in seen if p < forward and program.nodes[p][0] not in _AT_HAND}
        return cls(program, forward, numbers, gradients, tuple(smallest_cut(program, kept)))

    @cached_property
    def stored(self) -> tuple[int, ...]:
        """The kept values that the forward kernel writes; the input is kept as it is."""
        return tuple(p for p in self.kept if self.program.nodes[p][0] != "x")

    @cached_property
    def keeps_x(self) -> bool:
        """Whether backward needs the input itself."""
        return len(self.stored) < len(self.kept)


_AT_HAND = frozenset({"number", "field", "const"})


def _gradient_nodes(gradients: Gradients) -> list[int]:
    found = [gradients.x, *gradients.states]
    found += [*gradients.numbers.values(), *gradients.fields.values()]
    return [place for place in found if place is not None]


def _needed(program: Program, results: Iterable[int], stop: Callable[[int], bool]) -> list[int]:
    """The nodes that ``results`` depend on, in order; what lies behind a ``stop`` is not."""
    seen, todo = set(results), list(results)
    while todo:
        place = todo.pop()
        if stop(place):
            continue
        for one in operands(program.nodes[place]):
            if one not in seen:
                seen.add(one)
                todo.append(one)
    return sorted(seen)


def _lines(program: Program, places: Iterable[int], leaf: dict[int, str]) -> list[str]:
    """One assignment for each node; ``leaf`` says where the values of some come from."""
    lines = []
    for place in places:
        node = program.nodes[place]
        if place in leaf:
            lines.append(f"n{place} = {leaf[place]}")
        elif node[0] == "number":
            lines.append(f"n{place} = p{node[1]}")
        elif node[0] == "const":
            lines.append(f"n{place} = c{place}")
        elif node[0] == "and":  # of any number of truths
            lines.append(f"n{place} = {' & '.join(f'n{one}' for one in node[1:])}")
        else:
            values = [f"n{one}" for one in operands(node)]
            lines.append(f"n{place} = {_TEXT[node[0]].format(*values)}")
    return lines


def _constants(program: Program, places: Iterable[int]) -> dict[str, float]:
    return {f"c{p}": program.nodes[p][1] for p in places if program.nodes[p][0] == "const"}


def _indent(lines: Iterable[str], by: int) -> str:
    return "\n".join("    " * by + line for line in lines)


def _number_lines(program: Program, places: Iterable[int]) -> list[str]:
    used = sorted(program.nodes[p][1] for p in places if program.nodes[p][0] == "number")
    return [f"p{k} = numbers[{k}]" for k in used]


def forward_source(plan: Plan, bits: bool) -> Source:
    """The scan over T; with ``bits`` the output is words of spikes, else dense."""
    program, stored = plan.program, plan.stored
    y, *new = program.results
    u = deciding_value(program) if bits else None
    states, fields = range(len(new)), range(len(program.fields))
    places = _needed(program, [*new, *stored, y if u is None else u], lambda _: False)
    leaf = {0: "x_row[j]"}
    for place in places:
        kind, *which = program.nodes[place]
        if kind == "state":
            leaf[place] = f"state{which[0]}[j]"
        elif kind == "field":
            leaf[place] = f"field{which[0]}[j]"
    body = _lines(program, places, leaf)
    body += [f"kept{i}[j] = n{place}" for i, place in enumerate(stored)]
    body += [f"state{k}[j] = n{place}" for k, place in enumerate(new)]
    body += [f"y[j] = n{y if u is None else u}"]
    allocate = [f"state{k} = np.empty(count, dtype)" for k in states]
    allocate += [f"state{k}[:] = start{k}[own : own + count]" for k in states]
    allocate += [f"scratch{i} = np.empty(count, dtype)" for i in range(len(stored))]
    allocate += [f"field{k} = given{k}[own : own + count]" for k in fields]
    keep = [
        f"kept{i} = store{i}[row : row + count] if saving else scratch{i}"
        for i in range(len(stored))
    ]
    arguments = [f"start{k}" for k in states] + [f"last{k}" for k in states]
    arguments += [f"given{k}" for k in fields] + [f"store{i}" for i in range(len(stored))]
    output = _BITS if bits else ["out[row : row + count] = y[:count]"]
    text = f"""
def forward(x, x_t, x_r, out, v_seq, T, R, N, rows, saving, numbers, {", ".join(arguments)}):
    blocks = (N + BLOCK - 1) // BLOCK
    W = (N + WORD - 1) // WORD
    for task in prange((R + rows - 1) // rows * blocks):
        r = task // blocks * rows
        begin = (task % blocks) * BLOCK
        width = min(BLOCK, N - begin)
        count = width * min(rows, R - r)
        own = r * N + begin
{_indent(_number_lines(program, places), 2)}
{_indent(allocate, 2)}
        y = np.empty(BLOCK + WORD, dtype)  # packing reads beyond the last neuron
        for t in range(T):
            at = t * x_t + r * x_r + begin
            x_row = x[at : at + count]
            row = t * R * N + own
{_indent(keep, 3)}
            for j in range(count):
{_indent(body, 4)}
            if len(v_seq) > 0:
                v_seq[row : row + count] = state0
{_indent(output, 3)}
{_indent([f"last{k}[own : own + count] = state{k}" for k in states], 2)}
"""
    return Source(text, _constants(program, places))


_BITS = [
    "word = (t * R + r) * W + begin // WORD",
    "for first in range(0, count, width):",
    "    for j in range(0, width, WORD):",
    "        bits = pack(y, first + j, min(WORD, width - j), zero)",
    "        out[word + first // width * W + j // WORD] = bits",
]


def backward_source(plan: Plan) -> Source:
    """The gradient's way back from step T - 1 to 0."""
    program, gradients = plan.program, plan.gradients
    states, fields = range(len(program.results) - 1), range(len(program.fields))
    results = _gradient_nodes(gradients)
    places = _needed(program, results, lambda place: place in plan.kept)
    stored = plan.stored
    leaf = {place: f"kept{i}[j]" for i, place in enumerate(stored)}
    for place in places:
        kind, *which = program.nodes[place]
        if kind == "x":
            leaf[place] = "x_row[j]"
        elif kind == "field":
            leaf[place] = f"field{which[0]}[j]"
        elif kind == "grad":
            leaf[place] = "g_row[j]"
        elif kind == "grad_state":
            leaf[place] = f"grad{which[0]}[j]"
    body = _lines(program, places, leaf)
    body += [f"gx_row[j] = {_name(gradients.x)}"]
    body += [f"grad{k}[j] = {_name(place)}" for k, place in enumerate(gradients.states)]
    body += [f"sum{k} += np.float64(n{place})" for k, place in gradients.numbers.items()]
    body += [f"grad_field{k}[j] += n{place}" for k, place in gradients.fields.items()]
    allocate = [f"grad{k} = np.empty(count, dtype)" for k in states]
    allocate += [f"grad{k}[:] = end{k}[own : own + count]" for k in states]
    allocate += [f"field{k} = given{k}[own : own + count]" for k in fields]
    allocate += [f"grad_field{k} = np.zeros(count, dtype)" for k in fields]
    allocate += [f"sum{k} = np.float64(0.0)" for k in gradients.numbers]
    finish = [f"first{k}[own : own + count] = grad{k}" for k in states]
    finish += [f"to_field{k}[own : own + count] = grad_field{k}" for k in fields]
    finish += [f"sums[{i}, task] = sum{k}" for i, k in enumerate(gradients.numbers)]
    arguments = [f"end{k}" for k in states] + [f"first{k}" for k in states]
    arguments += [f"given{k}" for k in fields] + [f"to_field{k}" for k in fields]
    arguments += [f"store{i}" for i in range(len(stored))]
    text = f"""
def backward(
    g, g_t, g_r, gv_seq, x, x_t, x_r, gx, gx_t, gx_r, sums, T, R, N, rows, numbers,
    {", ".join(arguments)},
):
    blocks = (N + BLOCK - 1) // BLOCK
    for task in prange((R + rows - 1) // rows * blocks):
        r = task // blocks * rows
        begin = (task % blocks) * BLOCK
        count = min(BLOCK, N - begin) * min(rows, R - r)
        own = r * N + begin
{_indent(_number_lines(program, places), 2)}
{_indent(allocate, 2)}
        for step in range(T):
            t = T - 1 - step
            row = t * R * N + own
            g_at = t * g_t + r * g_r + begin
            g_row = g[g_at : g_at + count]
            x_at = t * x_t + r * x_r + begin
            x_row = x[x_at : x_at + count]
            gx_at = t * gx_t + r * gx_r + begin
            gx_row = gx[gx_at : gx_at + count]
{_indent([f"kept{i} = store{i}[row : row + count]" for i in range(len(stored))], 3)}
            if len(gv_seq) > 0:
                gv_row = gv_seq[row : row + count]
                for j in range(count):
                    grad0[j] += gv_row[j]
            for j in range(count):
{_indent(body, 4)}
{_indent(finish, 2)}
"""
    return Source(text, _constants(program, places))


def _name(place: int | None) -> str:
    return "zero" if place is None else f"n{place}"
