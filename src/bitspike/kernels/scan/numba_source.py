"""Write a recorded step out as the Python source of two kernels: its scan over T, and back.

A row is one sample: ``R`` rows of ``N`` neurons, ``W = ceil(N / 64)`` words of spikes. Arrays are
one-dimensional; ``x_t`` and ``x_r`` are the strides of time and of row, neighbouring neurons of a
row lie side by side. A task is ``rows`` whole rows, which must follow each other without a gap,
or, with ``rows = 1``, a block of one row. Its states stay in the first-level cache over all T.

Forward keeps nothing but the input and the states at the start. Backward runs each task's steps
again, with the values that it needs in the cache: that costs less than writing them to memory.

No arithmetic is reordered and none fused, so that spikes and potentials equal the eager
reference's to the bit.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numba import prange

from bitspike.kernels.bits import numba as bits_kernels
from bitspike.kernels.runtime.numba_kernel import Kernel, function_of
from bitspike.kernels.scan.record.plan import (
    Plan,
    assignments,
    constants,
    gradient_nodes,
    indent,
    leaves,
    needed,
    stored_leaves,
    used_numbers,
)
from bitspike.kernels.scan.record.program import Program, deciding_value

BLOCK = 1024  # neurons a task

TEXT = {
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
    "and": "{} & {}",
    "or": "{} | {}",
    "not": "not {}",
    "where": "{1} if {0} else {2}",
    "maximum": "{0} if ({0} >= {1}) | ({0} != {0}) else {1}",
    "minimum": "{0} if ({0} <= {1}) | ({0} != {0}) else {1}",
    "clamp": "{1} if {0} < {1} else ({2} if {0} > {2} else {0})",
    "rsqrt": "one / sqrt({})",  # torch rounds otherwise, as it does in exp
    "sigmoid": "one / (one + exp(-{}))",
    "detach": "{}",
    "fire": "{}",
}
TEXT |= {name: f"{name}({{}})" for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "atan")}
TEXT |= {name: f"{name}({{}})" for name in ("erf", "erfc", "abs", "floor", "round")}

FUNCTIONS = {
    **{name: getattr(math, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "atan")},
    "erf": math.erf,
    "erfc": math.erfc,
    "floor": np.floor,
    "round": np.rint,  # half to even, as torch
    "prange": prange,
    "np": np,
    "BLOCK": BLOCK,
    "WORD": bits_kernels.WORD,
}


@dataclass(frozen=True, slots=True)
class Source:
    """A kernel's text, the constants that it names, and its array arguments (see `Kernel`).

    ``names`` has what else the text names.
    """

    text: str
    constants: dict[str, float]
    arrays: str
    names: Mapping[str, Any] = field(default_factory=dict)

    def kernel(self, dtype: torch.dtype) -> Kernel:
        """Return the kernel in one precision."""
        kind, numbers = {torch.float32: ("f32", np.float32), torch.float64: ("f64", np.float64)}[
            dtype
        ]
        names: dict[str, Any] = {name: numbers(value) for name, value in self.constants.items()}
        pack = bits_kernels.pack_float32 if kind == "f32" else bits_kernels.pack_float64
        names |= {"dtype": numbers, "one": numbers(1), "zero": numbers(0), "pack": pack}
        names = {**FUNCTIONS, **self.names, **names, "__name__": __name__}
        digest = hashlib.sha256(f"{self.text}{sorted(self.constants.items())}{kind}".encode())
        function = function_of(self.text, __file__, names)
        arrays = self.arrays.replace("real[", f"{kind}[")
        return Kernel(function, arrays, digest.hexdigest()[:16])


def arrays_of(names: Iterable[str], kinds: Mapping[str, str]) -> str:
    """Return the array arguments of a kernel; those without a kind are flat, of its precision."""
    return ", ".join(f"{name} {kinds.get(name, 'real[]')}" for name in names)


_KINDS = {"words": "u64[]"}


def number_lines(program: Program, places: list[int]) -> list[str]:
    """Return lines that read the numbers that the nodes use."""
    return [f"p{k} = numbers[{k}]" for k in used_numbers(program, places)]


def _state_lines(program: Program) -> list[str]:
    """Return lines that allocate what a task needs to run its steps."""
    states, fields = range(len(program.results) - 1), range(len(program.fields))
    lines = [f"state{k} = np.empty(count, dtype)" for k in states]
    for k in states:
        lines += [
            f"if len(start{k}) == 1:",  # all neurons start alike
            f"    state{k}[:] = start{k}[0]",
            "else:",
            f"    state{k}[:] = start{k}[own : own + count]",
        ]
    return lines + [f"field{k} = given{k}[own : own + count]" for k in fields]


def step_lines(program: Program, places: list[int]) -> list[str]:
    """Return lines for one step of neuron j, which leaves the new states behind."""
    names = {"x": "x_row[j]", "state": "state{}[j]", "field": "field{}[j]"}
    leaf = leaves(program, places, names)
    new = enumerate(program.results[1:])
    return [
        *assignments(program, places, leaf, TEXT),
        *(f"state{k}[j] = n{place}" for k, place in new),
    ]


def forward_source(plan: Plan, bits: bool) -> Source:
    """Write the scan over T; with ``bits`` the output is words of spikes, else dense."""
    program = plan.program
    y, *new = program.results
    u = deciding_value(program) if bits else None
    decided = y if u is None else u
    states, fields = range(len(new)), range(len(program.fields))
    places = needed(program, [*new, decided], lambda _: False)
    body = [*step_lines(program, places), f"y[j] = n{decided}"]
    allocate = _state_lines(program)
    arguments = [f"start{k}" for k in states] + [f"last{k}" for k in states]
    arguments += [f"given{k}" for k in fields]
    output = _BITS if bits else ["out[row : row + count] = y[:count]"]
    tensors = ("x", "words" if bits else "out", "v_seq", *arguments)
    text = f"""
def forward(x, x_t, x_r, {tensors[1]}, v_seq, T, R, N, rows, numbers, {", ".join(arguments)}):
    blocks = (N + BLOCK - 1) // BLOCK
    W = (N + WORD - 1) // WORD
    for task in prange((R + rows - 1) // rows * blocks):
        r = task // blocks * rows
        begin = (task % blocks) * BLOCK
        width = min(BLOCK, N - begin)
        count = width * min(rows, R - r)
        own = r * N + begin
{indent(number_lines(program, places), 2)}
{indent(allocate, 2)}
        y = np.empty(BLOCK + WORD, dtype)  # packing reads beyond the last neuron
        for t in range(T):
            at = t * x_t + r * x_r + begin
            x_row = x[at : at + count]
            row = t * R * N + own
            for j in range(count):
{indent(body, 4)}
            if len(v_seq) > 0:
                v_seq[row : row + count] = state0
{indent(output, 3)}
{indent([f"last{k}[own : own + count] = state{k}" for k in states], 2)}
"""
    return Source(text, constants(program, places), arrays_of(tensors, _KINDS))


_BITS = [
    "word = (t * R + r) * W + begin // WORD",
    "for first in range(0, count, width):",
    "    for j in range(0, width, WORD):",
    "        bits = pack(y, first + j, min(WORD, width - j), zero)",
    "        words[word + first // width * W + j // WORD] = bits",
]


def replay(plan: Plan, start: list[str], row: list[str], size: str, keep: str) -> list[str]:
    """Return lines that run a task again and keep the values that backward needs of each step.

    Args:
        plan: a step that keeps something.
        start: what is made before the first step, the states among it.
        row: what is made at each step, ``x_row`` among it.
        size: how many neurons a row has.
        keep: where a kept value of neuron j goes; ``{}`` stands for its number.
    """
    program, stored = plan.program, plan.stored
    places = needed(program, [*program.results[1:], *stored], lambda _: False)
    body = step_lines(program, places)
    body += [f"{keep.format(i)} = n{place}" for i, place in enumerate(stored)]
    return [
        *number_lines(program, places),
        *start,
        "for t in range(T):",
        *(f"    {line}" for line in row),
        f"    for j in range({size}):",
        *(f"        {line}" for line in body),
    ]


def _replay(plan: Plan) -> list[str]:
    if not plan.stored:
        return []
    start = _state_lines(plan.program)
    start += [f"all{i} = np.empty(T * count, dtype)" for i in range(len(plan.stored))]
    row = ["x_at = t * x_t + r * x_r + begin", "x_row = x[x_at : x_at + count]"]
    return replay(plan, start, row, "count", "all{}[t * count + j]")


def backward_source(plan: Plan, constant: bool) -> Source:
    """Write the way back from step T - 1 to 0; the gradient of a ``constant`` input is a sum."""
    program, gradients = plan.program, plan.gradients
    states, fields = range(len(program.results) - 1), range(len(program.fields))
    places = needed(program, gradient_nodes(gradients), lambda place: place in plan.kept)
    stored = range(len(plan.stored))
    names = {"x": "x_row[j]", "field": "field{}[j]", "grad": "g_row[j]", "grad_state": "grad{}[j]"}
    leaf = stored_leaves(plan, (f"kept{i}[j]" for i in stored))
    leaf |= leaves(program, places, names)
    body = assignments(program, places, leaf, TEXT)
    body += [
        f"total[j] += {_name(gradients.x)}" if constant else f"gx_row[j] = {_name(gradients.x)}"
    ]
    body += [f"grad{k}[j] = {_name(place)}" for k, place in enumerate(gradients.states)]
    body += [f"sum{k} += np.float64(n{place})" for k, place in gradients.numbers.items()]
    body += [f"grad_field{k}[j] += n{place}" for k, place in gradients.fields.items()]
    allocate = [f"grad{k} = np.zeros(count, dtype)" for k in states]
    for k in states:
        allocate += [f"if len(end{k}) > 0:", f"    grad{k}[:] = end{k}[own : own + count]"]
    allocate += [f"field{k} = given{k}[own : own + count]" for k in fields]
    allocate += [f"grad_field{k} = np.zeros(count, dtype)" for k in fields]
    allocate += [f"sum{k} = np.float64(0.0)" for k in gradients.numbers]
    finish = []
    for k in states:
        finish += [f"if len(first{k}) > 0:", f"    first{k}[own : own + count] = grad{k}"]
    finish += [f"to_field{k}[own : own + count] = grad_field{k}" for k in fields]
    if constant:
        allocate += ["total = np.zeros(count, dtype)"]
        finish += ["gx_at = r * gx_r + begin", "gx[gx_at : gx_at + count] = total"]
    finish += [f"sums[{i}, task] = sum{k}" for i, k in enumerate(gradients.numbers)]
    arguments = [f"start{k}" for k in states]
    arguments += [f"end{k}" for k in states] + [f"first{k}" for k in states]
    arguments += [f"given{k}" for k in fields] + [f"to_field{k}" for k in fields]
    text = f"""
def backward(
    g, g_t, g_r, gv_seq, x, x_t, x_r, gx, gx_t, gx_r, sums, T, R, N, block, rows, numbers,
    {", ".join(arguments)},
):
    blocks = (N + block - 1) // block
    for task in prange((R + rows - 1) // rows * blocks):
        r = task // blocks * rows
        begin = (task % blocks) * block
        count = min(block, N - begin) * min(rows, R - r)
        own = r * N + begin
{indent(_replay(plan), 2)}
{indent(number_lines(program, places), 2)}
{indent(allocate, 2)}
        for step in range(T):
            t = T - 1 - step
            g_at = t * g_t + r * g_r + begin
            g_row = g[g_at : g_at + count]
            x_at = t * x_t + r * x_r + begin
            x_row = x[x_at : x_at + count]
{indent([] if constant else _GX_ROW, 3)}
{indent([f"kept{i} = all{i}[t * count : (t + 1) * count]" for i in stored], 3)}
            if len(gv_seq) > 0:
                row = t * R * N + own
                gv_row = gv_seq[row : row + count]
                for j in range(count):
                    grad0[j] += gv_row[j]
            for j in range(count):
{indent(body, 4)}
{indent(finish, 2)}
"""
    tensors = ("g", "gv_seq", "x", "gx", *arguments)
    arrays = arrays_of(tensors, _KINDS)
    return Source(text, constants(program, range(len(program.nodes))), arrays)


_GX_ROW = ["gx_at = t * gx_t + r * gx_r + begin", "gx_row = gx[gx_at : gx_at + count]"]


def _name(place: int | None) -> str:
    return "zero" if place is None else f"n{place}"
