"""Write a linear layer on constant-rate spikes and the neurons behind it as one kernel.

For layers of at most 16 outputs, the registers' width: four samples side by side are a row of 64
lanes, 16 each. The current of a row stays in the cache between layer and neurons, and so does its
gradient on the way back. All is added up in the order of `_table_kernels` and the step is that of
`_scan_source`, so that spikes and gradients are those of the two kernels in turn, to the bit.
"""

from typing import Any

import numpy as np

from bitspike.kernels._plan import (
    Plan,
    assignments,
    constants,
    gradient_nodes,
    indent,
    leaves,
    needed,
)
from bitspike.kernels._trace import deciding_value
from bitspike.kernels.numba import _table_kernels
from bitspike.kernels.numba._scan_source import TEXT, Source, number_lines, step_lines
from bitspike.kernels.numba.simd import empty16, load4, load16, splat16, store4

SAMPLES, LANES = 4, _table_kernels.LANES
ROW = SAMPLES * LANES

_NAMES: dict[str, Any] = {
    "SAMPLES": SAMPLES,
    "LANES": LANES,
    "ROW": ROW,
    "TABLES": _table_kernels.CHUNK * _table_kernels.TABLE,
    **{name: getattr(_table_kernels, name) for name in ("add_up", "add_gradient", "transpose")},
    "fetch_ahead": _table_kernels.fetch_ahead,
    "turn_narrow": _table_kernels.turn_narrow,
    "add_narrow": _table_kernels.add_narrow,
    "empty16": empty16,
    "load4": load4,
    "load16": load16,
    "splat16": splat16,
    "store4": store4,
}

_ARRAYS: dict[str, tuple[Any, int]] = {
    "index": (np.int32, 2),
    "count": (np.int32, 1),
    "units": (np.uint64, 3),
    "weight": (np.float32, 2),
    "words": (np.uint64, 1),
    "partial": (np.float32, 2),
    "out": (np.float32, 2),
}


def _states(plan: Plan) -> range:
    return range(len(plan.program.results) - 1)


def _start_lines(plan: Plan) -> list[str]:
    """The states of a row before the first step; ``b`` is its first sample."""
    lines = []
    for k in _states(plan):
        lines += [
            f"state{k} = np.empty(ROW, dtype)",
            f"state{k}[:] = start{k}[0]",
            f"if len(start{k}) > 1:",
            "    for s in range(samples):",
            "        lane, at = s * LANES, (b + s) * N",
            f"        state{k}[lane : lane + N] = start{k}[at : at + N]",
        ]
    return lines


def _keeps_in_place(plan: Plan) -> bool:
    """Whether one value is all that backward needs: it takes the current's place on the tape."""
    return len(plan.stored) == 1 and not plan.keeps_x


def forward_source(plan: Plan) -> Source:
    """Spikes of the neurons, as words and counted over time; on a tape, what backward needs."""
    program = plan.program
    decided = deciding_value(program)
    assert decided is not None  # noqa: S101 -- only such programs give bits
    kept = plan.stored if _keeps_in_place(plan) else ()
    places = needed(program, [*program.results[1:], decided, *kept], lambda _: False)
    body = [*step_lines(program, places), f"y[j] = n{decided}"]
    body += [f"total[j] += one if n{decided} >= zero else zero"]
    body += [f"x_row[j] = n{place}" for place in kept]
    arguments = [f"start{k}" for k in _states(plan)] + [f"last{k}" for k in _states(plan)]
    keep = ["counts[(b + s) * N : (b + s + 1) * N] = total[s * LANES : s * LANES + N]"]
    keep += [
        f"last{k}[(b + s) * N : (b + s + 1) * N] = state{k}[s * LANES : s * LANES + N]"
        for k in _states(plan)
    ]
    text = f"""
def forward(index, count, units, weight, tape, words, counts, T, numbers, {", ".join(arguments)}):
    B, N = len(count), len(weight)
    quads = (T + 3) // 4
    size = 4 * quads * ROW
    rows = empty16((weight.shape[1] + 1) * LANES)
    turn_narrow(weight, rows)
    only = (np.uint64(1) << np.uint64(N)) - np.uint64(1)
    for task in prange((B + SAMPLES - 1) // SAMPLES):
        b = task * SAMPLES
        samples = min(SAMPLES, B - b)
        current = empty16(size if len(tape) == 0 else 0)
        if len(tape) > 0:
            current = tape[task * size : (task + 1) * size]
        if samples < SAMPLES:
            current[:] = zero
        table = empty16(TABLES)
        for s in range(samples):
            fetch_ahead(index, count, units, b + s + SAMPLES)
            add_up(
                table, current, s * LANES, ROW, rows, index[b + s], count[b + s],
                units[b + s].reshape(-1).view(np.uint16), units.shape[2] * 4, splat16(zero), quads,
            )
{indent(number_lines(program, places), 2)}
{indent(_start_lines(plan), 2)}
        y = np.empty(ROW, dtype)
        total = np.zeros(ROW, dtype)
        for t in range(T):
            x_row = current[t * ROW : (t + 1) * ROW]
            for j in range(ROW):
{indent(body, 4)}
            bits = pack(y, 0, ROW, zero)
            for s in range(samples):
                words[t * B + b + s] = (bits >> np.uint64(s * LANES)) & only
        for s in range(samples):
{indent(keep, 3)}
"""
    tensors = ("index", "count", "units", "weight", "tape", "words", "counts", *arguments)
    return Source(text, constants(program, places), tensors, _ARRAYS, _NAMES)


def _replay(plan: Plan) -> list[str]:
    program, stored = plan.program, plan.stored
    if not stored or _keeps_in_place(plan):
        return []
    places = needed(program, [*program.results[1:], *stored], lambda _: False)
    body = step_lines(program, places)
    body += [f"row{i}[j] = n{place}" for i, place in enumerate(stored)]
    return [
        *number_lines(program, places),
        *_start_lines(plan),
        "for t in range(T):",
        "    x_row = current[t * ROW : (t + 1) * ROW]",
        *(f"    row{i} = all{i}[t * ROW : (t + 1) * ROW]" for i in range(len(stored))),
        "    for j in range(ROW):",
        *(f"        {line}" for line in body),
    ]


def backward_source(plan: Plan) -> Source:
    """The gradient of the weight, for that of the spikes; see `_table_kernels.backward_weight`."""
    program, gradients = plan.program, plan.gradients
    places = needed(program, gradient_nodes(gradients), lambda place: place in plan.kept)
    stored = () if _keeps_in_place(plan) else range(len(plan.stored))
    names = {"x": "x_row[j]", "grad": "g_row[j]", "grad_state": "grad{}[j]"}
    kept = ["x_row[j]"] if _keeps_in_place(plan) else [f"kept{i}[j]" for i in stored]
    leaf = dict(zip(plan.stored, kept, strict=True))
    leaf |= leaves(program, places, names)
    body = assignments(program, places, leaf, TEXT)
    body += [f"gx_row[j] = {'zero' if gradients.x is None else f'n{gradients.x}'}"]
    body += [
        f"grad{k}[j] = {'zero' if place is None else f'n{place}'}"
        for k, place in enumerate(gradients.states)
    ]
    ends = []
    for k in _states(plan):
        ends += [
            f"grad{k}[:] = zero",
            f"if len(end{k}) > 0:",
            "    for s in range(samples):",
            f"        grad{k}[s * LANES : s * LANES + N] = end{k}[(b + s) * N : (b + s + 1) * N]",
        ]
    arguments = [f"start{k}" for k in _states(plan)] + [f"end{k}" for k in _states(plan)]
    text = f"""
def backward(
    index, count, units, g, g_t, g_b, tape, partial, out, T, numbers, {", ".join(arguments)}
):
    B, N = len(count), len(out)
    quads = (T + 3) // 4
    size = 4 * quads * ROW
    P = partial.shape[0]
    for part in prange(P):
        begin, stop = part * B // P, (part + 1) * B // P
        own = partial[part]
        own[:] = zero
        table = empty16(4 * quads * 4 * LANES)
        turned = np.empty(4 * ((units.shape[2] + 3) // 4), np.uint64)
        gx = empty16(size)
        gx[:] = zero
        g_row = np.zeros(ROW, dtype)
{indent([f"all{i} = np.empty(T * ROW, dtype)" for i in stored], 2)}
{indent([f"grad{k} = np.empty(ROW, dtype)" for k in _states(plan)], 2)}
        for task in range(begin // SAMPLES, (stop + SAMPLES - 1) // SAMPLES):
            b = task * SAMPLES
            samples = min(SAMPLES, B - b)
            current = tape[task * size : (task + 1) * size]
{indent(_replay(plan), 3)}
{indent(number_lines(program, places), 3)}
{indent(ends, 3)}
            for step in range(T):
                t = T - 1 - step
                if step == 0 or g_t != 0:
                    for s in range(samples):
                        for j in range(N):
                            g_row[s * LANES + j] = g[t * g_t + (b + s) * g_b + j]
                    for s in range(samples, SAMPLES):
                        g_row[s * LANES : s * LANES + N] = zero
                x_row = current[t * ROW : (t + 1) * ROW]
                gx_row = gx[t * ROW : (t + 1) * ROW]
{indent([f"kept{i} = all{i}[t * ROW : (t + 1) * ROW]" for i in stored], 4)}
                for j in range(ROW):
{indent(body, 5)}
            for sample in range(max(b, begin), min(b + samples, stop)):
                add_gradient(
                    table, turned, gx, (sample - b) * LANES, ROW, index[sample], count[sample],
                    units[sample], own, quads,
                )
    add_narrow(partial, out)
"""
    tensors = ("index", "count", "units", "g", "tape", "partial", "out", *arguments)
    return Source(text, constants(program, range(len(program.nodes))), tensors, _ARRAYS, _NAMES)
