"""Choose the step mode of a whole network."""

import warnings
from collections.abc import Iterator

from torch import nn

from bitspike.base import StepModule, is_chain, takes_time_for_batch

_KNOW_OF_TIME = {
    "chunk_multi_step_forward", "multi_step_forward", "seq_to_ann_forward",
    "t_last_multi_step_forward", "t_last_seq_to_ann_forward",
}  # fmt: skip


def set_step_mode(net: nn.Module, step_mode: str) -> None:
    """Sets the step mode of every module in ``net`` that has one.

    What is inside a container that makes steps of sequences or sequences of steps, such as
    ``layer.MultiStepContainer`` or ``layer.LinearRecurrentContainer``, stays as it is: the
    container calls it in one mode, whichever its own is.

    Modules of torch's have no step mode. In multi-step mode there is a `UserWarning` that names
    those which would take time for batch, such as an ``nn.Conv2d`` or ``nn.Flatten`` that is not
    in a container and whose parent does not call `seq_to_ann_forward` or its like.

    Args:
        net: any module.
        step_mode: ``'s'``: one call is one time step, ``[B, ...]``. ``'m'``: one call is a whole
            sequence, ``[T, B, ...]``.

    Raises:
        ValueError: if a module does not support the mode; no module has been changed then.
    """
    steppers = list(_steppers(net, ""))
    for name, module in steppers:
        if step_mode not in module.supported_step_mode():
            raise ValueError(
                f"{type(module).__name__} '{name}' supports the step modes "
                f"{module.supported_step_mode()}, but got {step_mode!r}"
            )
    for _, module in steppers:
        module.step_mode = step_mode
    for name, child in net.named_modules():
        if isinstance(child, StepModule):
            child._label = name or None
    if step_mode == "m" and (found := list(_timeless(net, ""))):
        warnings.warn(
            f"set_step_mode: {', '.join(found)} of torch's would take time for batch; use the "
            "layers of bitspike.layer, or put torch's into a layer.SeqToANNContainer",
            stacklevel=2,
        )


def _steppers(module: nn.Module, name: str) -> Iterator[tuple[str, StepModule]]:
    if isinstance(module, StepModule):
        yield name, module
        if module._keeps_children:
            return
    for child_name, child in module.named_children():
        yield from _steppers(child, f"{name}.{child_name}" if name else child_name)


def _timeless(module: nn.Module, name: str) -> Iterator[str]:
    """Kind and name of the modules of torch's that would take time for batch."""
    if takes_time_for_batch(module):
        yield f"{type(module).__name__} '{name}'" if name else type(module).__name__
        return
    if isinstance(module, StepModule) and not is_chain(module):
        return  # what it does with its children is its own affair
    names = getattr(getattr(type(module).forward, "__code__", None), "co_names", ())
    sees_to_it = not _KNOW_OF_TIME.isdisjoint(names)
    for child_name, child in module.named_children():
        if not (sees_to_it and takes_time_for_batch(child)):
            yield from _timeless(child, f"{name}.{child_name}" if name else child_name)
