"""Choose the step mode of a whole network."""

from torch import nn

from bitspike.base import MemoryModule, StepModule


def set_step_mode(net: nn.Module, step_mode: str) -> None:
    """Sets the step mode of every module in ``net`` that has one.

    Args:
        net: any module.
        step_mode: ``'s'``: one call is one time step, ``[B, ...]``. ``'m'``: one call is a whole
            sequence, ``[T, B, ...]``.

    Raises:
        ValueError: if a module does not support the mode; no module has been changed then.
    """
    steppers = [(name, m) for name, m in net.named_modules() if isinstance(m, StepModule)]
    for name, module in steppers:
        if step_mode not in module.supported_step_mode():
            raise ValueError(
                f"{type(module).__name__} '{name}' supports the step modes "
                f"{module.supported_step_mode()}, but got {step_mode!r}"
            )
    for name, module in steppers:
        module.step_mode = step_mode
        if isinstance(module, MemoryModule):
            module._label = name or None
