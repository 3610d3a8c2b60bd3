"""Run modules without a graph, and make their graph by a second run when backward needs it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import kernels
from bitspike.kernels import differentiable_once
from bitspike.memory._snapshot import CallContext, ModuleSnapshot, Values
from bitspike.spikes import Rows, SpikeTensor, plain


def recomputed(modules: Sequence[nn.Module], x: Tensor, chunks: int = 1) -> Tensor:
    """Return the modules' output; backward keeps only ``x``, as bits if it holds spikes.

    Backward runs the modules a second time, with the state, buffers, attributes and random numbers
    that they had.

    Args:
        modules: applied one after the other; they have no hooks, and no state but memories.
        x: input ``[T, B, ...]``.
        chunks: parts of the sequence that are run again one at a time; with more than one, the
            modules must treat every step alike.
    """
    snapshot = ModuleSnapshot(modules)
    before = snapshot.states()
    tensors = [*snapshot.parameters, *(v for v in before if isinstance(v, Tensor))]
    try:
        y, *outputs = _Recomputed.apply(snapshot, tuple(modules), chunks, plain(x), *tensors)  # type: ignore[no-untyped-call]
    except BaseException:
        snapshot.set_states(before)
        raise
    after = list(snapshot.states())
    for place, value in zip(_replaced(before, after), outputs, strict=True):
        after[place] = value
    snapshot.set_states(tuple(after))
    for module in snapshot.memories:
        module.watch_node(y.grad_fn)
    return y  # type: ignore[no-any-return]


class _Recomputed(torch.autograd.Function):
    """Modules one after the other; only their input and the states between chunks are kept."""

    @staticmethod
    def forward(
        ctx: Any,
        snapshot: ModuleSnapshot,
        modules: tuple[nn.Module, ...],
        chunks: int,
        x: Tensor,
        *tensors: Tensor,
    ) -> tuple[Any, ...]:
        context = CallContext(x.device)
        length = -(-len(x) // chunks)
        starts = range(0, len(x), length)
        first = before = snapshot.states()
        boundaries: list[Values] = []  # states before each chunk but the first
        parts = []
        with context.autocast():
            for start in starts:
                if start:
                    before = snapshot.states()
                    boundaries.append(before)
                part = x if len(starts) == 1 else x[start : start + length]
                parts.append(_run(modules, part))
        y = parts[0] if len(parts) == 1 else torch.cat(parts)
        context.forget_randomness_unless_used()
        after = snapshot.states()
        ctx.new = _replaced(first, after)
        constant = snapshot.constant()
        ctx.mark_non_differentiable(*(after[place] for place in ctx.new if constant[place]))
        # Without a gradient it is data, which the caller holds anyway.
        kept = _compact(x) if ctx.needs_input_grad[3] else x
        ctx.snapshot, ctx.modules, ctx.context = snapshot, modules, context
        ctx.starts, ctx.length, ctx.unpack = starts, length, kept is not x
        ctx.first = tuple(None if isinstance(value, Tensor) else value for value in first)
        ctx.given = [i for i, value in enumerate(first) if isinstance(value, Tensor)]
        ctx.inside = [i for i, value in enumerate(before) if isinstance(value, Tensor)]
        between = [values[i] for values in boundaries for i in ctx.inside]
        ctx.save_for_backward(kept, *tensors, *between)
        ctx.set_materialize_grads(False)
        return (y, *(after[place] for place in ctx.new))

    @staticmethod
    @differentiable_once(
        "functional.save_memory keeps too little for them; use the network without it"
    )
    def backward(ctx: Any, g: Tensor | None, *g_states: Tensor | None) -> tuple[Any, ...]:
        grads: tuple[Any, ...] = ctx.context.variables.copy().run(_backward, ctx, g, g_states)
        kernels.release_buffers()  # room for the optimizer
        return grads


def _backward(ctx: Any, g: Tensor | None, g_states: Sequence[Tensor | None]) -> tuple[Any, ...]:
    """Return the gradients of x, parameters and first states, chunk by chunk from the last one."""
    kept, *saved = ctx.saved_tensors
    count, given = len(ctx.snapshot.parameters), len(ctx.given)
    x_needs, *needs = ctx.needs_input_grad[3:]
    weights = [_leaf(w, need) for w, need in zip(saved[:count], needs, strict=False)]
    given_states, between = saved[count : count + given], saved[count + given :]
    at_once = len(ctx.starts) == 1
    gx: Tensor | None = None
    gw: list[Tensor | None] = [None] * count
    gs: dict[int, Tensor | None] = dict(zip(ctx.new, g_states, strict=True))  # after the chunk
    for number, start in reversed(list(enumerate(ctx.starts))):
        steps = slice(start, start + ctx.length)
        x = kept if at_once else kept[steps]
        x = _leaf(x.dense() if ctx.unpack else x, x_needs)
        before = list(ctx.first)
        if number:
            values = between[(number - 1) * len(ctx.inside) :][: len(ctx.inside)]
            for place, value in zip(ctx.inside, values, strict=True):
                before[place] = _leaf(value, value.is_floating_point())
        else:
            for place, value, need in zip(ctx.given, given_states, needs[count:], strict=True):
                before[place] = _leaf(value, need)
        grads = _gradients(ctx, x, weights, before, None if g is None else g[steps], gs)
        of_x = grads.get(id(x))
        if at_once:
            gx = of_x
        elif of_x is not None:
            gx = of_x.new_zeros(kept.shape) if gx is None else gx
            gx[steps] = of_x
        gw = [
            grads.get(id(w)) if at_once else _sum(total, grads.get(id(w)))
            for total, w in zip(gw, weights, strict=True)
        ]
        gs = {place: grads.get(id(state)) for place, state in enumerate(before)}
        del grads, of_x  # not to be alive beside the next chunk's
    return None, None, None, gx, *gw, *(gs[place] for place in ctx.given)


def _gradients(
    ctx: Any,
    x: Tensor,
    weights: Sequence[Tensor],
    before: Sequence[Any],
    g: Tensor | None,
    g_states: dict[int, Tensor | None],
) -> dict[int, Tensor | None]:
    """Run a chunk again, with a graph; return the gradients of its inputs by their id."""
    inputs = [x, *weights, *(state for state in before if isinstance(state, Tensor))]
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    with torch.enable_grad(), ctx.snapshot.restored(tuple(weights), tuple(before)):
        with ctx.context.restored():
            y = _run(ctx.modules, x)
        after = ctx.snapshot.states()
    outputs, grads = [], []
    for output, grad in [(y, g), *((after[place], grad) for place, grad in g_states.items())]:
        if grad is not None and isinstance(output, Tensor) and output.requires_grad:
            outputs.append(output)
            grads.append(grad)
    if not outputs or not wanted:
        return {}
    gradients = torch.autograd.grad(outputs, wanted, grads, allow_unused=True)
    return dict(zip(map(id, wanted), gradients, strict=True))


def _run(modules: Sequence[nn.Module], x: Tensor) -> Tensor:
    for module in modules:
        x = module(x)
    return x


def _replaced(before: Sequence[Any], after: Sequence[Any]) -> list[int]:
    """Return the places of the states that a run has replaced by other tensors."""
    pairs = enumerate(zip(before, after, strict=True))
    return [place for place, (old, new) in pairs if isinstance(new, Tensor) and new is not old]


def _compact(x: Tensor) -> Tensor:
    """Return ``x`` as bits if it holds spikes; the eager reference emits them dense."""
    if isinstance(x, SpikeTensor) or x.ndim < 3 or 0 in (*x.shape, *x.stride()):
        return x
    if not x.is_floating_point() or not bool(((x == 0) | (x == 1)).all()):
        return x
    return SpikeTensor(Rows.pack(x, 2), x.dtype)


def _leaf(x: Tensor, needs_gradient: bool) -> Tensor:
    return x.detach().requires_grad_(needs_gradient)


def _sum(total: Tensor | None, more: Tensor | None) -> Tensor | None:
    """Add to a sum of its own: ``more`` may share memory with another gradient."""
    if more is None:
        return total
    return more.clone() if total is None else total.add_(more)
