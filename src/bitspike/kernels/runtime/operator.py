"""The engine's operations as operators of torch's, ``torch.ops.bitspike``.

``torch.compile``, ``torch.export``, profilers and checkpointing see an operator as one node, whose
shapes they ask of its fake implementation. Modules call the kernels themselves in eager mode, which
is faster; see `bitspike.kernels.scan.operator` for where the operators take over.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

Operator = Callable[..., Any]


def operator(
    function: Callable[..., Any],
    fake: Callable[..., Any],
    name: str = "",
    differentiable: bool = True,
    tags: Sequence[torch.Tag] = (),
) -> Operator:
    """Register ``function`` as ``torch.ops.bitspike.<name>`` and return the operator.

    The gradient is a second operator, ``<name>_backward``, which runs ``function`` again and
    differentiates it by the formula of its kernels. It has no gradient of its own.

    Args:
        function: takes and returns tensors, lists of them, numbers and strings, all annotated, and
            writes into none of them.
        fake: takes the same and returns new tensors of the same sizes without values.
        name: the operator's; the function's where it is empty.
        differentiable: whether results have gradients for the floating-point tensors among the
            arguments.
        tags: of the operator.
    """
    name = f"bitspike::{name or function.__name__}"
    schema = torch.library.infer_schema(function, mutates_args=())

    def forward(*args: Any) -> Any:
        with torch.no_grad():
            return _unaliased(function(*args), args)

    result = torch.library.custom_op(name, forward, mutates_args=(), schema=schema, tags=list(tags))
    result.register_fake(fake)
    if not differentiable:
        return result

    def gradients(
        grads: list[Tensor], given: list[bool], wanted: list[bool], *args: Any
    ) -> list[Tensor]:
        leaves, spec = tree_flatten(args)
        places = [k for k, leaf in enumerate(leaves) if _may_learn(leaf)]
        places = [k for k, want in zip(places, wanted, strict=True) if want]
        with _differentiating():
            for k in places:
                leaves[k] = leaves[k].detach().requires_grad_()
            outputs = tree_leaves(function(*tree_unflatten(leaves, spec)))
            outputs = [y for y, has_grad in zip(outputs, given, strict=True) if has_grad]
            pairs = [(y, g) for y, g in zip(outputs, grads, strict=True) if y.requires_grad]
            inputs = [leaves[k] for k in places]
            if not pairs:
                return [torch.zeros_like(x) for x in inputs]
            of, by = zip(*pairs, strict=True)
            made = torch.autograd.grad(of, inputs, by, materialize_grads=True)
        unaliased: list[Tensor] = _unaliased(list(made), (grads, args))
        return unaliased

    taken = schema[1 : schema.index(") ->")]
    backward = torch.library.custom_op(
        f"{name}_backward",
        gradients,
        mutates_args=(),
        schema=f"(Tensor[] grads, bool[] given, bool[] wanted, {taken}) -> Tensor[]",
    )
    backward.register_fake(
        lambda grads, given, wanted, *args: [  # noqa: ARG005
            leaf.new_empty(leaf.shape)
            for leaf, want in zip(filter(_may_learn, tree_leaves(args)), wanted, strict=True)
            if want
        ]
    )

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG001
        ctx.set_materialize_grads(False)
        leaves, ctx.spec = tree_flatten(list(inputs))
        ctx.rest = [None if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        ctx.places = [k for k, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
        ctx.save_for_backward(*(leaves[k] for k in ctx.places))

    def differentiate(ctx: Any, *grads: Any) -> Any:
        leaves = list(ctx.rest)
        for k, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
            leaves[k] = tensor
        needed = _spread(ctx.needs_input_grad, tree_unflatten(leaves, ctx.spec))
        learning = [k for k, leaf in enumerate(leaves) if _may_learn(leaf)]
        wanted = [bool(needed[k]) for k in learning]
        every = tree_leaves(list(grads), is_leaf=lambda g: g is None)
        given = [g is not None for g in every]
        args = tree_unflatten(leaves, ctx.spec)
        made = iter(backward([g for g in every if g is not None], given, wanted, *args))
        gradients_of: list[Any] = [None] * len(leaves)
        for k, want in zip(learning, wanted, strict=True):
            gradients_of[k] = next(made) if want else None
        return tuple(
            gradient if _holds_tensors(argument) else None
            for gradient, argument in zip(tree_unflatten(gradients_of, ctx.spec), args, strict=True)
        )

    result.register_autograd(differentiate, setup_context=setup_context)
    return result


def _may_learn(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


def _holds_tensors(argument: Any) -> bool:
    values = argument if isinstance(argument, list | tuple) else [argument]
    return all(isinstance(value, Tensor) for value in values)


def _spread(needed: Sequence[Any], inputs: Sequence[Any]) -> list[bool]:
    """Return for each leaf of the inputs whether it needs a gradient."""
    flat: list[bool] = []
    for need, given in zip(needed, inputs, strict=True):
        count = len(tree_leaves(given))
        flat += need if isinstance(need, list | tuple) else [need] * count
    return flat


@contextmanager
def _differentiating() -> Iterator[None]:
    """Let autograd record inside of an operator, which runs below it."""
    include = torch._C._dispatch_tls_local_include_set()
    exclude = torch._C._dispatch_tls_local_exclude_set() & torch._C._after_autograd_keyset
    with torch._C._ForceDispatchKeyGuard(include, exclude), torch.enable_grad():
        yield


def _unaliased(results: Any, inputs: Any) -> Any:
    """Return the results, contiguous and none in the memory of another or of an input."""
    taken = {x.untyped_storage()._cdata for x in tree_leaves(inputs) if isinstance(x, Tensor)}

    def apart(y: Any) -> Any:
        if not isinstance(y, Tensor):
            return y
        own = y.detach().contiguous()
        if own.untyped_storage()._cdata in taken:
            own = own.clone(memory_format=torch.contiguous_format)
        taken.add(own.untyped_storage()._cdata)
        return own

    leaves, spec = tree_flatten(results)
    return tree_unflatten([apart(leaf) for leaf in leaves], spec)
