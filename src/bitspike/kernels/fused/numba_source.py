"""Write a linear layer on constant-rate spikes and the neurons behind it as one kernel.

What is worked on together is a row of 64 lanes: ``S`` samples side by side with ``L = 64 / S``
outputs each. Four of them share a row if the layer has at most 16 outputs, two up to 32; of a wider
layer a row holds the 64 outputs of one word of spikes. The current of a row stays in the cache
between layer and neurons, and so does its gradient on the way back.

All is added up in the order of `numba_tables`, and the step is that of `_scan_source`, so that
spikes and gradients are those of the two kernels in turn, to the bit.
"""

from typing import Any

import numpy as np

from bitspike.kernels.linear import numba_tables
from bitspike.kernels.runtime.numba_simd import empty16, splat16
from bitspike.kernels.scan.numba_source import (
    TEXT,
    Source,
    arrays_of,
    number_lines,
    replay,
    step_lines,
)
from bitspike.kernels.scan.record.plan import (
    Plan,
    assignments,
    constants,
    gradient_nodes,
    indent,
    leaves,
    needed,
    stored_leaves,
)
from bitspike.kernels.scan.record.program import deciding_value

LANES = numba_tables.LANES
ROW = 64

_INLINED = (
    "add_block", "add_gradient", "add_up", "fetch_ahead", "turn_block", "turn_units"
)  # fmt: skip
_NAMES: dict[str, Any] = {
    "ALL": np.uint64(0xFFFFFFFFFFFFFFFF),
    "LANES": LANES,
    "ROW": ROW,
    "TABLE": numba_tables.TABLE,
    "TABLES": numba_tables.CHUNK * numba_tables.TABLE,
    **{name: getattr(numba_tables, name) for name in _INLINED},
    "empty16": empty16,
    "splat16": splat16,
}
_KINDS = {
    "index": "i32[B, L]",
    "count": "i32[B]",
    "units": "u64[B, G, H]",
    "weight": "f32[N, I]",
    "table": "f32[K, R, lanes]",
    "words": "u64[]",
    "partial": "f32[P, K, R, lanes]",
    "out": "f32[N, I]",
}


def _states(plan: Plan) -> range:
    return range(len(plan.program.results) - 1)


def samples_a_row(outputs: int) -> int:
    """Return how many samples share a row of 64 lanes."""
    return 4 if outputs <= LANES else 2 if outputs <= 2 * LANES else 1


_OF_TASK = [
    "samples, width = min(S, B - b), min(L, N - w * ROW)",
    "blocks = (width + LANES - 1) // LANES",
]


def _each_sample(*lines: str) -> list[str]:
    """Return lines that do something with the lanes and neurons ``at`` of each sample of a row."""
    return [
        "for s in range(samples):",
        "    lane, at = s * L, (b + s) * N + w * ROW",
        *(f"    {line}" for line in lines),
    ]


def _start_lines(plan: Plan) -> list[str]:
    """Return lines that set the states of a row before the first step."""
    lines = []
    for k in _states(plan):
        copy = f"state{k}[lane : lane + width] = start{k}[at : at + width]"
        lines += [
            f"state{k} = np.empty(ROW, dtype)",
            f"state{k}[:] = start{k}[0]",
            f"if len(start{k}) > 1:",
            *(f"    {line}" for line in _each_sample(copy)),
        ]
    return lines


def _keeps_in_place(plan: Plan) -> bool:
    """Return whether backward needs one value only, which takes the current's place on the tape."""
    return len(plan.stored) == 1 and not plan.keeps_x


def forward_source(plan: Plan) -> Source:
    """Write the kernel of the spikes, as words and counted over time, and of backward's tape."""
    program = plan.program
    decided = deciding_value(program)
    assert decided is not None  # noqa: S101 -- only such programs give bits
    kept = plan.stored if _keeps_in_place(plan) else ()
    places = needed(program, [*program.results[1:], decided, *kept], lambda _: False)
    body = [*step_lines(program, places), f"y[j] = n{decided}"]
    body += [f"total[j] += one if n{decided} >= zero else zero"]
    body += [f"x_row[j] = n{place}" for place in kept]
    arguments = [f"start{k}" for k in _states(plan)] + [f"last{k}" for k in _states(plan)]
    keep = ["counts[at : at + width] = total[lane : lane + width]"]
    keep += [f"last{k}[at : at + width] = state{k}[lane : lane + width]" for k in _states(plan)]
    text = f"""
def forward(
    index, count, units, weight, table, fresh, tape, words, counts, T, S, numbers,
    {", ".join(arguments)},
):
    B, N = len(count), len(weight)
    W, L = (N + ROW - 1) // ROW, ROW // S
    quads = (T + 3) // 4
    size = 4 * quads * ROW
    if fresh:
        for block in prange(len(table)):
            turn_block(weight, table, block)
    parts = (B + S - 1) // S
    for task in prange(W * parts):
        w, b = task // parts, task % parts * S
{indent(_OF_TASK, 2)}
        current = empty16(size if len(tape) == 0 else 0)
        if len(tape) > 0:
            current = tape[task * size : (task + 1) * size]
        if samples < S or blocks * LANES < L:
            current[:] = zero
        sums = empty16(TABLES)
        for s in range(samples):
            if w == 0:
                fetch_ahead(index, count, units, b + s + S)
            for k in range(blocks):
                add_up(
                    sums, current, s * L + k * LANES, ROW, table[w * 4 + k].reshape(-1),
                    index[b + s], count[b + s], units[b + s].reshape(-1).view(np.uint16),
                    units.shape[2] * 4, splat16(zero), quads,
                )
{indent(number_lines(program, places), 2)}
{indent(_start_lines(plan), 2)}
        y = np.empty(ROW, dtype)
        total = np.zeros(ROW, dtype)
        only = ALL if width == ROW else (np.uint64(1) << np.uint64(width)) - np.uint64(1)
        for t in range(T):
            x_row = current[t * ROW : (t + 1) * ROW]
            for j in range(ROW):
{indent(body, 4)}
            bits = pack(y, 0, ROW, zero)
            for s in range(samples):
                words[(t * B + b + s) * W + w] = (bits >> np.uint64(s * L)) & only
{indent(_each_sample(*keep), 2)}
"""
    tensors = ("index", "count", "units", "weight", "table", "tape", "words", "counts", *arguments)
    return Source(text, constants(program, places), arrays_of(tensors, _KINDS), _NAMES)


def _replay(plan: Plan) -> list[str]:
    if not plan.stored or _keeps_in_place(plan):
        return []
    stored = range(len(plan.stored))
    row = ["x_row = current[t * ROW : (t + 1) * ROW]"]
    row += [f"row{i} = all{i}[t * ROW : (t + 1) * ROW]" for i in stored]
    return replay(plan, _start_lines(plan), row, "ROW", "row{}[j]")


def backward_source(plan: Plan) -> Source:
    """Write the kernel of the weight's gradient; see `numba_tables.backward_weight`."""
    program, gradients = plan.program, plan.gradients
    places = needed(program, gradient_nodes(gradients), lambda place: place in plan.kept)
    stored = () if _keeps_in_place(plan) else range(len(plan.stored))
    names = {"x": "x_row[j]", "grad": "g_row[j]", "grad_state": "grad{}[j]"}
    kept = ["x_row[j]"] if _keeps_in_place(plan) else [f"kept{i}[j]" for i in stored]
    leaf = stored_leaves(plan, kept)
    leaf |= leaves(program, places, names)
    body = assignments(program, places, leaf, TEXT)
    body += [f"gx_row[j] = {'zero' if gradients.x is None else f'n{gradients.x}'}"]
    body += [
        f"grad{k}[j] = {'zero' if place is None else f'n{place}'}"
        for k, place in enumerate(gradients.states)
    ]
    ends = []
    for k in _states(plan):
        copy = f"grad{k}[lane : lane + width] = end{k}[at : at + width]"
        ends += [
            f"grad{k}[:] = zero",
            f"if len(end{k}) > 0:",
            *(f"    {line}" for line in _each_sample(copy)),
        ]
    arguments = [f"start{k}" for k in _states(plan)] + [f"end{k}" for k in _states(plan)]
    text = f"""
def backward(
    index, count, units, g, g_t, g_b, tape, partial, out, T, S, numbers, {", ".join(arguments)}
):
    B, N = len(count), len(out)
    W, L = (N + ROW - 1) // ROW, ROW // S
    quads = (T + 3) // 4
    size = 4 * quads * ROW
    P, parts = len(partial), (B + S - 1) // S
    for task in prange(P * W):
        w, begin, stop = task % W, task // W * B // P, (task // W + 1) * B // P
        b = 0
{indent(_OF_TASK, 2)}
        own = partial[task // W, 4 * w : 4 * w + blocks]
        own[:] = zero
        table = empty16(quads * TABLE)
        turned = np.empty(units.shape[1] * units.shape[2], np.uint64)
        gx = empty16(size)
        gx[:] = zero
        g_row = np.zeros(ROW, dtype)
{indent([f"all{i} = np.empty(T * ROW, dtype)" for i in stored], 2)}
{indent([f"grad{k} = np.empty(ROW, dtype)" for k in _states(plan)], 2)}
        for row in range(begin // S, (stop + S - 1) // S):
            b = row * S
            samples = min(S, B - b)
            current = tape[(w * parts + row) * size : (w * parts + row + 1) * size]
{indent(_replay(plan), 3)}
{indent(number_lines(program, places), 3)}
{indent(ends, 3)}
            if samples < S:
                g_row[:] = zero
            for step in range(T):
                t = T - 1 - step
                if step == 0 or g_t != 0:
                    for s in range(samples):
                        lane, at = s * L, t * g_t + (b + s) * g_b + w * ROW
                        g_row[lane : lane + width] = g[at : at + width]
                x_row = current[t * ROW : (t + 1) * ROW]
                gx_row = gx[t * ROW : (t + 1) * ROW]
{indent([f"kept{i} = all{i}[t * ROW : (t + 1) * ROW]" for i in stored], 4)}
                for j in range(ROW):
{indent(body, 5)}
            for sample in range(max(b, begin), min(b + samples, stop)):
                groups = (count[sample] + 3) // 4
                turn_units(turned, units[sample], groups)
                for k in range(blocks):
                    add_gradient(
                        table, turned.view(np.uint16), units.shape[2] * 4, gx,
                        (sample - b) * L + k * LANES, ROW, index[sample], groups,
                        own[k].reshape(-1), quads,
                    )
    for block in prange(partial.shape[1]):
        add_block(partial, out, block)
"""
    tensors = ("index", "count", "units", "g", "tape", "partial", "out", *arguments)
    arrays = arrays_of(tensors, _KINDS)
    return Source(text, constants(program, range(len(program.nodes))), arrays, _NAMES)
