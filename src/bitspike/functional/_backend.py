"""Choose what computes."""

from torch import nn

from bitspike import kernels
from bitspike.base import StepModule
from bitspike.base._older import today


def set_backend(
    net: nn.Module, backend: str, instance: type | tuple[type, ...] = nn.Module
) -> None:
    """Chooses the backend of every module in ``net`` that has step modes.

    Args:
        net: any module.
        backend: ``'eager'``: plain PyTorch, the reference. ``'numba'``: compiled kernels on the
            CPU; what they cannot run raises, at its call. ``'auto'`` (the default of every
            module): the fastest that can run; the environment variable ``BITSPIKE_BACKEND``
            decides for all such modules at once. ``'torch'``, ``'cupy'`` and ``'triton'`` of older
            programs are taken with a warning.
        instance: only modules of these classes.

    Raises:
        ValueError: for an unknown backend.
        BackendError: for ``'numba'``, if a neuron has no kernel at all; no module has been changed
            then.
    """
    backend = kernels.check_backend(today(backend))
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
    if backend == "numba" and without:
        raise kernels.BackendError(
            f"the backend 'numba' was asked for, but {', '.join(without)} has no compiled kernel: "
            "leave it on 'auto', and name in `instance` the classes that are to have 'numba'"
        )
    for module in modules.values():
        module.backend = backend
