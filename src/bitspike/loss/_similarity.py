"""A loss by which samples of one class spike alike."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Kernel = Callable[..., Tensor]


def _gaussian(x: Tensor, y: Tensor, sigma: float) -> Tensor:
    if sigma <= 0:
        raise ValueError(f"the Gaussian kernel needs sigma > 0, but got {sigma}")
    squares = x.square().sum(1).unsqueeze(1) + y.square().sum(1).unsqueeze(0) - 2 * (x @ y.T)
    return torch.exp(-squares / (2 * sigma * sigma))


_KERNELS: dict[str, Kernel] = {
    "linear": lambda x, y: x @ y.T,
    "polynomial": lambda x, y, d: (x @ y.T).pow(d),
    "sigmoid": lambda x, y, alpha: torch.sigmoid(alpha * (x @ y.T)),
    "gaussian": _gaussian,
}
_PARAMETERS = {"linear": "no parameter", "polynomial": "d", "sigmoid": "alpha", "gaussian": "sigma"}
_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "bce": F.binary_cross_entropy,
}


def kernel_dot_product(x: Tensor, y: Tensor, kernel: str = "linear", *args: Any) -> Tensor:
    """Return the similarity ``k(x_i, y_j)`` of every pair of samples.

    ====================  ======================================
    kernel                k(x, y)
    ====================  ======================================
    ``'linear'``          ``x . y``
    ``'polynomial', d``   ``(x . y)**d``
    ``'sigmoid', alpha``  ``sigmoid(alpha x . y)``
    ``'gaussian', sigma`` ``exp(-|x - y|**2 / (2 sigma**2))``
    ====================  ======================================

    Args:
        x: ``[N, M]``.
        y: ``[N', M]``.
        kernel: a name from the table.
        *args: the kernel's parameter.

    Returns:
        ``[N, N']``.

    Raises:
        ValueError: for an unknown kernel, another number of parameters, or ``sigma <= 0``.
    """
    if kernel not in _KERNELS:
        raise ValueError(f"the kernel must be one of {', '.join(_KERNELS)}, but got {kernel!r}")
    if len(args) != (kernel != "linear"):
        raise ValueError(f"the kernel {kernel!r} takes {_PARAMETERS[kernel]}, but got {args}")
    return _KERNELS[kernel](x, y, *args)


def spike_similar_loss(
    spikes: Tensor, labels: Tensor, kernel_type: str = "linear", loss_type: str = "mse", *args: Any
) -> Tensor:
    """Return the distance between the similarity of the samples' spikes and that of their labels.

    Spikes are compared by `kernel_dot_product`, with ``'linear'`` by the cosine; labels are
    similar, 1, if they share a class and 0 if not.

    Args:
        spikes: ``[B, ...]``, one row a sample.
        labels: one-hot or multi-hot, ``[B, C]``.
        kernel_type: the kernel.
        loss_type: ``'mse'``, ``'l1'`` or ``'bce'``; the last needs similarities in [0, 1].
        *args: the kernel's parameter.

    Returns:
        A scalar.

    Raises:
        ValueError: for an unknown kernel or loss.
    """
    if loss_type not in _LOSSES:
        raise ValueError(f"the loss must be one of {', '.join(_LOSSES)}, but got {loss_type!r}")
    rows = spikes.flatten(1)
    similarity = kernel_dot_product(rows, rows, kernel_type, *args)
    if kernel_type == "linear":
        length = rows.norm(dim=1, keepdim=True)
        similarity = similarity / (length @ length.T + 1e-8)
    of_labels = labels.float() @ labels.float().T
    return _LOSSES[loss_type](similarity, of_labels.clamp_max(1))
