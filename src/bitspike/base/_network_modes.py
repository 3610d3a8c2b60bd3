"""Set the step mode and the backend of a whole network."""

import warnings
from collections.abc import Iterator

from torch import nn

from bitspike import kernels
from bitspike.base._axes import takes_time_for_batch
from bitspike.base._containers import is_chain
from bitspike.base._step_module import StepModule, check_backend

_HANDLE_TIME = {
    "chunk_multi_step_forward", "multi_step_forward", "seq_to_ann_forward",
    "t_last_multi_step_forward", "t_last_seq_to_ann_forward",
}  # fmt: skip


def set_step_mode(net: nn.Module, step_mode: str) -> None:
    """Set the step mode of every module in ``net`` that has one.

    The modules in a container that calls them in one mode, such as ``layer.MultiStepContainer``
    or ``layer.LinearRecurrentContainer``, keep their mode.

    Modules of torch's have no step mode. In multi-step mode a `UserWarning` names those that would
    take the time axis for the batch, such as an ``nn.Conv2d`` or ``nn.Flatten`` that is not in a
    container and whose parent does not call `seq_to_ann_forward` or a similar function.

    Args:
        net: any module.
        step_mode: ``'s'``: one call is one time step, ``[B, ...]``. ``'m'``: one call is a whole
            sequence, ``[T, B, ...]``.

    Raises:
        ValueError: if a module does not support the mode; then no module is changed.
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
    if step_mode == "m" and (timeless := list(_timeless(net, ""))):
        warnings.warn(
            f"set_step_mode: {', '.join(timeless)} of torch's would take time for batch; use the "
            "layers of bitspike.layer, or put torch's into a layer.SeqToANNContainer",
            stacklevel=2,
        )


def set_backend(
    net: nn.Module, backend: str, instance: type | tuple[type, ...] = nn.Module
) -> None:
    """Set the backend of every module in ``net`` that has step modes.

    Args:
        net: any module.
        backend: ``'eager'``: plain PyTorch, the reference. ``'numba'``: compiled kernels on the
            CPU. ``'triton'``: the time loops of neurons compiled for the GPU, while encoders and
            layers are plain PyTorch. A module raises at its call if the backend cannot run it,
            as Triton cannot with tensors on the CPU. ``'auto'`` (the default of every module):
            the fastest that can run, ``'numba'`` on the CPU, ``'triton'`` on a GPU, else
            ``'eager'``; the environment variable ``BITSPIKE_BACKEND`` decides for all modules on
            ``'auto'`` at once. ``'torch'`` and ``'cupy'`` of older programs are taken with a
            warning.
        instance: class, or tuple of classes, of the modules to set.

    Raises:
        ValueError: for an unknown backend.
        BackendError: for ``'numba'`` and ``'triton'``, if a neuron has no kernel; then no module
            is changed.
    """
    backend = check_backend(backend)
    modules = {
        name: module
        for name, module in net.named_modules()
        if isinstance(module, StepModule) and isinstance(module, instance)
    }
    without = [
        f"{type(module).__name__} {name!r}"
        for name, module in modules.items()
        if not module._has_kernel
    ]
    if backend in ("numba", "triton") and without:
        raise kernels.BackendError(
            f"the backend {backend!r} was asked for, but {', '.join(without)} has no compiled "
            f"kernel: leave it on 'auto', and name in `instance` the classes that are to have "
            f"{backend!r}"
        )
    for module in modules.values():
        module.backend = backend


def _steppers(module: nn.Module, name: str) -> Iterator[tuple[str, StepModule]]:
    if isinstance(module, StepModule):
        yield name, module
        if module._keeps_children:
            return
    for child_name, child in module.named_children():
        yield from _steppers(child, f"{name}.{child_name}" if name else child_name)


def _timeless(module: nn.Module, name: str) -> Iterator[str]:
    """Yield class and name of torch's modules that would take the time axis for the batch."""
    if takes_time_for_batch(module):
        yield f"{type(module).__name__} '{name}'" if name else type(module).__name__
        return
    if isinstance(module, StepModule) and not is_chain(module):
        return  # it calls its children in its own way
    names = getattr(getattr(type(module).forward, "__code__", None), "co_names", ())
    handles_time = not _HANDLE_TIME.isdisjoint(names)
    for child_name, child in module.named_children():
        if not (handles_time and takes_time_for_batch(child)):
            yield from _timeless(child, f"{name}.{child_name}" if name else child_name)
