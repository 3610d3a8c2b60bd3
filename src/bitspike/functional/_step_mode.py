"""Choose the step mode of a whole network."""

from collections.abc import Iterator

from torch import nn

from bitspike.base import MemoryModule, StepModule


def set_step_mode(net: nn.Module, step_mode: str) -> None:
    """Sets the step mode of every module in ``net`` that has one.

    What is inside a container that makes steps of sequences or sequences of steps, such as
    ``layer.MultiStepContainer`` or ``layer.LinearRecurrentContainer``, stays as it is: the
    container calls it in one mode, whichever its own is.

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
        if isinstance(child, MemoryModule):
            child._label = name or None


def _steppers(module: nn.Module, name: str) -> Iterator[tuple[str, StepModule]]:
    if isinstance(module, StepModule):
        yield name, module
        if module._keeps_children:
            return
    for child_name, child in module.named_children():
        yield from _steppers(child, f"{name}.{child_name}" if name else child_name)
