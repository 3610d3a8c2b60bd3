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
            CPU; what they cannot run raises, at its call. ``'triton'``: the time loops of neurons
            compiled for the GPU; what they cannot run raises, at its call, so do tensors on the
            CPU. Encoders and layers have no kernel of Triton's: they are plain PyTorch then.
            ``'auto'`` (the default of every module): the fastest that can run, ``'numba'`` on the
            CPU, ``'triton'`` on a GPU, else ``'eager'``; the environment variable
            ``BITSPIKE_BACKEND`` decides for all such modules at once. ``'torch'`` and ``'cupy'``
            of older programs are taken with a warning.
        instance: only modules of these classes.

    Raises:
        ValueError: for an unknown backend.
        BackendError: for ``'numba'`` and ``'triton'``, if a neuron has no kernel at all; no module
            has been changed then.
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
    if backend in ("numba", "triton") and without:
        raise kernels.BackendError(
            f"the backend {backend!r} was asked for, but {', '.join(without)} has no compiled "
            f"kernel: leave it on 'auto', and name in `instance` the classes that are to have "
            f"{backend!r}"
        )
    for module in modules.values():
        module.backend = backend
