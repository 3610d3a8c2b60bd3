"""Choose what computes."""

from torch import nn

from bitspike import kernels
from bitspike.base import StepModule


def set_backend(net: nn.Module, backend: str) -> None:
    """Chooses the backend of every module in ``net`` that has step modes.

    Args:
        net: any module.
        backend: ``'eager'``: plain PyTorch, the reference. ``'numba'``: compiled kernels on the
            CPU; a module that they cannot run raises. ``'auto'`` (the default of every module):
            the fastest that can run; the environment variable ``BITSPIKE_BACKEND`` decides for all
            such modules at once.

    Raises:
        ValueError: for an unknown backend.
    """
    kernels.check_backend(backend)
    for module in net.modules():
        if isinstance(module, StepModule):
            module.backend = backend
