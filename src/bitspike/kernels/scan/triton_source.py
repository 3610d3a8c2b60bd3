"""Write a recorded step out as the source of two Triton kernels: its scan over T, and back.

All ``M`` neurons of a batch lie side by side, one step after the other: arrays are ``[T, M]``. A
program is a block of neurons; their states stay in registers over all T. ``T`` and ``M`` are
arguments, and need no other kernel.

No arithmetic is reordered, none fused, and divisions and square roots are rounded as IEEE 754
says, so that spikes and potentials equal the CPU's reference to the bit where a step has nothing
but arithmetic.
"""

from collections.abc import Iterable

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
from bitspike.kernels.scan.record.program import Program

_TEXT = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "tl.div_rn({}, {})",
    "neg": "{} * -1.0",  # a minus is 0 - x in Triton, and loses the sign of a zero
    "gt": "{} > {}",
    "ge": "{} >= {}",
    "lt": "{} < {}",
    "le": "{} <= {}",
    "eq": "{} == {}",
    "ne": "{} != {}",
    "and": "{} & {}",
    "or": "{} | {}",
    "not": "~{}",
    "where": "tl.where({}, {}, {})",
    "maximum": "tl.where(({0} >= {1}) | ({0} != {0}), {0}, {1})",
    "minimum": "tl.where(({0} <= {1}) | ({0} != {0}), {0}, {1})",
    "clamp": "tl.where({0} < {1}, {1}, tl.where({0} > {2}, {2}, {0}))",
    "sigmoid": "tl.div_rn(one, one + libdevice.exp({} * -1.0))",
    "abs": "tl.abs({})",
    "floor": "tl.floor({})",
    "sqrt": "tl.sqrt_rn({})",
    "rsqrt": "tl.div_rn(one, tl.sqrt_rn({}))",
    "round": "libdevice.rint({})",  # half to even, as torch
    "pow": "libdevice.pow({}, {})",
    "detach": "{}",
    "fire": "{}",
}
_TEXT |= {name: f"libdevice.{name}({{}})" for name in ("exp", "log", "sin", "cos", "tanh")}
_TEXT |= {name: f"libdevice.{name}({{}})" for name in ("atan", "erf", "erfc")}

# In float64 Triton's own operators are exact, and the functions of that name do not exist.
_TEXT_OF = {
    "float32": _TEXT,
    "float64": _TEXT
    | {
        "div": "{} / {}",
        "sqrt": "tl.sqrt({})",
        "rsqrt": "one / tl.sqrt({})",
        "sigmoid": "one / (one + libdevice.exp({} * -1.0))",
    },
}


def _opening(
    program: Program, places: list[int], precision: str, learned: Iterable[int]
) -> list[str]:
    """Return lines that find the neurons, and all that is the same in every step."""
    lines = [
        "at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)",
        "inside = at < M",
        f"zero = tl.full([BLOCK], 0.0, tl.{precision})",
        f"one = tl.full([BLOCK], 1.0, tl.{precision})",
    ]
    for name, value in constants(program, places).items():
        lines.append(f"{name} = tl.full([BLOCK], float('{value!r}'), tl.{precision})")
    for k in used_numbers(program, places):
        where = f"learned{k}" if k in learned else f"numbers + {k}"
        lines.append(f"p{k} = tl.broadcast_to(tl.load({where}), [BLOCK])")
    return lines


def _load(name: str, at: str) -> str:
    return f"{name} = tl.load({at}, mask=inside, other=0.0)"


def _store(at: str, value: str) -> str:
    return f"tl.store({at}, {value}, mask=inside)"


def forward_source(plan: Plan, precision: str, learned: tuple[int, ...]) -> str:
    """Write the scan over T.

    Args:
        plan: the step.
        precision: ``'float32'`` or ``'float64'``.
        learned: the positions of those numbers that are tensors on the device.
    """
    program, stored = plan.program, plan.stored
    y, *new = program.results
    states, fields, kept = range(len(new)), range(len(program.fields)), range(len(stored))
    places = needed(program, [*new, *stored, y], lambda _: False)
    names = {"x": "x_now", "state": "state{}", "field": "field{}"}
    leaf = leaves(program, places, names)
    before = [_load(f"state{k}", f"start{k} + at") for k in states]
    before += [_load(f"field{k}", f"given{k} + at") for k in fields]
    pointers = {"x_at": ("x", "x_t"), "out_at": ("out", "M"), "v_at": ("v_seq", "M")}
    pointers |= {f"kept{i}": (f"store{i}", "M") for i in kept}
    before += [f"{name} = {array} + at" for name, (array, _) in pointers.items()]
    body = [_load("x_now", "x_at")] if 0 in leaf else []
    body += assignments(program, places, leaf, _TEXT_OF[precision])
    body += [_store("out_at", f"n{y}")]
    body += [f"state{k} = n{place}" for k, place in enumerate(new)]
    saves = [_store(f"kept{i}", f"n{place}") for i, place in enumerate(stored)]
    records = [_store("v_at", "state0")] if new else []
    after = [f"{name} += {step}" for name, (_, step) in pointers.items()]
    arguments = [*(f"learned{k}" for k in learned), *(f"start{k}" for k in states)]
    arguments += [*(f"last{k}" for k in states), *(f"given{k}" for k in fields)]
    arguments += [f"store{i}" for i in kept]
    return f"""
def forward(
    x, x_t, out, v_seq, T, M, numbers, {_listed(arguments)}
    SAVING: tl.constexpr, RECORDING: tl.constexpr, BLOCK: tl.constexpr,
):
{indent(_opening(program, places, precision, learned), 1)}
{indent(before, 1)}
    for _ in range(T):
{indent(body, 2)}
        if SAVING:
            pass
{indent(saves, 3)}
        if RECORDING:
            pass
{indent(records, 3)}
{indent(after, 2)}
{indent([_store(f"last{k} + at", f"state{k}") for k in states], 1)}
"""


def backward_source(plan: Plan, precision: str, learned: tuple[int, ...]) -> str:
    """Write the gradient's way back from step T - 1 to 0."""
    program, gradients = plan.program, plan.gradients
    states, fields = range(len(program.results) - 1), range(len(program.fields))
    places = needed(program, gradient_nodes(gradients), lambda place: place in plan.kept)
    names = {"x": "x_now", "field": "field{}", "grad": "g_now", "grad_state": "grad{}"}
    kept = range(len(plan.stored))
    leaf = stored_leaves(plan, (f"value{i}" for i in kept))
    leaf |= leaves(program, places, names)
    before = [_load(f"grad{k}", f"end{k} + at") for k in states]
    before += [_load(f"field{k}", f"given{k} + at") for k in fields]
    before += [f"grad_field{k} = zero" for k in fields]
    before += [f"sum{k} = zero" for k in gradients.numbers]
    pointers = {"g_at": ("g", "g_t"), "x_at": ("x", "x_t"), "gx_at": ("gx", "M")}
    pointers |= {"gv_at": ("gv_seq", "M")} | {f"kept{i}": (f"store{i}", "M") for i in kept}
    before += ["final = (T - 1).to(tl.int64)"]
    before += [f"{name} = {array} + final * {by} + at" for name, (array, by) in pointers.items()]
    recorded = [_load("gv_now", "gv_at"), "grad0 = grad0 + gv_now"] if states else []
    body = [_load("g_now", "g_at")]
    body += [_load("x_now", "x_at")] if "x_now" in leaf.values() else []
    body += [_load(f"value{i}", f"kept{i}") for i in kept]
    body += assignments(program, places, leaf, _TEXT_OF[precision])
    body += [_store("gx_at", _name(gradients.x))]
    body += [f"grad{k} = {_name(place)}" for k, place in enumerate(gradients.states)]
    body += [
        f"sum{k} = sum{k} + tl.where(inside, n{place}, zero)"
        for k, place in gradients.numbers.items()
    ]
    body += [f"grad_field{k} = grad_field{k} + n{p}" for k, p in gradients.fields.items()]
    after = [f"{name} -= {step}" for name, (_, step) in pointers.items()]
    finish = [_store(f"first{k} + at", f"grad{k}") for k in states]
    finish += [_store(f"to_field{k} + at", f"grad_field{k}") for k in fields]
    finish += [
        f"tl.store(sums + {i} * tl.num_programs(0) + tl.program_id(0), tl.reduce(sum{k}, 0, add))"
        for i, k in enumerate(gradients.numbers)
    ]
    arguments = [*(f"learned{k}" for k in learned), *(f"end{k}" for k in states)]
    arguments += [*(f"first{k}" for k in states), *(f"given{k}" for k in fields)]
    arguments += [*(f"to_field{k}" for k in fields), *(f"store{i}" for i in kept)]
    return f"""
def add(a, b):
    return a + b


def backward(
    g, g_t, gv_seq, x, x_t, gx, sums, T, M, numbers, {_listed(arguments)}
    RECORDING: tl.constexpr, BLOCK: tl.constexpr,
):
{indent(_opening(program, places, precision, learned), 1)}
{indent(before, 1)}
    for _ in range(T):
        if RECORDING:
            pass
{indent(recorded, 3)}
{indent(body, 2)}
{indent(after, 2)}
{indent(finish, 1)}
"""


def _name(place: int | None) -> str:
    return "zero" if place is None else f"n{place}"


def _listed(arguments: list[str]) -> str:
    return "".join(f"{name}, " for name in arguments)
