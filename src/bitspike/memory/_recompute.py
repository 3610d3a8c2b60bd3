"""Runs modules without a graph, and makes their graph again when backward needs it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import kernels
from bitspike.kernels._second_order import differentiable_once
from bitspike.memory._snapshot import Scene, Surroundings, Values, replaced
from bitspike.spikes import SpikeTensor, plain
from bitspike.spikes._layout import Rows


def _run(modules: Sequence[nn.Module], x: Tensor) -> Tensor:
    for module in modules:
        x = module(x)
    return x


def _compact(x: Tensor) -> Tensor:
    """``x`` as bits if it is spikes, for what the eager reference emits is dense."""
    if isinstance(x, SpikeTensor) or x.ndim < 3 or 0 in (*x.shape, *x.stride()):
        return x
    if not x.is_floating_point() or not bool(((x == 0) | (x == 1)).all()):
        return x
    return SpikeTensor(Rows.pack(x, 2), x.dtype)


def _leaf(x: Tensor, needs_gradient: bool) -> Tensor:
    return x.detach().requires_grad_(needs_gradient)


class _Recomputed(torch.autograd.Function):
    """Modules one after the other; only their input and the states between chunks are kept."""

    @staticmethod
    def forward(
        ctx: Any,
        scene: Scene,
        run: tuple[nn.Module, ...],
        chunks: int,
        x: Tensor,
        *tensors: Tensor,
    ) -> tuple[Any, ...]:
        surroundings = Surroundings(x.device)
        length = -(-len(x) // chunks)
        starts = range(0, len(x), length)
        first = before = scene.states()
        boundaries: list[Values] = []
        parts = []
        with surroundings.autocast():
            for start in starts:
                if start:
                    before = scene.states()
                    boundaries.append(before)
                parts.append(_run(run, x if len(starts) == 1 else x[start : start + length]))
        y = parts[0] if len(parts) == 1 else torch.cat(parts)
        surroundings.forget_randomness_unless_used()
        after = scene.states()
        ctx.new = replaced(first, after)
        constant = scene.constant()
        ctx.mark_non_differentiable(*(after[place] for place in ctx.new if constant[place]))
        # Without a gradient it is data, which the caller holds anyway.
        kept = _compact(x) if ctx.needs_input_grad[3] else x
        ctx.scene, ctx.run, ctx.surroundings = scene, run, surroundings
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
        made: tuple[Any, ...] = ctx.surroundings.context.copy().run(_backward, ctx, g, g_states)
        kernels.release_buffers()  # room for the optimizer
        return made


def _backward(ctx: Any, g: Tensor | None, g_states: Sequence[Tensor | None]) -> tuple[Any, ...]:
    """The gradients of x, parameters and states before, chunk by chunk from the last one."""
    kept, *saved = ctx.saved_tensors
    count, given = len(ctx.scene.parameters), len(ctx.given)
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
        inputs = [x, *weights, *(state for state in before if isinstance(state, Tensor))]
        wanted = [one for one in inputs if one.requires_grad]
        g_chunk = None if g is None else g[steps]
        found = _gradients(ctx, x, weights, before, wanted, g_chunk, gs)
        more = found.get(id(x))
        if at_once:
            gx = more
        elif more is not None:
            gx = more.new_zeros(kept.shape) if gx is None else gx
            gx[steps] = more
        gw = [
            found.get(id(w)) if at_once else _sum(total, found.get(id(w)))
            for total, w in zip(gw, weights, strict=True)
        ]
        gs = {place: found.get(id(state)) for place, state in enumerate(before)}
        del found, more  # not to be alive beside the next chunk's
    return None, None, None, gx, *gw, *(gs[place] for place in ctx.given)


def _gradients(
    ctx: Any,
    x: Tensor,
    weights: Sequence[Tensor],
    before: Sequence[Any],
    wanted: Sequence[Tensor],
    g: Tensor | None,
    g_states: dict[int, Tensor | None],
) -> dict[int, Tensor | None]:
    """Runs a chunk again, with a graph, and differentiates it: a gradient for each id of wanted."""
    with torch.enable_grad(), ctx.scene.staged(tuple(weights), tuple(before)):
        with ctx.surroundings.again():
            y = _run(ctx.run, x)
        after = ctx.scene.states()
    outputs, grads = [], []
    for output, grad in [(y, g), *((after[place], grad) for place, grad in g_states.items())]:
        if grad is not None and isinstance(output, Tensor) and output.requires_grad:
            outputs.append(output)
            grads.append(grad)
    if not outputs or not wanted:
        return {}
    found = torch.autograd.grad(outputs, wanted, grads, allow_unused=True)
    return dict(zip(map(id, wanted), found, strict=True))


def _sum(total: Tensor | None, more: Tensor | None) -> Tensor | None:
    """Adds to a sum of its own: ``more`` may share memory with another gradient."""
    if more is None:
        return total
    return more.clone() if total is None else total.add_(more)


def recomputed(modules: Sequence[nn.Module], x: Tensor, chunks: int = 1) -> Tensor:
    """The modules' output, of which backward keeps only ``x`` (as bits, if it is spikes).

    The graph is made again by running the modules a second time, from the state, the buffers, the
    attributes and the random numbers that they had.

    Args:
        modules: applied one after the other; they have no hooks, and no state but memories.
        x: input ``[T, B, ...]``.
        chunks: parts of the sequence that are made again one at a time; with more than one, the
            modules must treat every step alike.
    """
    scene = Scene(modules)
    tensors = [*scene.parameters, *(v for v in scene.states() if isinstance(v, Tensor))]
    before = scene.states()
    try:
        y, *outputs = _Recomputed.apply(scene, tuple(modules), chunks, plain(x), *tensors)  # type: ignore[no-untyped-call]
    except BaseException:
        scene.set_states(before)
        raise
    states = list(scene.states())
    for place, value in zip(replaced(before, scene.states()), outputs, strict=True):
        states[place] = value
    scene.set_states(tuple(states))
    for module in scene.memories:
        module._graph_node = y.grad_fn
    return y  # type: ignore[no-any-return]
