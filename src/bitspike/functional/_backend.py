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
            CPU; a module that they cannot run raises. ``'auto'`` (the default of every module):
            the fastest that can run; the environment variable ``BITSPIKE_BACKEND`` decides for all
            such modules at once. ``'torch'``, ``'cupy'`` and ``'triton'`` of older programs are
            taken with a warning.
        instance: only modules of these classes.

    Raises:
        ValueError: for an unknown backend.
    """
    backend = kernels.check_backend(today(backend))
    for module in net.modules():
        if isinstance(module, StepModule) and isinstance(module, instance):
            module.backend = backend
